"""What each kind of shared job does: from the values of its inputs to its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from burnish.contracts.noise import Corruption, CorruptionInput, Corruptor
from burnish.contracts.tuner import Progress, Run, no_progress
from burnish.engine.assessments import restored
from burnish.engine.blame import blamed
from burnish.engine.jobs.assess import assess
from burnish.engine.jobs.corrupt import corrupt, study_salt
from burnish.engine.jobs.data import Data, load, set_aside
from burnish.engine.jobs.features import Features, Tables, features
from burnish.engine.jobs.shown import Shown
from burnish.engine.jobs.splits import draw
from burnish.engine.jobs.task import RowReads
from burnish.engine.records import AssessmentRecord
from burnish.errors import DataError, FitError

if TYPE_CHECKING:
    from burnish.engine.store import Store
    from burnish.engine.tools import Tools
    from burnish.plan import Job, Part, SplitSpec


def make_data(tools: Tools, job: Job, given: Sequence[Any]) -> Data:
    """Load a source."""
    (source,) = job.what
    with blamed(source, tools.manager):
        return load(tools, source)


def make_features(tools: Tools, job: Job, given: Sequence[Any]) -> Features:
    """Take features from the cache, or make them."""
    backbone, view = job.what
    with blamed(backbone, tools.manager):
        return features(tools, backbone, view, *given)


def make_usable(tools: Tools, job: Job, given: Sequence[Any]) -> Any:
    """Tell which items are set aside."""
    (to_read,) = job.what
    data, *tables = given
    return set_aside(tools, to_read, data, tables)


def make_corrupt(tools: Tools, job: Job, given: Sequence[Any]) -> Shown:
    """Draw splits and make labels wrong: what a tuner is shown where nothing assesses.

    Raises:
        DataError: the splits cannot be drawn, or no test item is left.
    """
    noise, replicate, spec = job.what
    data, *aside = given
    return shown_of(tools, data, noise, replicate, spec, aside[0] if aside else ())


def shown_of(
    tools: Tools,
    data: Data,
    noise: Sequence[Part],
    replicate: int,
    spec: SplitSpec,
    aside: Sequence[int] = (),
) -> Shown:
    """Return what a tuner is shown of one replicate, without an assessment."""
    dataset = data.dataset
    splits = draw(dataset, spec, replicate).without(np.asarray(aside, dtype=np.int64).tolist())
    if not any(len(splits.splits[name]) for name in splits.tests()):
        todo = "Add items, or let the source fix a test set whose items can be used"
        raise DataError("no test item is left to measure on", where=dataset.name, todo=todo)
    tools.notes += [("data", f"{dataset.name}: {line}") for line in splits.notes]
    corruptors = [(part.name, _Named(part, tools)) for part in noise]
    corrupted = corrupt(dataset, splits, corruptors, replicate, study_salt(dataset))
    return Shown.of(corrupted, dataset.classes)


class _Named:
    """A corruptor whose errors name it (`burnish.contracts.noise.Corruptor`)."""

    def __init__(self, part: Part, tools: Tools) -> None:
        self._part, self._tools = part, tools
        with blamed(part, tools.manager):
            self._corruptor: Corruptor = tools.made(part)
            self.roles: frozenset[str] = self._corruptor.roles

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return what the corruptor makes of targets."""
        with blamed(self._part, self._tools.manager):
            return self._corruptor.corrupt(clean)


def make_assess(
    tools: Tools,
    job: Job,
    given: Sequence[Any],
    store: Store | None = None,
    progress: Progress = no_progress,
) -> Shown:
    """Ask an assessor, or take what it said before from the store: what a tuner is shown once it is applied.

    It is committed as soon as it is made, for an assessor may train for longer than any tuner.
    """
    row, replicate = job.what
    data, shown, *tables = given
    kept = store.assessment(job.key) if store is not None else None
    if kept is not None:
        if kept.error:
            raise FitError(kept.error)
        known: Shown = shown.assessed(restored(kept, data.dataset))
        return known
    start = time.monotonic()
    reads = RowReads(data.dataset, row.backbone, tools.backbones, Tables.of(tables))
    axes = {name: text for name, text in row.axes().items() if name in _ASSESSED}
    try:
        found = assess(tools, row, replicate, data, shown, reads, Run(tools.numeric.device, progress))
    except FitError as error:
        if store is not None:
            store.add_assessment(AssessmentRecord(job.key, axes, replicate, b"", b"", error=str(error)))
        raise FitError(str(error)) from None  # the traceback would keep all that the assessor held
    if store is not None:
        given_as, seconds = (data.dataset, shown.supervision), time.monotonic() - start
        store.add_assessment(AssessmentRecord.of(job.key, axes, replicate, found, *given_as, seconds))
    told: Shown = shown.assessed(found)
    return told


_ASSESSED: Final = ("data", "backbone", "views", "noise", "assess")
"""Axes that decide an assessment."""

SHARED: Final[dict[str, Callable[..., Any]]] = {
    "data": make_data,
    "features": make_features,
    "usable": make_usable,
    "corrupt": make_corrupt,
    "assess": make_assess,
}
"""The function behind each kind of job whose value several trials share."""
