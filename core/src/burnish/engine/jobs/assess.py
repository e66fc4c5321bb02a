"""The assess job: an assessment of the training items, and what a tuner sees once it is applied."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.blocks.out_of_fold import out_of_fold
from burnish.contracts.noise import Assessment, Assessor, Evidence
from burnish.data import Dataset, Labels, Split, Supervision
from burnish.engine import seeds
from burnish.engine.jobs.corrupt import Corrupted
from burnish.engine.jobs.splits import units_of
from burnish.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from burnish.contracts.tuner import Task

ASSESSED_ROLES = ("train", "pool", "reference")
"""Roles an assessor may look at: never validation, calibration or test."""


def assess(
    name: str,
    assessor: Assessor,
    dataset: Dataset,
    corrupted: Corrupted,
    features: NDArray[np.float32],
    replicate: int,
    task: Task | None = None,
) -> Assessment:
    """Return the assessment of an assessor on the items of the roles it may see.

    Args:
        name: of the component, for messages.
        assessor: the assessor.
        dataset: the data set.
        corrupted: splits and supervision as observed.
        features: (N, D) float32 of the evaluation view.
        replicate: whose randomness it uses.
        task: for assessors that train something themselves.

    Raises:
        DataError: the supervision is not of a kind that out-of-fold probabilities can be made for, or the
            assessment is malformed.
    """
    index = np.sort(
        np.concatenate([s.index for s in corrupted.splits.splits.values() if s.role in ASSESSED_ROLES])
    )
    supervision = corrupted.supervision.take(index)
    if not isinstance(supervision, Labels):
        raise DataError(
            f"assess needs one label an item, and the data has {supervision.word}", where=f"assess {name}"
        )
    rows = np.ascontiguousarray(features[index])

    def probabilities() -> NDArray[np.float32]:
        return out_of_fold(
            rows,
            supervision,
            len(dataset.classes),
            units_of(dataset)[index],
            rng=seeds.generator("folds", replicate),
        )

    evidence = Evidence(
        index, supervision, dataset.classes, rows, probabilities, seeds.generator("assess", replicate), task
    )
    assessment = assessor.assess(evidence)
    _check(name, assessment, index)
    return assessment


def apply(
    assessment: Assessment, supervision: Supervision, splits: Mapping[str, Split]
) -> tuple[Supervision, dict[str, Split]]:
    """Return supervision and splits with an assessment applied in its order: corrected, keep, weight."""
    if assessment.corrected is not None:
        supervision = _corrected(supervision, assessment.corrected, assessment.index)
    parts = dict(splits)
    if assessment.keep is not None:
        dropped = assessment.index[~assessment.keep]
        parts = {
            n: Split(n, np.setdiff1d(s.index, dropped)) if s.role in ASSESSED_ROLES else s
            for n, s in parts.items()
        }
    if assessment.weight is not None:
        weights = (
            np.ones(len(supervision), dtype=np.float32)
            if supervision.weights is None
            else supervision.weights.copy()
        )
        weights[assessment.index] *= assessment.weight.astype(np.float32)
        supervision = supervision.with_weights(weights)
    return supervision, parts


def _corrected(supervision: Supervision, corrected: Supervision, index: NDArray[Any]) -> Supervision:
    if not (isinstance(supervision, Labels) and isinstance(corrected, Labels)):
        raise DataError(f"{corrected.word} cannot replace {supervision.word}", where="assess")
    y = supervision.y.copy()
    y[index] = corrected.y
    return replace(supervision, y=y)


def _check(name: str, assessment: Assessment, index: NDArray[np.int64]) -> None:
    where = f"assess {name}"
    if not np.isin(assessment.index, index).all() or len(np.unique(assessment.index)) != len(
        assessment.index
    ):
        raise DataError("gave an assessment on items it was not shown, or twice on one", where=where)
    if assessment.keep is not None and assessment.keep.dtype != np.bool_:
        raise DataError(f"keep is an array of {assessment.keep.dtype}", where=where, possible="bool")
    if assessment.corrected is not None and len(assessment.corrected) != len(assessment.index):
        raise DataError(
            f"corrected {len(assessment.corrected)} targets of {len(assessment.index)} items", where=where
        )
    probability = assessment.clean_probability
    if probability is not None and ((probability < 0) | (probability > 1)).any():
        raise DataError("a clean_probability is outside [0, 1]", where=where)
    for what in ("clean_probability", "keep", "weight"):
        array = getattr(assessment, what)
        if array is not None and (array.shape != assessment.index.shape or not np.isfinite(array).all()):
            raise DataError(f"{what} is not one finite number an item", where=where)
    if assessment.weight is not None and (assessment.weight < 0).any():
        raise DataError("gave a negative weight", where=where)
