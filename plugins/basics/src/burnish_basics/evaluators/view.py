"""What these evaluators share: the known targets of a split beside what was predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from burnish.blocks import KnownLabels, known_labels
from burnish.contracts.evaluator import Outcome
from burnish.data import Labels, MultiLabels
from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.scores import Scores


@dataclass(frozen=True, eq=False)
class Counts:
    """Per class over the known targets of a split, (C,) float64 each.

    Of multi-labels, over its known entries.

    Attributes:
        right: items of the class that are predicted as it.
        actual: items of the class.
        predicted: items predicted as the class.
    """

    right: NDArray[np.float64]
    actual: NDArray[np.float64]
    predicted: NDArray[np.float64]

    @property
    def there(self) -> NDArray[np.bool_]:
        """(C,) bool: the class has items in the split."""
        return self.actual > 0

    def recall(self) -> NDArray[np.float64]:
        """Return (C,) recall; NaN for a class without items."""
        return divide(self.right, self.actual)

    def precision(self) -> NDArray[np.float64]:
        """Return (C,) precision; NaN for a class that is never predicted."""
        return divide(self.right, self.predicted)

    def f1(self) -> NDArray[np.float64]:
        """Return (C,) F1 = 2 right / (actual + predicted).

        NaN for a class that is neither there nor predicted.
        """
        return divide(2 * self.right, self.actual + self.predicted)

    def left_out(self) -> str:
        """Return a note on classes that the split lacks; empty where it has all."""
        missing = int((~self.there).sum())
        return (
            f"{missing} of {len(self.actual)} classes have no item here and are left out" if missing else ""
        )


def divide(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return top / bottom, NaN where bottom is 0."""
    return np.asarray(np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0))


@dataclass(frozen=True, eq=False)
class EntryView:
    """The entries of a split's multi-labels.

    Attributes:
        positive: (M, C) bool.
        observed: (M, C) bool.
    """

    positive: NDArray[np.bool_]
    observed: NDArray[np.bool_]


def view(outcome: Outcome, split: str) -> KnownLabels | EntryView:
    """Return the known targets of a split.

    Raises:
        DataError: they are neither labels nor multi-labels.
    """
    targets = outcome.targets(split)
    if isinstance(targets, Labels):
        return known_labels(outcome, split)
    if not isinstance(targets, MultiLabels):
        raise DataError(
            f"{targets.word} cannot be measured", where="evaluate", possible="labels, multi-labels"
        )
    positive = targets.positive.toarray()
    observed = np.ones_like(positive) if targets.observed is None else targets.observed.toarray()
    return EntryView(positive, observed)


def present(scores: Scores) -> NDArray[np.bool_]:
    """Return (M, C) True where a class of multi-labels is predicted.

    Its logit is above 0, its probability above 0.5.
    """
    return np.asarray(scores.values > (0.5 if scores.meaning == "probabilities" else 0))


def class_counts(outcome: Outcome, split: str) -> Counts:
    """Return the counts of every class on a split."""
    known, scores, c = view(outcome, split), outcome.scores(split), len(outcome.classes)
    if isinstance(known, KnownLabels):
        top = scores.top()[known.rows]
        right = np.bincount(known.y[top == known.y], minlength=c)
        counts = right, np.bincount(known.y, minlength=c), np.bincount(top[top >= 0], minlength=c)
    else:
        predicted = present(scores) & known.observed
        counts = (
            (predicted & known.positive).sum(axis=0),
            (known.positive & known.observed).sum(axis=0),
            predicted.sum(axis=0),
        )
    return Counts(*(np.asarray(count, dtype=np.float64) for count in counts))
