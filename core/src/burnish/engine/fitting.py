"""Trials to predictors: assessments first, then stacks of heads, and one by one what trains by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from burnish.contracts.tuner import Progress, Run, Task
from burnish.engine.blame import blamed
from burnish.engine.jobs.fit import Fitted, as_head, fit, fit_stack
from burnish.engine.jobs.measure import Measuring
from burnish.engine.jobs.task import RowReads, task
from burnish.engine.predict.saved import as_bytes, from_bytes
from burnish.engine.store import PendingFit, Store
from burnish.engine.values import Values
from burnish.errors import FitError, ModelFileError
from burnish.heads.stacks import Limits, stacks

if TYPE_CHECKING:
    from burnish.contracts.tuner import Predictor
    from burnish.engine.progress import Advance
    from burnish.heads.head import HeadJob
    from burnish.plan import Plan, Row, Trial


@dataclass(frozen=True, eq=False)
class Planned:
    """A trial, or a candidate of tuning, that is to be fitted and measured.

    Attributes:
        key: of its measure job.
        trial: as planned.
        row: its row, with the tuned options filled in.
        options: the tuned options.
        role: ``"test"`` for a trial, ``"validation"`` for a candidate.
        error: why it cannot be fitted: nothing could be chosen for it.
    """

    key: str
    trial: Trial
    row: Row
    options: Mapping[str, Any]
    role: Literal["test", "validation"]
    error: str = ""


Stack = list[tuple[Planned, Fitted]]
"""What was fitted together: the unit of commit."""


class Fitting:
    """Fits trials.

    Args:
        plan: the plan.
        values: what trials share.
        store: has the fits that were committed and not measured.
        limits: what a stack may take; it is what a kill can lose.
    """

    def __init__(self, plan: Plan, values: Values, store: Store, limits: Limits | None = None) -> None:
        self.plan, self.values, self.store = plan, values, store
        self.tools, self.limits = values.tools, limits or Limits()

    def run(self, planned: Sequence[Planned], name: str) -> Iterator[Stack]:
        """Fit trials and yield them a stack at a time.

        Args:
            planned: what is to be fitted; its features may lie side by side.
            name: of the stage, for the progress line.
        """
        self._assess(planned)
        heads: list[tuple[Planned, HeadJob]] = []
        pending, done = set(self.store.pending_keys()), 0
        with self.tools.display.stage(name, len(planned), "trials") as advance:
            for one in planned:
                found = self._kept(one) if one.key in pending else self._alone(one, advance, done)
                if isinstance(found, Fitted):
                    yield [(one, found)]
                    done += 1
                    advance(done)
                else:
                    heads.append((one, found))
            for numbers in stacks([job for _, job in heads], self.limits):
                members = [heads[number] for number in numbers]
                yield self._together(members, partial(_part, advance, done, len(members)))
                done += len(members)
                advance(done)

    def measuring(self, one: Planned) -> Measuring | FitError:
        """Return what measuring a trial needs, or why it cannot be had."""
        row = one.row
        data, shown = (self.values.get(key) for key in self.values.reads(row, one.trial.replicate)[:2])
        tables = self.values.tables(row)
        for value in (data, shown, tables):
            if isinstance(value, FitError):
                return value
        return Measuring(self.tools, row, data, shown, tables)  # type: ignore[arg-type] # no error: checked

    # -- before ----------------------------------------------------------------------------------------------

    def _assess(self, planned: Sequence[Planned]) -> None:
        """Form the assessments that fits are going to ask for: they may take longer than fits do."""
        keys = [self.values.graph.shown(one.row, one.trial.replicate) for one in planned if one.row.assess]
        waiting = [key for key in dict.fromkeys(keys) if not self.values.has(key)]
        if not waiting:
            return
        with self.tools.display.stage("assessing", len(waiting), "assessments") as advance:
            for number, key in enumerate(waiting):
                self.values.get(key, partial(_part, advance, number, 1))
                advance(number + 1)

    def _task(self, one: Planned, progress: Progress) -> tuple[str, Task] | FitError:
        """Return the name of a trial's data and the task of its tuner, or why there is none."""
        measuring = self.measuring(one)
        if isinstance(measuring, FitError):
            return measuring
        row, dataset = one.row, measuring.given.dataset
        reads = RowReads(dataset, row.backbone, self.tools.backbones, measuring.tables)
        run = Run(self.tools.numeric.device, progress)
        loss = self.tools.made(row.loss) if row.loss else None
        replicate = one.trial.replicate
        return dataset.name, task(reads, measuring.shown, dataset.columns, replicate, run, "fit", loss)

    # -- fits ------------------------------------------------------------------------------------------------

    def _alone(self, one: Planned, advance: Advance, done: int) -> Fitted | HeadJob:
        """Return what became of a trial that is fitted by itself; else the head to train with others."""
        start = time.monotonic()
        if one.error:
            return Fitted(error=one.error)
        try:
            with blamed(one.row.tuner, self.tools.manager):
                self.tools.made(one.row.tuner)
            given = self._task(one, partial(_part, advance, done, 1))
        except FitError as error:
            given = error
        if isinstance(given, FitError):
            return Fitted(error=str(given))
        name, made = given
        head = as_head(self.tools, one.row, made, name)
        if isinstance(head, FitError):
            return Fitted(error=str(head))
        if head is not None:
            return head
        found = self.values.executor.submit(lambda: fit(self.tools, one.row, made))
        return replace(found, seconds=time.monotonic() - start)

    def _together(self, members: Sequence[tuple[Planned, HeadJob]], progress: Progress) -> Stack:
        """Train heads of one stack."""
        start = time.monotonic()
        run = Run(self.tools.numeric.device, progress)
        jobs = [job for _, job in members]
        found = self.values.executor.submit(lambda: fit_stack(jobs, run))
        seconds = (time.monotonic() - start) / len(members)
        return [(one, replace(each, seconds=seconds)) for (one, _), each in zip(members, found, strict=True)]

    # -- fits that are committed -----------------------------------------------------------------------------

    def commit(self, stack: Stack) -> Stack:
        """Keep fits before they are measured: measuring can take long, and a kill then costs no fit.

        A predictor that cannot be kept is one that could not be trained.
        """
        kept: list[PendingFit] = []
        checked: Stack = []
        for one, fitted in stack:
            try:
                if fitted.predictor is not None:
                    kept.append(self._pending(one, fitted, fitted.predictor))
            except FitError as error:
                fitted = replace(fitted, predictor=None, error=str(error))
            checked.append((one, fitted))
        self.store.add_fits(kept)
        return checked

    def _pending(self, one: Planned, fitted: Fitted, predictor: Predictor) -> PendingFit:
        with blamed(one.row.tuner, self.tools.manager):
            state, info = as_bytes(predictor.state()), json.dumps(dict(predictor.info()))
        return PendingFit(one.key, state, info, json.dumps(dict(one.options)), fitted.seconds, fitted.stack)

    def _kept(self, one: Planned) -> Fitted:
        """Return the fit that an earlier run committed and did not measure."""
        fit, measuring = self.store.pending_fit(one.key), self.measuring(one)
        if isinstance(measuring, FitError):
            return Fitted(error=str(measuring))
        assert fit is not None  # noqa: S101 - its key was among the pending ones
        state, info = from_bytes(fit.state), json.loads(fit.info)
        try:
            with blamed(one.row.tuner, self.tools.manager):
                tuner = self.tools.made(one.row.tuner)
                predictor = tuner.restore(state, info, measuring.shown.classes)
        except (FitError, ModelFileError) as error:
            return Fitted(error=str(error), seconds=fit.seconds, stack=fit.stack)
        return Fitted(predictor, seconds=fit.seconds, stack=fit.stack)


def _part(advance: Advance, before: int, size: int, steps: int, of: int) -> None:
    """Show how far `size` trials after `before` others are."""
    advance(before + size * steps / max(of, 1))
