"""What evaluators share: the items whose label is known, and measures that are ratios of sums."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from burnish.contracts.evaluator import Direction, Measure, Outcome, Terms, Unit
from burnish.data import Labels
from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_TARGET: Final = "no target is known here"
"""Why a measure is NaN on a split without known targets."""


class KnownLabels(NamedTuple):
    """The M items of a split whose label is known.

    Attributes:
        rows: (M,) int64 their places in the split.
        y: (M,) int64 their labels.
        units: (M,) int64 their resampling units, as `ratio_measure` wants them.
    """

    rows: NDArray[np.int64]
    y: NDArray[np.int64]
    units: NDArray[np.int64]


def known_labels(outcome: Outcome, split: str) -> KnownLabels:
    """Return the items of a split whose label is known: the true one on test sets, where it is shown.

    Raises:
        DataError: an item has no single label, as with multi-labels and texts.
    """
    targets = outcome.targets(split)
    if not isinstance(targets, Labels):
        raise DataError(f"{targets.word} have no single class an item", where="evaluate", possible="labels")
    rows = np.flatnonzero(targets.known)
    return KnownLabels(rows, targets.y[rows], outcome.units(split)[rows])


def ratio_measure(
    name: str,
    split: str,
    units: NDArray[np.int64],
    right: NDArray[Any],
    of: NDArray[Any] | None = None,
    *,
    unit: Unit = "fraction",
    better: Direction = "up",
    how: str = "",
    nothing: str = NO_TARGET,
) -> Measure:
    """Return the measure sum(right) / sum(of), with what its interval is made from.

    Args:
        name: of the measure.
        split: that it is of.
        units: (M,) resampling unit of each item: items of one group share theirs.
        right: (M,) what each item adds above the line, such as True where its prediction is right.
        of: (M,) what it adds below the line; 1 each where it is not given.
        unit: of the value.
        better: direction.
        how: how it was made, where that is not plain from the name.
        nothing: what stands there instead where no item counts, and the value is NaN.
    """
    below = np.ones(len(right)) if of is None else np.asarray(of, dtype=np.float64)
    groups, place = np.unique(units, return_inverse=True)
    above, under = (np.bincount(place, each, len(groups)).astype(np.float64) for each in (right, below))
    terms = Terms(groups, above, under)
    n, total = int((below > 0).sum()), float(terms.denominator.sum())
    value = float(terms.numerator.sum()) / total if total > 0 else float("nan")
    return Measure(name, split, value, unit, better, n, how if n else nothing, terms)
