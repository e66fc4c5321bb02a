"""What corruptors share: which items noise falls on, and how a result is put together.

All noise is *nested*: an item's uniform numbers are the same at every rate, so what is flipped at 20 % is
flipped at 40 %, to the same class.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from burnish.contracts.noise import Corruption, CorruptionInput
from burnish.data import Labels
from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABEL_ROLES: Final = frozenset({"train", "validation", "calibration", "pool", "reference"})
"""Roles label noise applies to: all but test."""

SAMPLING_ROLES: Final = frozenset({"train", "pool"})
"""Roles sampling noise applies to."""


def labels_of(clean: CorruptionInput, noise: str) -> Labels:
    """Return the targets where they are one label an item.

    Raises:
        DataError: they are not.
    """
    if not isinstance(clean.supervision, Labels):
        raise DataError(
            f"the targets are {clean.supervision.word}",
            where=f"noise {noise}",
            possible="labels, one class an item",
            todo="Of the noise in basics, only `missing` fits multi-labels",
        )
    return clean.supervision


def share(rate: float, n: int) -> int:
    """Return ceil(rate * n), as if rate were the decimal number that was written.

    0.1 * 30 is 3, not 3.0000000000000004.
    """
    return math.ceil(round(rate * n, 6))


def smallest(u: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the places of the `count` smallest numbers; of equal numbers the first.

    A smaller count gives a subset.
    """
    return np.argsort(u, kind="stable")[:count]


def pick(weights: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (K,) the column that each u in [0, 1) falls on.

    Columns are drawn in proportion to their weights (K, C).
    """
    cumulative = np.cumsum(weights, axis=1)
    column = (cumulative <= u[:, None] * cumulative[:, -1:]).sum(axis=1)
    # u is below 1, but its product may round up: then it is the last column of any weight.
    last = weights.shape[1] - 1 - np.argmax(weights[:, ::-1] > 0, axis=1)
    return np.asarray(np.minimum(column, last))


def relabelled(
    clean: CorruptionInput, labels: Labels, positions: NDArray[Any], new: NDArray[Any]
) -> Corruption:
    """Return the corruption in which the items at `positions` (K,) have the labels `new` (K,)."""
    y = labels.y.copy()
    y[positions] = new
    return Corruption(replace(labels, y=y), clean.index, y != labels.y)


def kept(clean: CorruptionInput, index: NDArray[np.int64]) -> Corruption:
    """Return the corruption that changes no label and keeps the items at `index`."""
    return Corruption(clean.supervision, index, np.zeros(len(clean.supervision), dtype=bool))
