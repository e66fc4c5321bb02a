"""What most evaluators share: the known labels of a split, and a share with all that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from burnish.contracts.evaluator import Direction, Measure, Outcome, Terms, Unit
from burnish.data import Labels
from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

NO_TARGET = "no target is known here"
"""Why a measure is NaN on a split without known targets."""


class KnownLabels(NamedTuple):
    """The M items of a split whose label is known.

    Attributes:
        rows: (M,) int64 their places in the split.
        y: (M,) int64 labels.
        units: (M,) int64 resampling units.
    """

    rows: NDArray[np.int64]
    y: NDArray[np.int64]
    units: NDArray[np.int64]


def known_labels(outcome: Outcome, split: str) -> KnownLabels:
    """Return the items of a split whose label is known.

    Raises:
        burnish.errors.DataError: the targets are no labels.
    """
    targets = outcome.targets(split)
    if not isinstance(targets, Labels):
        raise DataError(f"{targets.word} cannot be measured", where="evaluate", possible="labels")
    rows = np.flatnonzero(targets.known)
    return KnownLabels(rows, targets.y[rows], outcome.units(split)[rows])


def ratio_measure(
    name: str,
    split: str,
    units: NDArray[np.int64],
    right: ArrayLike,
    of: ArrayLike | None = None,
    *,
    unit: Unit = "fraction",
    better: Direction = "up",
    how: str = "",
    nothing: str = NO_TARGET,
) -> Measure:
    """Return the measure sum(right) / sum(of), with its number of items and its terms by resampling unit.

    Args:
        name: of the measure.
        split: the split it is measured on.
        units: (M,) resampling unit of each item, as `known_labels` or `Outcome.units` gives them.
        right: (M,) what each item adds to the sum: 0 and 1, or any number.
        of: (M,) what each item counts; 1 where it is not given.
        unit: of the value.
        better: direction.
        how: how it was made, where that is not plain from the name.
        nothing: what `how` says where no item counts; the value is then NaN.
    """
    top = np.asarray(right, dtype=np.float64)
    bottom = np.ones_like(top) if of is None else np.asarray(of, dtype=np.float64)
    terms = _terms(units, top, bottom)
    n, total = int(np.count_nonzero(bottom)), float(terms.denominator.sum())
    value = float(terms.numerator.sum()) / total if n else float("nan")
    return Measure(name, split, value, unit, better, n, how if n else nothing, terms)


def _terms(
    units: NDArray[np.int64], numerator: NDArray[np.float64], denominator: NDArray[np.float64]
) -> Terms:
    """Return item-wise numerators and denominators (M,) summed by resampling unit."""
    distinct, where = np.unique(units, return_inverse=True)
    sums = (
        np.bincount(where, weights=values, minlength=len(distinct)) for values in (numerator, denominator)
    )
    return Terms(distinct, *sums)
