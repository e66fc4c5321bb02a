"""Running a plan's jobs, backbone by backbone. Whatever is finished is kept.

A value that several trials share is let go after its last use, and the features of a backbone once its rows
are done. Trials that can be trained together are: a stack is the unit of commit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from burnish.engine.environment import environment
from burnish.engine.fitting import Fitting, Planned, Stack
from burnish.engine.jobs.choose import Chosen, choose
from burnish.engine.jobs.data import Data
from burnish.engine.jobs.features import Features, are_kept
from burnish.engine.jobs.fit import Fitted
from burnish.engine.jobs.measure import failed_record, measure, validate
from burnish.engine.jobs.study_tables import study_tables
from burnish.engine.jobs.summarise import check_names, summarise
from burnish.engine.predict.saved import save_predictor
from burnish.engine.progress import Display, Silent, heading
from burnish.engine.store import Candidate, Record, Store
from burnish.engine.tools import Tools
from burnish.engine.values import Executor, Values
from burnish.errors import FitError
from burnish.numeric import verify
from burnish.plan.graph import Graph

if TYPE_CHECKING:
    from burnish.manager import Manager
    from burnish.plan import Choice, Plan, Row, Trial

Save = Literal["first", "all", "none"]

Place = tuple[str, str]

TABLES_BYTES: Final = 256 << 20
"""Features that may lie side by side, so that trials of several backbones share stacks."""


@dataclass(frozen=True)
class RunOptions:
    """How a plan is run. None of it changes a number, and none of it is in a key.

    Attributes:
        workers: threads that decode; 0 for as many as there are cores.
        offline: no hub is asked.
        save: which predictors are kept: of replicate 0 of every row, of all trials, or none.
        limit: stop after about this many trials; the study can be resumed. 0 for no limit.
        display: where to show what is going on.
        executor: runs the jobs; None for this process.
    """

    workers: int = 0
    offline: bool = False
    save: Save = "first"
    limit: int = 0
    display: Display = field(default_factory=Silent)
    executor: Executor | None = None


class LimitReached(Exception):  # noqa: N818 - no error: what was asked for is done
    """As many trials as were asked for are finished."""


class Runner:
    """One run of a plan into a study folder that this process holds.

    Args:
        plan: the plan.
        store: the study's store.
        folder: the study's folder.
        manager: finds components.
        options: how to run.
    """

    def __init__(self, plan: Plan, store: Store, folder: Path, manager: Manager, options: RunOptions) -> None:
        self.plan, self.store, self.folder, self.options = plan, store, folder, options
        how = {"display": options.display, "workers": options.workers, "offline": options.offline}
        self.tools = Tools.of(plan, manager, **how)
        self.graph = Graph(plan).add_all()
        self.values = Values(self.graph, self.tools, store, options.executor)
        self.fitting = Fitting(plan, self.values, store)
        self._written = 0

    def run(self) -> None:
        """Do what is not done yet.

        Raises:
            MachineError: the machine is not the one the plan was made for.
        """
        verify(self.plan.numeric)
        if self._missing():
            self.store.set_meta({"environment": json.dumps(environment(self.plan.numeric))})
            try:
                self._work()
            except LimitReached:
                done = f"stopped after {self._written} trials (--limit); the same command without it goes on"
                self.options.display.say(done)
            finally:
                self._keep_notes()
        if not self._missing():
            self._summarise()

    def _missing(self) -> list[Trial]:
        finished = self.store.finished()
        return [trial for trial in self.plan.trials() if self.plan.measure_key(trial) not in finished]

    def _work(self) -> None:
        """Fit and measure candidates of tuning and trials until none is left.

        A choice over several backbones is made once all of them are through; its trials come after that.
        """
        self._decide()
        open_ = [*self._candidates(), *self._trials()]
        for one in open_:
            self.values.expect(self.values.reads(one.row, one.trial.replicate))
        while open_:
            for batch in self._batches(open_):
                self._say_backbone(batch)
                tried = [one for one in self._candidates() if _place(one.row) in batch]
                self._fit(tried, "tuning on validation")
                self._decide()
                self._fit([one for one in self._ready() if _place(one.row) in batch], "trials")
                self._drop_tables(batch)
                self._keep_notes()
            open_ = self._trials()

    # -- what is to be done ----------------------------------------------------------------------------------

    def _candidates(self) -> list[Planned]:
        """Return the candidates of open choices that are not tried yet."""
        made, tried = self.store.choices(), self.store.candidates()
        found: dict[str, Planned] = {}
        for choice in self.plan.choices():
            for _, trials in choice.candidates if choice.key not in made else ():
                for trial in trials:
                    key = self.plan.validation_key(trial)
                    if key not in tried:
                        found[key] = Planned(key, trial, trial.row, {}, "validation")
        return list(found.values())

    def _trials(self) -> list[Planned]:
        """Return the trials that are not finished; with their tuned options, where these are chosen."""
        made = self.store.choices()
        found = []
        for trial in self._missing():
            chosen = made.get(trial.tuned, {"options": {}, "error": ""})
            row, key = trial.row.with_options(chosen["options"]), self.plan.measure_key(trial)
            found.append(Planned(key, trial, row, chosen["options"], "test", chosen["error"]))
        return found

    def _ready(self) -> list[Planned]:
        """Return the trials that can be fitted now."""
        made = self.store.choices()
        return [one for one in self._trials() if not one.trial.tuned or one.trial.tuned in made]

    def _batches(self, planned: Sequence[Planned]) -> Iterator[set[Place]]:
        """Yield the backbones, in the order of the plan, whose trials are fitted next.

        Those whose features are kept already come together as long as their tables fit; one whose features
        have to be made comes alone, so that its rows are there before the next one's features are.
        """
        rows: dict[Place, list[Row]] = {}
        for one in planned:
            rows.setdefault(_place(one.row), []).append(one.row)
        batch: set[Place] = set()
        size = last = 0
        for place, here in rows.items():
            if batch and (size + last > TABLES_BYTES or not self._are_kept(here)):
                yield batch
                batch, size = set(), 0
            batch.add(place)
            last = self._load_tables(here)
            size += last
        if batch:
            yield batch

    def _say_backbone(self, batch: set[Place]) -> None:
        """Say which of several backbones has its turn, where it is alone."""
        texts = {_place(row): row.backbone.text for row in self.plan.rows}
        number = 1 + next(number for number, place in enumerate(texts) if place in batch)
        if len(batch) == 1 < len(texts):
            self.options.display.say(heading(number, len(texts), texts[min(batch)]))

    def _load_tables(self, rows: Iterable[Row]) -> int:
        """Load or make the features of rows; return how many bytes they are."""
        found = [self.values.get(key) for key in self._table_keys(rows)]
        return sum(one.table.nbytes for one in found if isinstance(one, Features))

    def _are_kept(self, rows: Iterable[Row]) -> bool:
        views = {
            (row, view) for row in {row.digest: row for row in rows}.values() for view in row.feature_views()
        }
        data = [self.values.get(self.graph.data(row)) for row, _ in views]
        return all(
            isinstance(given, Data) and are_kept(self.tools, row.backbone, view, given)
            for given, (row, view) in zip(data, views, strict=True)
        )

    def _drop_tables(self, batch: set[Place]) -> None:
        for key in self._table_keys(row for row in self.plan.rows if _place(row) in batch):
            self.values.drop(key)

    def _table_keys(self, rows: Iterable[Row]) -> list[str]:
        return list(dict.fromkeys(key for row in rows for key in self.graph.tables(row)))

    # -- doing it --------------------------------------------------------------------------------------------

    def _fit(self, planned: Sequence[Planned], name: str) -> None:
        """Fit, measure and commit, a stack at a time."""
        for stack in self.fitting.run(planned, name) if planned else ():
            if stack[0][0].role == "validation":
                self.store.add_candidates({one.key: self._validated(one, fitted) for one, fitted in stack})
            else:
                self._commit(self.fitting.commit(stack))
            for one, _ in stack:
                self.values.done(self.values.reads(one.row, one.trial.replicate))
            if 0 < self.options.limit <= self._written:
                raise LimitReached

    def _validated(self, one: Planned, fitted: Fitted) -> Candidate:
        measuring = self.fitting.measuring(one)
        if isinstance(measuring, FitError):
            return Candidate(math.nan, error=str(measuring))
        return validate(self.plan, fitted, measuring)

    def _commit(self, stack: Stack) -> None:
        """Measure fits and store what came out."""
        records = [self._measured(one, fitted) for one, fitted in stack]
        self.store.add(records)
        if not self._written and self._alike():
            check_names(self.plan.report, records)
        self._written += len(records)

    def _measured(self, one: Planned, fitted: Fitted) -> Record:
        measuring = self.fitting.measuring(one)
        if isinstance(measuring, FitError):
            return failed_record(self.plan, one.trial, str(measuring), self.tools)
        record = measure(self.plan, one.trial, fitted, one.options, measuring)
        wanted = {"all": True, "first": one.trial.replicate == 0, "none": False}[self.options.save]
        if wanted and fitted.predictor is not None:
            save_predictor(
                self.folder,
                one.key,
                fitted.predictor,
                one.row,
                self.plan.numeric,
                self.tools.manager,
                measuring.given.dataset,
            )
        return record

    def _alike(self) -> bool:
        """Return whether every trial has the same measures and test sets.

        Then the first ones tell which names the report can have.
        """
        rows = self.plan.rows
        return len({row.data.digest for row in rows}) == 1 and len({row.assess is None for row in rows}) == 1

    def _decide(self) -> None:
        """Make the choices whose candidates are all tried."""
        made, tried = self.store.choices(), self.store.candidates()
        for choice in self.plan.choices():
            keys = [[self.plan.validation_key(t) for t in trials] for _, trials in choice.candidates]
            if choice.key not in made and all(key in tried for row in keys for key in row):
                reached = [[tried[key] for key in row] for row in keys]
                options = [options for options, _ in choice.candidates]
                chosen = choose(list(zip(options, reached, strict=True)))
                self.store.add_choice(choice.key, choice.text, chosen.options, chosen.tried, chosen.error)
                self.options.display.say(_said(choice, chosen))

    def _keep_notes(self) -> None:
        for kind in {kind for kind, _ in self.tools.notes}:
            self.store.note(kind, [text for k, text in self.tools.notes if k == kind])

    def _summarise(self) -> None:
        key = self.plan.key()
        if self.store.summary(key) is None:
            with self.options.display.stage("summary", len(self.plan.rows), "rows"):
                content = summarise(self.plan, self.store.records(terms=True))
                tables = study_tables(self.plan, content, self.tools.manager)
                self.store.set_summary(key, content | tables)


def _place(row: Row) -> Place:
    """Return what rows have in common that read the same features, but for views."""
    return row.data.digest, row.backbone.digest


def _said(choice: Choice, chosen: Chosen) -> str:
    if chosen.error:
        return f"tuned {choice.text}: {chosen.error.replace('could be tuned', 'could be trained', 1)}"
    return f"tuned {choice.text}: " + ", ".join(f"{name}={value}" for name, value in chosen.options.items())
