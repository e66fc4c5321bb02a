"""Running a plan: choices of tuning first, then the trials, stack by stack, then the summary.

Whatever is finished is kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from burnish.engine.environment import environment
from burnish.engine.features.cache import FeatureCache
from burnish.engine.inputs import Inputs
from burnish.engine.jobs.fit import Fits, Fitted
from burnish.engine.jobs.measure import Measuring
from burnish.engine.jobs.study_tables import study_tables
from burnish.engine.jobs.summarise import check_names, summarise
from burnish.engine.predict.saved import save_predictor
from burnish.engine.progress import Progress, Silent
from burnish.engine.store import Candidate, Store
from burnish.errors import StoreError
from burnish.numeric import verify

if TYPE_CHECKING:
    from burnish.manager import Manager
    from burnish.plan import Choice, Plan, Trial

Save = Literal["first", "all", "none"]


@dataclass(frozen=True)
class Options:
    """How a plan is run. None of it changes a number, and none of it is in a key.

    Attributes:
        workers: threads that decode; 0 for as many as there are cores.
        offline: no hub is asked.
        save: which predictors are kept: of replicate 0 of every row, of all trials, or none.
        limit: stop after about this many trials; the study can be resumed. 0 for no limit.
        progress: where to say what is going on.
    """

    workers: int = 0
    offline: bool = False
    save: Save = "first"
    limit: int = 0
    progress: Progress = field(default_factory=Silent)


class Execution:
    """One run of a plan into a study folder that this process holds.

    Args:
        plan: the plan.
        store: the study's store.
        folder: the study's folder.
        manager: finds components.
        options: how to run.
    """

    def __init__(self, plan: Plan, store: Store, folder: Path, manager: Manager, options: Options) -> None:
        self.plan, self.store, self.folder, self.options = plan, store, folder, options
        self.manager = manager
        self.inputs = Inputs(
            plan, manager, FeatureCache(), options.progress, workers=options.workers, offline=options.offline
        )
        self.measuring = Measuring(plan, self.inputs)
        self.fits = Fits(self.inputs, plan.numeric.device)

    def run(self) -> None:
        """Do what is not done yet.

        Raises:
            MachineError: the machine is not the one the plan was made for.
        """
        verify(self.plan.numeric)
        finished = self.store.finished()
        missing = [trial for trial in self.plan.trials() if self.plan.measure_key(trial) not in finished]
        if missing:
            self.store.set_meta({"environment": json.dumps(environment(self.plan.numeric))})
            # All rows, not only the missing ones: stacks are formed from the whole plan, as they were before
            # a kill.
            self.inputs.prepare(self.plan.rows)
            self._keep_notes()
            self._check_set_aside()
            self._choose()
            self._trials({self.plan.measure_key(trial) for trial in missing})
            self._keep_notes()
            self.inputs.release()
        if {self.plan.measure_key(trial) for trial in self.plan.trials()} <= self.store.finished():
            self._summarise()

    def _check_set_aside(self) -> None:
        """Refuse to put rows beside others that were measured on other items."""
        now, before = self.inputs.set_aside(), self.store.meta("set aside")
        if before is not None and before != now and self.store.finished():
            what = "other items are set aside as unusable than when its rows were measured"
            raise StoreError(
                what,
                where=str(self.folder),
                todo="Run with --fresh, so that all rows are measured on the same items",
            )
        self.store.set_meta({"set aside": now})

    def _keep_notes(self) -> None:
        for kind in {kind for kind, _ in self.inputs.notes}:
            self.store.note(kind, [text for k, text in self.inputs.notes if k == kind])

    # -- tuning ----------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        made = self.store.choices()
        open_choices = [choice for choice in self.plan.choices() if choice.key not in made]
        if not open_choices:
            return
        tried = self.store.candidates()
        trials = list(
            {
                self.plan.validation_key(t): t
                for choice in open_choices
                for _, ts in choice.candidates
                for t in ts
            }.values()
        )
        for stack in self.fits.run(
            [(t, {}) for t in trials],
            lambda t: self.plan.validation_key(t) not in tried,
            "tuning on validation",
        ):
            self.store.add_candidates(
                {
                    self.plan.validation_key(fitted.trial): self.measuring.validation(fitted)
                    for fitted in stack
                }
            )
        tried = self.store.candidates()
        for choice in open_choices:
            self._decide(choice, tried)

    def _decide(self, choice: Choice, tried: Mapping[str, Candidate]) -> None:
        """Store the candidate with the best mean validation measure; the first one where several are equal.

        A trial that no candidate could be trained in, such as one whose assessor kept nothing, says nothing
        about any of them.
        """
        tried_here = [
            [tried[self.plan.validation_key(trial)] for trial in trials] for _, trials in choice.candidates
        ]
        there = [any(math.isfinite(one.value) for one in column) for column in zip(*tried_here, strict=True)]
        table: list[dict[str, Any]] = []
        directions: set[str] = set()
        for (options, _), row in zip(choice.candidates, tried_here, strict=True):
            found = [one for one, kept in zip(row, there, strict=True) if kept or not any(there)]
            directions |= {one.better for one in found if one.better}
            mean = sum(one.value for one in found) / len(found)
            error = next((one.error for one in found if one.error), "")
            table.append({"options": dict(options), "value": mean, "trials": len(found), "error": error})
        usable = [row for row in table if math.isfinite(row["value"])]
        if not usable:
            reasons = "; ".join(sorted({str(row["error"]) for row in table}))
            self.store.add_choice(choice.key, choice.text, {}, table, f"no setting could be tuned: {reasons}")
            self.options.progress.say(f"tuned {choice.text}: no setting could be trained: {reasons}")
            return
        sign = -1.0 if directions == {"down"} else 1.0
        best = max(usable, key=lambda row: sign * row["value"])
        self.store.add_choice(choice.key, choice.text, best["options"], table)
        shown = ", ".join(f"{name}={value}" for name, value in best["options"].items())
        self.options.progress.say(f"tuned {choice.text}: {shown}")

    # -- trials ----------------------------------------------------------------------------------------------

    def _trials(self, missing: set[str]) -> None:
        choices = self.store.choices()
        failed = {key: choice["error"] for key, choice in choices.items() if choice["error"]}
        lost = [t for t in self.plan.trials() if t.tuned in failed and self.plan.measure_key(t) in missing]
        if lost:
            self.store.add(
                [self.measuring.record(Fitted(t, t.row, {}, None, failed[t.tuned], 0.0, 1)) for t in lost]
            )
        chosen = {key: choice["options"] for key, choice in choices.items()}
        trials: list[tuple[Trial, Mapping[str, Any]]] = [
            (t, chosen.get(t.tuned, {})) for t in self.plan.trials() if t.tuned not in failed
        ]
        written = 0
        for stack in self.fits.run(trials, lambda trial: self.plan.measure_key(trial) in missing, "trials"):
            records = [self.measuring.record(fitted) for fitted in stack]
            for fitted in stack:
                self._save(fitted)
            self.store.add(records)
            if not written and self._alike():
                check_names(self.plan.report, records)
            written += len(records)
            if 0 < self.options.limit <= written:
                self.options.progress.say(
                    f"stopped after {written} trials (--limit); the same command without it goes on"
                )
                return

    def _alike(self) -> bool:
        """Return whether every trial has the same measures and test sets.

        Then the first ones tell which names the report can have.
        """
        rows = self.plan.rows
        return len({row.data.digest for row in rows}) == 1 and len({row.assess is None for row in rows}) == 1

    def _save(self, fitted: Fitted) -> None:
        wanted = self.options.save == "all" or (self.options.save == "first" and fitted.trial.replicate == 0)
        if wanted and fitted.predictor is not None:
            key = self.plan.measure_key(fitted.trial)
            save_predictor(
                self.folder,
                key,
                fitted.predictor,
                fitted.row,
                self.plan.numeric,
                self.manager,
                self.inputs.dataset(fitted.row),
            )

    def _summarise(self) -> None:
        key = self.plan.key()
        if self.store.summary(key) is None:
            with self.options.progress.stage("summary", len(self.plan.rows), "rows"):
                content = summarise(self.plan, self.store.records(terms=True))
                self.store.set_summary(key, content | study_tables(self.plan, content, self.manager))
