"""The assess job: what an assessor says of the training items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from burnish.blocks.out_of_fold import out_of_fold
from burnish.contracts.noise import Assessment, Assessor, Evidence
from burnish.contracts.tuner import Run
from burnish.data import Labels, Split, Supervision, seeds
from burnish.engine.blame import blamed
from burnish.engine.jobs.shown import ASSESSED_ROLES, Shown
from burnish.engine.jobs.task import RowReads, task
from burnish.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from burnish.contracts.tuner import Task
    from burnish.engine.jobs.data import Data
    from burnish.engine.tools import Tools
    from burnish.plan import Row


def assess(
    tools: Tools, row: Row, replicate: int, given: Data, shown: Shown, reads: RowReads, run: Run
) -> Assessment:
    """Return what a row's assessor says of the items of the roles it may see.

    Raises:
        DataError: the supervision is not of a kind that out-of-fold probabilities can be made for, or the
            assessment is malformed.
        FitError: it could not be trained.
    """
    assert row.assess is not None  # noqa: S101 - the plan makes this job only where the row has one
    asks = task(reads, shown, given.dataset.columns, replicate, run, "assess")
    evidence = evidence_for(given, shown, reads, replicate, asks)
    try:
        with blamed(row.assess, tools.manager):
            assessor: Assessor = tools.made(row.assess)
            found = assessor.assess(evidence)
            check(row.assess.name, found, evidence.index)
    finally:
        tools.backbones.require_frozen(f"assess {row.assess.text}")
    return found


def assessable(splits: Mapping[str, Split]) -> NDArray[np.int64]:
    """Return the positions, ascending, of the items that an assessor may look at."""
    index = [split.index for split in splits.values() if split.role in ASSESSED_ROLES]
    return np.sort(np.concatenate([*index, np.empty(0, dtype=np.int64)]))


def evidence_for(
    given: Data, shown: Shown, reads: RowReads, replicate: int, task: Task | None = None
) -> Evidence:
    """Return what an assessor is shown.

    Raises:
        DataError: the supervision is not of a kind that out-of-fold probabilities can be made for.
    """
    index = assessable(shown.splits)
    supervision = _labels(shown.supervision.take(index))
    rows = np.ascontiguousarray(reads.features(training=False)[index, 0])
    classes = given.dataset.classes

    def probabilities() -> NDArray[np.float32]:
        rng = seeds.generator("folds", replicate)
        return out_of_fold(rows, supervision, len(classes), given.units[index], rng=rng)

    rng = seeds.generator("assess", replicate)
    return Evidence(index, supervision, classes, rows, probabilities, rng, task)


def _labels(supervision: Supervision) -> Labels:
    if not isinstance(supervision, Labels):
        what = f"assess needs one label an item, and the data has {supervision.word}"
        raise DataError(what, where="assess")
    return supervision


def check(name: str, found: Assessment, index: NDArray[np.int64]) -> None:
    """Refuse an assessment that says something of items it was not shown, or in another form than it should.

    Raises:
        DataError: what is wrong.
    """
    where, count = f"assess {name}", len(found.index)
    if not np.isin(found.index, index).all() or len(np.unique(found.index)) != count:
        raise DataError("gave an assessment on items it was not shown, or twice on one", where=where)
    if found.keep is not None and found.keep.dtype != np.bool_:
        raise DataError(f"keep is an array of {found.keep.dtype}", where=where, possible="bool")
    if found.corrected is not None and len(found.corrected) != count:
        raise DataError(f"corrected {len(found.corrected)} targets of {count} items", where=where)
    probability = found.clean_probability
    if probability is not None and ((probability < 0) | (probability > 1)).any():
        raise DataError("a clean_probability is outside [0, 1]", where=where)
    for what in ("clean_probability", "keep", "weight"):
        array = getattr(found, what)
        if array is not None and (array.shape != found.index.shape or not np.isfinite(array).all()):
            raise DataError(f"{what} is not one finite number an item", where=where)
    if found.weight is not None and (found.weight < 0).any():
        raise DataError("gave a negative weight", where=where)
