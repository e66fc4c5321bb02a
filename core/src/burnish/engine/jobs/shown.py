"""What one replicate of a row's tuner is shown, with what the engine keeps beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from burnish.data import Classes, Split, Supervision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.noise import Assessment
    from burnish.engine.jobs.corrupt import Corrupted
    from burnish.errors import FitError

ASSESSED_ROLES = ("train", "pool", "reference")
"""Roles an assessor may look at: never validation, calibration or test."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What a tuner is shown.

    Attributes:
        corrupted: the truth and what noise made of it: stays with the engine.
        splits: train, validation ..., and the test sets, which no tuner is given.
        supervision: of all N items, corrected and weighted as assessed; unknown on test sets.
        classes: the classes; those that no training item has as observed are new.
        assessment: what is applied already, or None.
        error: why there is no assessment where there should be one.
    """

    corrupted: Corrupted
    splits: Mapping[str, Split]
    supervision: Supervision
    classes: Classes
    assessment: Assessment | None = None
    error: FitError | None = None

    @classmethod
    def of(cls, corrupted: Corrupted, classes: Classes) -> Shown:
        """Return what a tuner is shown where nothing assesses."""
        splits, supervision = corrupted.splits.splits, corrupted.supervision
        counts = supervision.take(splits["train"].index).with_weights(None).counts(len(classes))
        return cls(corrupted, splits, supervision, classes.with_known(counts > 0))

    def assessed(self, assessment: Assessment) -> Shown:
        """Return what is shown once an assessment is applied: corrected, keep, weight, in that order."""
        supervision, splits = self.supervision, dict(self.splits)
        if assessment.corrected is not None:
            supervision = supervision.corrected(assessment.corrected, assessment.index)
        if assessment.keep is not None:
            dropped = assessment.index[~assessment.keep]
            splits = {name: _without(split, dropped) for name, split in splits.items()}
        if assessment.weight is not None:
            given = supervision.weights
            weights = np.ones(len(supervision), dtype=np.float32) if given is None else given.copy()
            weights[assessment.index] *= assessment.weight.astype(np.float32)
            supervision = supervision.with_weights(weights)
        return replace(self, supervision=supervision, splits=splits, assessment=assessment)

    @cached_property
    def train_counts(self) -> NDArray[np.float64]:
        """(C,) training items per class as observed."""
        train = self.supervision.take(self.splits["train"].index)
        counts: NDArray[np.float64] = train.with_weights(None).counts(len(self.classes))
        return counts

    def tests(self) -> dict[str, Split]:
        """Return the test sets that have items."""
        return {name: split for name, split in self.splits.items() if split.role == "test" and len(split)}


def _without(split: Split, positions: NDArray[np.int64]) -> Split:
    if split.role not in ASSESSED_ROLES:
        return split
    return Split(split.name, np.setdiff1d(split.index, positions))
