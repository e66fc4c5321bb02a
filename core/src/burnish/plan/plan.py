"""A plan: a recipe with every default filled in, its trials, and the static graph of shared jobs.

Nothing here imports torch or numpy: a study that is already complete is recognised from keys alone.

Every key is a Merkle hash over resolved options, code identities and the keys of inputs. Whatever changes a
number is in one; throughput settings (workers, stack size, verbosity, folder) are in none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from burnish.numeric import Numeric
from burnish.plan.graph import Graph, Job
from burnish.plan.model import (
    Choice,
    Part,
    ReportSpec,
    Row,
    SelectSpec,
    SplitSpec,
    Trial,
    TuneSpec,
    merkle,
)


@dataclass(frozen=True, eq=False)
class Plan:
    """A resolved recipe.

    Attributes:
        name: of the recipe, for the study folder and titles.
        recipe: the recipe in normal form, every default filled in, as JSON: what ``plan.yaml`` holds.
        rows: the rows, in the recipe's order.
        evaluators: the evaluators.
        replicates: replicates a row.
        split: how splits are drawn.
        tune: what is tuned, or None.
        select: on which measure.
        report: how it is drawn.
        numeric: the numeric mode.
        on_bad_input: whether an unreadable item ends the run or is set aside and listed.
        settings: for every row the options its candidates try, such as ``{"tuner.lr": 1e-3}``; none where
            nothing is tuned.
        core: identity of burnish's own code.
        summaries: what looks at the whole study once its trials are there.
        advice: sentences for those who read its results: what the plan lacks to be judged by, and which rows
            predict items together.
    """

    name: str
    recipe: Mapping[str, Any]
    rows: tuple[Row, ...]
    evaluators: tuple[Part, ...]
    replicates: int
    split: SplitSpec
    tune: TuneSpec | None
    select: SelectSpec
    report: ReportSpec
    numeric: Numeric
    on_bad_input: Literal["error", "skip"]
    settings: tuple[tuple[Mapping[str, Any], ...], ...] = ()
    core: str = ""
    advice: tuple[str, ...] = ()
    summaries: tuple[Part, ...] = ()
    _known: dict[tuple[object, ...], str] = field(default_factory=dict, init=False, repr=False)

    def _key(self, name: tuple[object, ...], *parts: object) -> str:
        """Return the key remembered under a name, made from the parts on first use."""
        key = self._known.get(name)
        if key is None:
            key = self._known[name] = merkle(*parts)
        return key

    # -- keys ------------------------------------------------------------------------------------------------

    def data_key(self, row: Row) -> str:
        """Return the key of the data as loaded."""
        return self._key(("data", row.data.digest), "data", row.data.digest, self.on_bad_input)

    def features_key(self, row: Row, view: int | None) -> str:
        """Return the key of a features job; `view` is None for the evaluation view."""
        name = ("features", row.data.digest, row.backbone.digest, view)
        return self._known.get(name) or self._key(
            name, "features", self.data_key(row), row.backbone.digest, view, self.numeric.record()
        )

    def usable_key(self, row: Row) -> str:
        """Return the key of the job that tells which items can be used.

        It is the key of all features of the data, since an item that one backbone cannot use is set aside for
        all of them. Empty where every item has to be usable, and features show whether it is.
        """
        name = ("usable", row.data.digest)
        if name not in self._known:
            rows = self.rows_on(row)
            if self.on_bad_input == "error" and all(other.reads_features for other in rows):
                self._known[name] = ""
            else:
                read = [[self.features_key(other, view) for view in other.feature_views()] for other in rows]
                self._key(name, "usable", self.data_key(row), read)
        return self._known[name]

    def corrupt_key(self, row: Row, replicate: int) -> str:
        """Return the key of a corrupt job.

        Split and noise of one replicate, whatever the tuner, and, unless items are set aside, the backbone.
        """
        noise = tuple(part.digest for part in row.noise)
        name = ("corrupt", row.data.digest, noise, replicate)
        if name in self._known:
            return self._known[name]
        usable = [self.usable_key(row)] if self.on_bad_input == "skip" else []
        given = [self.data_key(row), *usable]
        return self._key(name, "corrupt", given, self.split.record(), noise, self.core, replicate)

    def assess_key(self, row: Row, replicate: int) -> str:
        """Return the key of an assess job; empty where nothing assesses."""
        if row.assess is None:
            return ""
        inputs = (self.features_key(row, None), self.corrupt_key(row, replicate))
        name = ("assess", inputs, row.assess.digest)
        return self._key(name, "assess", inputs, row.assess.digest, self.core, replicate)

    def fit_key(self, trial: Trial) -> str:
        """Return the key of a fit job."""
        row, replicate = trial.row, trial.replicate
        name = ("fit", row.digest, replicate, trial.tuned)
        if name in self._known:
            return self._known[name]
        inputs = [*self._views(row), self.corrupt_key(row, replicate), self.assess_key(row, replicate)]
        loss = row.loss.digest if row.loss else None
        return self._key(
            name,
            "fit",
            inputs,
            row.tuner.digest,
            loss,
            self.numeric.record(),
            self.core,
            replicate,
            trial.tuned,
        )

    def _views(self, row: Row) -> list[str]:
        return [self.features_key(row, view) for view in ([None] if row.views <= 1 else range(row.views))]

    def measure_key(self, trial: Trial) -> str:
        """Return the key of a measure job: it names the trial in the store."""
        fit = self.fit_key(trial)
        return self._key(
            ("measure", fit), "measure", fit, [part.digest for part in self.evaluators], self.core
        )

    def validation_key(self, trial: Trial) -> str:
        """Return the key of the measure job of a candidate: on validation alone."""
        fit = self.fit_key(trial)
        return self._key(
            ("validate", fit),
            "validate",
            fit,
            self.select.record(),
            [part.digest for part in self._deciding],
            self.core,
        )

    @property
    def _deciding(self) -> tuple[Part, ...]:
        """The evaluator that `select.measure` names, else all.

        A further evaluator must not change what was chosen.
        """
        named = tuple(part for part in self.evaluators if part.name == self.select.measure)
        return named or self.evaluators

    def row_key(self, row: Row) -> str:
        """Return the key of a summarise job: a row over its replicates."""
        return self._key(
            ("row", row.digest), "summarise", [self.measure_key(trial) for trial in self.trials_of(row)]
        )

    def key(self) -> str:
        """Return the key of the plan.

        That of every trial, of how they are measured and of how that is summed up.
        """
        # Left out where there are none: a study without summaries keeps the key it had before there were any.
        summaries = [[part.digest for part in self.summaries]] if self.summaries else []
        measured = [self.measure_key(trial) for trial in self.trials()]
        return self._key(("plan",), "plan", measured, self.report.record(), *summaries)

    def rows_on(self, row: Row) -> list[Row]:
        """Return the rows on the same data."""
        return [other for other in self.rows if other.data.digest == row.data.digest]

    # -- trials ----------------------------------------------------------------------------------------------

    def trials_of(self, row: Row) -> list[Trial]:
        """Return the final trials of a row, in replicate order."""
        choice = self.choice_of(row)
        return [Trial(row, replicate, choice.key if choice else "") for replicate in range(self.replicates)]

    def trials(self) -> Iterator[Trial]:
        """Yield every final trial."""
        for row in self.rows:
            yield from self.trials_of(row)

    def choices(self) -> tuple[Choice, ...]:
        """Return every decision of tuning."""
        return tuple({choice.key: choice for choice in self._choices.values()}.values())

    def choice_of(self, row: Row) -> Choice | None:
        """Return the decision that fills in a row's options, or None."""
        return self._choices.get(row.digest)

    @cached_property
    def _choices(self) -> dict[str, Choice]:
        """Every tuned row's decision, by the row's digest."""
        if self.tune is None:
            return {}
        groups: dict[object, list[int]] = {}
        for index, row in enumerate(self.rows):
            if index < len(self.settings) and self.settings[index]:
                shared = (
                    row.tuner.digest,
                    row.loss and row.loss.digest,
                    row.assess and row.assess.digest,
                    row.views,
                )
                groups.setdefault(shared if self.tune.per == "tuner" else index, []).append(index)
        found: dict[str, Choice] = {}
        for indices in groups.values():
            choice = self._choice(
                [self.rows[index] for index in indices], self.settings[indices[0]], self.tune
            )
            found |= {self.rows[index].digest: choice for index in indices}
        return found

    def _choice(self, rows: list[Row], settings: tuple[Mapping[str, Any], ...], tune: TuneSpec) -> Choice:
        candidates = []
        for options in settings:
            tried = [row.with_options(options) for row in rows]
            candidates.append(
                (
                    options,
                    tuple(Trial(row, replicate) for row in tried for replicate in range(tune.replicates)),
                )
            )
        key = merkle(
            "choice",
            [
                [dict(options), [self.validation_key(trial) for trial in trials]]
                for options, trials in candidates
            ],
        )
        return Choice(key, tuple(candidates), self._choice_text(rows[0], tune.per))

    def _choice_text(self, row: Row, per: str) -> str:
        """Return the tuner's text and those of the axes that tell it from the other choices."""
        telling = (
            {"views", "assess", "loss"}
            if per == "tuner"
            else {"data", "backbone", "views", "noise", "assess", "loss"}
        )
        shown = row.axes()
        return ", ".join(
            [shown["tuner"], *(shown[axis] for axis in shown if axis in telling & self._varying)]
        )

    @cached_property
    def _varying(self) -> frozenset[str]:
        """Axes that have more than one value."""
        all_axes = [row.axes() for row in self.rows]
        return frozenset(
            axis
            for shown in all_axes[:1]
            for axis in shown
            if len({other[axis] for other in all_axes} - {"own"}) > 1
        )

    # -- graph -----------------------------------------------------------------------------------------------

    def jobs(self) -> tuple[Job, ...]:
        """Return the whole graph, inputs before what they feed, each shared job once."""
        return tuple(Graph(self).add_all().jobs.values())
