"""The fit job: trials that can be trained together are, and each stack is measured and committed as one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from burnish.contracts.tuner import Predictor, Run, Task, Tell, untold
from burnish.engine import seeds
from burnish.engine.inputs import Inputs
from burnish.engine.parts import make
from burnish.errors import FitError
from burnish.heads.head import HeadJob, HeadResult, HeadTuner
from burnish.heads.stacked import fit_heads
from burnish.heads.stacks import Limits, stacks
from burnish.heads.targets import target_arrays

if TYPE_CHECKING:
    from burnish.engine.progress import Advance
    from burnish.plan import Part, Row, Trial


@dataclass(frozen=True, eq=False)
class Fitted:
    """One trained trial.

    Attributes:
        trial: the trial, as planned.
        row: its row with the tuned options filled in.
        options: the tuned options.
        predictor: the result; None where it could not be trained.
        error: why not.
        seconds: its share of the time of its stack.
        stack: trials in its stack.
    """

    trial: Trial
    row: Row
    options: Mapping[str, Any]
    predictor: Predictor | None
    error: str
    seconds: float
    stack: int


class Fits:
    """Fits trials in stacks.

    Args:
        inputs: the shared jobs.
        device: torch device.
        limits: what a stack may take; it is what a kill can lose.
    """

    def __init__(self, inputs: Inputs, device: str, limits: Limits | None = None) -> None:
        self.inputs, self.device, self.limits = inputs, device, limits or Limits()
        self._objects: dict[str, Any] = {}

    def run(
        self, trials: Sequence[tuple[Trial, Mapping[str, Any]]], wanted: Callable[[Trial], bool], name: str
    ) -> Iterator[list[Fitted]]:
        """Fit trials and yield them a stack at a time.

        Stacks are formed from all the trials given, wanted or not, so that a resumed study forms the same
        ones.

        Args:
            trials: trials with their tuned options.
            wanted: whether a trial is still to be fitted.
            name: of the stage, for the progress line.
        """
        resolved = [(trial, trial.row.with_options(options), options) for trial, options in trials]
        total = sum(wanted(trial) for trial, _ in trials)
        heads: list[tuple[int, HeadJob]] = []
        done = 0
        self._assess(
            [
                (row, trial.replicate)
                for trial, row, _ in resolved
                if wanted(trial) or isinstance(self._object(row.tuner), HeadTuner)
            ]
        )
        with self.inputs.progress.stage(name, total, "trials") as advance:
            for number, (trial, row, options) in enumerate(resolved):
                job: HeadJob | FitError | None
                try:
                    job = self._job(row, trial.replicate)
                except FitError as error:
                    job = error
                if isinstance(job, HeadJob):
                    heads.append((number, job))
                elif wanted(trial):
                    yield [self._alone(trial, row, options, job, partial(_part, advance, done, 1))]
                    done += 1
                    advance(done)
            for members in stacks([job for _, job in heads], self.limits):
                chosen = [heads[m] for m in members if wanted(resolved[heads[m][0]][0])]
                if not chosen:
                    continue
                start = time.monotonic()
                try:
                    results = fit_heads(
                        [job for _, job in chosen],
                        Run(self.device, partial(_part, advance, done, len(chosen))),
                    )
                except FitError as error:
                    results = [HeadResult(None, str(error))] * len(chosen)
                seconds = (time.monotonic() - start) / len(chosen)
                yield [
                    Fitted(*resolved[number], result.predictor, result.error, seconds, len(chosen))
                    for (number, _), result in zip(chosen, results, strict=True)
                ]
                done += len(chosen)
                advance(done)

    def _assess(self, rows: Sequence[tuple[Row, int]]) -> None:
        """Form the assessments that fits are going to ask for.

        Assessors may train for longer than tuners, and the time is theirs.
        """
        waiting = {
            self.inputs.seen_key(*one): one
            for one in rows
            if one[0].assess is not None and not self.inputs.has_seen(*one)
        }
        if not waiting:
            return
        with self.inputs.progress.stage("assessing", len(waiting), "assessments") as advance:
            for done, (row, replicate) in enumerate(waiting.values()):
                with suppress(FitError):  # the trials that ask for this assessment meet the error themselves
                    self.inputs.seen(row, replicate, partial(_part, advance, done, 1))
                advance(done + 1)

    def _object(self, part: Part) -> Any:
        """Return the tuner or loss behind a part; equal parts share one."""
        if part.digest not in self._objects:
            self._objects[part.digest] = make(part, self.inputs.manager)
        return self._objects[part.digest]

    def _job(self, row: Row, replicate: int) -> HeadJob | None:
        """Return the head job of a trial; None where its tuner trains by itself."""
        tuner = self._object(row.tuner)
        if not isinstance(tuner, HeadTuner):
            return None
        seen = self.inputs.seen(row, replicate)
        rows = seen.splits["train"].index
        dataset = self.inputs.dataset(row)
        supervision = seen.supervision.take(rows)
        where = f"{dataset.name}, replicate {replicate}"
        if not len(rows) and row.assess is not None:
            raise FitError(f"{row.assess.text} keeps no training item", where=where)
        if not supervision.known.any():
            raise FitError("no training item has a label", where=where)
        targets, weights = target_arrays(supervision, len(dataset.classes))
        return HeadJob(
            tuner=tuner,
            loss=self._object(row.loss) if row.loss and tuner.uses_loss else None,
            features=self.inputs.training_features(row),
            rows=rows,
            targets=targets,
            weights=weights,
            classes=seen.classes,
            seed=seeds.seed("init", replicate),
            # As `burnish.heads.stacked.head_job` derives them from a task: a tuner inside another one is
            # paired with the tuner itself.
            order=int(seeds.generator("fit order", replicate).integers(2**63)),
            generator=seeds.generator("fit tuner", replicate),
        )

    def _alone(
        self, trial: Trial, row: Row, options: Mapping[str, Any], problem: FitError | None, tell: Tell
    ) -> Fitted:
        start = time.monotonic()
        predictor, error = None, str(problem) if problem else ""
        if problem is None:
            try:
                predictor = self._object(row.tuner).fit(self.task(row, trial.replicate, tell))
            except FitError as failure:
                error = str(failure)
            finally:
                self.inputs.require_frozen(f"tuner {row.tuner.text}")
        return Fitted(trial, row, options, predictor, error, time.monotonic() - start, 1)

    def task(self, row: Row, replicate: int, tell: Tell = untold) -> Task:
        """Return what a tuner that trains by itself is given: nothing of a test set, and no truth."""
        seen = self.inputs.seen(row, replicate)
        loss = self._object(row.loss) if row.loss else None
        return self.inputs.tasks(row, replicate, seen).task("fit", seen.assessment, loss, tell)


def _part(advance: Advance, before: int, size: int, steps: int, of: int) -> None:
    """Show how far `size` trials after `before` others are."""
    advance(before + size * steps / max(of, 1))
