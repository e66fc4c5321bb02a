"""Running a plan: choices of tuning first, then the trials, stack by stack, then the summary. Whatever is finished is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from burnish.engine.cache import FeatureCache
from burnish.engine.environment import environment
from burnish.engine.fits import Fits, Fitted
from burnish.engine.inputs import Inputs
from burnish.engine.measure import Measuring
from burnish.engine.predictors import save_predictor
from burnish.engine.progress import Progress, Silent
from burnish.engine.store import Store
from burnish.engine.summarise import summarise
from burnish.errors import FitError
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
        self.inputs = Inputs(plan, manager, FeatureCache(), options.progress, workers=options.workers, offline=options.offline)
        self.measuring = Measuring(plan, self.inputs)
        self.fits = Fits(self.inputs, plan.numeric.device)

    def run(self) -> None:
        """Do what is not done yet.

        Raises:
            FitError: every candidate of a choice failed.
            MachineError: the machine is not the one the plan was made for.
        """
        verify(self.plan.numeric)
        finished = self.store.finished()
        missing = [trial for trial in self.plan.trials() if self.plan.measure_key(trial) not in finished]
        if missing:
            self.store.set_meta({"environment": json.dumps(environment(self.plan.numeric))})
            # All cells, not only the missing ones: stacks are formed from the whole plan, as they were before a kill.
            self.inputs.prepare(self.plan.cells)
            self._keep_notes()
            self._choose()
            self._trials({self.plan.measure_key(trial) for trial in missing})
            self._keep_notes()
        if len(self.store.finished()) >= len(list(self.plan.trials())):
            self._summarise()

    def _keep_notes(self) -> None:
        for kind in {kind for kind, _ in self.inputs.notes}:
            self.store.note(kind, [text for k, text in self.inputs.notes if k == kind])

    # -- tuning ---------------------------------------------------------------------------------------------------------

    def _choose(self) -> None:
        made = self.store.choices()
        open_choices = [choice for choice in self.plan.choices() if choice.key not in made]
        if not open_choices:
            return
        tried = self.store.candidates()
        trials = list({self.plan.validation_key(t): t for choice in open_choices for _, ts in choice.candidates for t in ts}.values())
        better: dict[str, str] = {}
        for stack in self.fits.run([(t, {}) for t in trials], lambda t: self.plan.validation_key(t) not in tried, "tuning on validation"):
            values: dict[str, tuple[float, str]] = {}
            for fitted in stack:
                value, direction, error = self.measuring.validation(fitted)
                better["select"] = direction
                values[self.plan.validation_key(fitted.trial)] = (value, error)
            self.store.add_candidates(values)
        if better:
            self.store.set_meta({"select.better": better["select"]})
        tried = self.store.candidates()
        for choice in open_choices:
            self._decide(choice, tried, -1.0 if self.store.meta("select.better") == "down" else 1.0)

    def _decide(self, choice: Choice, tried: Mapping[str, tuple[float, str]], sign: float) -> None:
        """Store the candidate with the best mean validation measure; the first one where several are equal."""
        table: list[dict[str, Any]] = []
        for options, trials in choice.candidates:
            found = [tried[self.plan.validation_key(trial)] for trial in trials]
            mean = sum(value for value, _ in found) / len(found)
            table.append({"options": dict(options), "value": mean, "trials": len(found), "error": next((e for _, e in found if e), "")})
        usable = [row for row in table if math.isfinite(row["value"])]
        if not usable:
            reasons = "; ".join(sorted({str(row["error"]) for row in table}))
            raise FitError(f"no candidate could be trained: {reasons}", where=f"tune {choice.label}", todo="Widen tune.space, or mend the data")
        best = max(usable, key=lambda row: sign * row["value"])
        self.store.add_choice(choice.key, choice.label, best["options"], table)
        shown = ", ".join(f"{name}={value}" for name, value in best["options"].items())
        self.options.progress.say(f"tuned {choice.label}: {shown}")

    # -- trials ---------------------------------------------------------------------------------------------------------

    def _trials(self, missing: set[str]) -> None:
        chosen = {key: choice["options"] for key, choice in self.store.choices().items()}
        trials: list[tuple[Trial, Mapping[str, Any]]] = [(trial, chosen.get(trial.tuned, {})) for trial in self.plan.trials()]
        written = 0
        for stack in self.fits.run(trials, lambda trial: self.plan.measure_key(trial) in missing, "trials"):
            records = [self.measuring.record(fitted) for fitted in stack]
            for fitted in stack:
                self._save(fitted)
            self.store.add(records)
            written += len(records)
            if 0 < self.options.limit <= written:
                self.options.progress.say(f"stopped after {written} trials (--limit); the same command without it goes on")
                return

    def _save(self, fitted: Fitted) -> None:
        wanted = self.options.save == "all" or (self.options.save == "first" and fitted.trial.replicate == 0)
        if wanted and fitted.predictor is not None:
            key = self.plan.measure_key(fitted.trial)
            save_predictor(self.folder, key, fitted.predictor, fitted.cell, self.plan.numeric, self.manager, self.inputs.dataset(fitted.cell))

    def _summarise(self) -> None:
        key = self.plan.key()
        if self.store.summary(key) is None:
            with self.options.progress.stage("summary", len(self.plan.cells), "rows"):
                self.store.set_summary(key, summarise(self.plan, self.store.records(terms=True)))
