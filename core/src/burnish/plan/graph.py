"""The static graph of a plan: every job once, what feeds a job before it.

| job | from | to |
|---|---|---|
| data | a source | items and their resampling units |
| features | data, a backbone, a view | a row of numbers an item |
| usable | data, all that is made of it | the items that every row can use |
| corrupt | data, usable, noise, replicate | what a tuner is shown, and the truth that it is not |
| assess | data, features, corrupt, an assessor | an assessment, and what a tuner is shown with it |
| fit | features, corrupt, assess, a tuner and a loss | a predictor |
| measure | a fit and what it was shown | measures of a trial, or of a candidate of tuning on validation |
| choose | measures of candidates | tuned options |
| summarise | measures of a row | numbers with intervals |
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from burnish.plan.model import Row, Trial
    from burnish.plan.plan import Plan

JobKind = Literal["data", "features", "usable", "corrupt", "assess", "fit", "measure", "choose", "summarise"]


@dataclass(frozen=True)
class Job:
    """A node of the graph.

    Attributes:
        kind: what is done: the name of a module of `burnish.engine.jobs`.
        key: Merkle hash of the kind, the parts with their code identities, and the keys of the inputs.
        inputs: keys of the jobs whose values it is given, in that order.
        what: the parts, the replicate, the view: what it is given beside them.
    """

    kind: JobKind
    key: str
    inputs: tuple[str, ...] = ()
    what: tuple[Any, ...] = ()


class Graph:
    """The jobs of a plan, by key; each is made when it is first asked for.

    Args:
        plan: gives the keys.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.jobs: dict[str, Job] = {}

    def add_all(self) -> Graph:
        """Add every job of the plan."""
        for choice in self.plan.choices():
            trials = [trial for _, candidate in choice.candidates for trial in candidate]
            self._add("choose", choice.key, [self.validation(trial) for trial in trials], choice)
        for row in self.plan.rows:
            measures = [self.measure(trial) for trial in self.plan.trials_of(row)]
            self._add("summarise", self.plan.row_key(row), measures, row)
        return self

    def behind(self, keys: Iterable[str]) -> set[str]:
        """Return the keys of jobs and of everything that feeds them."""
        found: set[str] = set()
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += self.jobs[key].inputs
        return found

    def _add(self, kind: JobKind, key: str, inputs: Iterable[str], *what: Any) -> str:
        if key not in self.jobs:
            self.jobs[key] = Job(kind, key, tuple(dict.fromkeys(inputs)), what)
        return key

    # -- one method a kind -----------------------------------------------------------------------------------

    def data(self, row: Row) -> str:
        """Return the key of the job that loads the row's data."""
        return self._add("data", self.plan.data_key(row), [], row.data)

    def features(self, row: Row, view: int | None = None) -> str:
        """Return the key of a features job; `view` is None for the evaluation view."""
        key = self.plan.features_key(row, view)
        return key if key in self.jobs else self._add("features", key, [self.data(row)], row.backbone, view)

    def tables(self, row: Row) -> list[str]:
        """Return the keys of every features job that the row reads: none where nothing asks for features."""
        return [self.features(row, view) for view in row.feature_views()]

    def usable(self, row: Row) -> list[str]:
        """Return the key of the job that tells which items of the row's data can be used, if there is one."""
        key = self.plan.usable_key(row)
        if not key:
            return []
        if key not in self.jobs:
            rows = self.plan.rows_on(row)
            tables = [table for other in rows for table in self.tables(other)]
            to_read = any(not other.reads_features for other in rows)
            self._add("usable", key, [self.data(row), *tables], to_read)
        return [key]

    def corrupt(self, row: Row, replicate: int) -> str:
        """Return the key of a corrupt job."""
        key = self.plan.corrupt_key(row, replicate)
        if key in self.jobs:
            return key
        what = (row.noise, replicate, self.plan.split)
        return self._add("corrupt", key, [self.data(row), *self.usable(row)], *what)

    def shown(self, row: Row, replicate: int) -> str:
        """Return the key of the job that gives what the row's tuner is shown: assess, else corrupt."""
        key = self.plan.assess_key(row, replicate)
        if not key or key in self.jobs:
            return key or self.corrupt(row, replicate)
        # Of the evaluation view, so that rows which differ in their training views share an assessment.
        inputs = [self.data(row), self.corrupt(row, replicate), self.features(row)]
        return self._add("assess", key, inputs, row, replicate)

    def fit(self, trial: Trial) -> str:
        """Return the key of a fit job."""
        key, row = self.plan.fit_key(trial), trial.row
        if key in self.jobs:
            return key
        inputs = [self.data(row), self.shown(row, trial.replicate), *self.tables(row)]
        return self._add("fit", key, [*inputs, trial.tuned] if trial.tuned else inputs, trial)

    def measure(self, trial: Trial) -> str:
        """Return the key of the measure job of a trial, on its test sets."""
        return self._measured(self.plan.measure_key(trial), trial, "test")

    def validation(self, trial: Trial) -> str:
        """Return the key of the measure job of a candidate of tuning, on validation alone."""
        return self._measured(self.plan.validation_key(trial), trial, "validation")

    def _measured(self, key: str, trial: Trial, role: str) -> str:
        if key in self.jobs:
            return key
        row = trial.row
        inputs = [self.fit(trial), self.data(row), self.shown(row, trial.replicate), *self.tables(row)]
        return self._add("measure", key, inputs, trial, role)
