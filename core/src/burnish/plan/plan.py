"""A plan: a recipe with every default filled in, its trials, and the static graph of shared jobs.

Nothing here imports torch or numpy: a study that is already complete is recognised from keys alone.

Job kinds: ``features`` (data, backbone, view), ``corrupt`` (data, split, noise, replicate), ``assess``,
``fit``, ``measure``, ``summarise`` (a row over its replicates; choosing tuned options is a summary of
validation measures).

Every key is a Merkle hash over resolved options, code identities and the keys of inputs. Whatever changes a
number is in one; throughput settings (workers, stack size, verbosity, folder) are in none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from burnish.numeric import Numeric
from burnish.plan.model import (
    Cell,
    Choice,
    Job,
    JobKind,
    Part,
    ReportSpec,
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
        cells: the rows, in the recipe's order.
        evaluators: the evaluators.
        replicates: replicates a row.
        split: how splits are drawn.
        tune: what is tuned, or None.
        select: on which measure.
        report: how it is drawn.
        numeric: the numeric mode.
        on_bad_input: whether an unreadable item ends the run or is set aside and listed.
        settings: for every cell the options its candidates try, such as ``{"tuner.lr": 1e-3}``; none where
            nothing is tuned.
        core: identity of burnish's own code.
        advice: sentences for those who read its results: what the plan lacks to be judged by, and which rows
            predict items together.
    """

    name: str
    recipe: Mapping[str, Any]
    cells: tuple[Cell, ...]
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
    _known: dict[tuple[object, ...], str] = field(default_factory=dict, init=False, repr=False)

    def _key(self, name: tuple[object, ...], *parts: object) -> str:
        """Return the key remembered under a name, made from the parts on first use."""
        key = self._known.get(name)
        if key is None:
            key = self._known[name] = merkle(*parts)
        return key

    # -- keys ------------------------------------------------------------------------------------------------

    def data_key(self, cell: Cell) -> str:
        """Return the key of the data as loaded."""
        return self._key(("data", cell.data.digest), "data", cell.data.digest, self.on_bad_input)

    def features_key(self, cell: Cell, view: int | None) -> str:
        """Return the key of a features job; `view` is None for the evaluation view."""
        name = ("features", cell.data.digest, cell.backbone.digest, view)
        return self._known.get(name) or self._key(
            name, "features", self.data_key(cell), cell.backbone.digest, view, self.numeric.record()
        )

    def corrupt_key(self, cell: Cell, replicate: int) -> str:
        """Return the key of a corrupt job.

        Split and noise of one replicate, whatever the backbone and the tuner.
        """
        noise = tuple(part.digest for part in cell.noise)
        name = ("corrupt", cell.data.digest, noise, replicate)
        return self._known.get(name) or self._key(
            name, "corrupt", self.data_key(cell), self.split.record(), noise, self.core, replicate
        )

    def assess_key(self, cell: Cell, replicate: int) -> str:
        """Return the key of an assess job; empty where nothing assesses."""
        if cell.assess is None:
            return ""
        inputs = (self.features_key(cell, None), self.corrupt_key(cell, replicate))
        return self._key(
            ("assess", inputs, cell.assess.digest), "assess", inputs, cell.assess.digest, self.core, replicate
        )

    def fit_key(self, trial: Trial) -> str:
        """Return the key of a fit job."""
        cell, replicate = trial.cell, trial.replicate
        name = ("fit", cell.digest, replicate, trial.tuned)
        if name in self._known:
            return self._known[name]
        inputs = [*self._views(cell), self.corrupt_key(cell, replicate), self.assess_key(cell, replicate)]
        loss = cell.loss.digest if cell.loss else None
        return self._key(
            name,
            "fit",
            inputs,
            cell.tuner.digest,
            loss,
            self.numeric.record(),
            self.core,
            replicate,
            trial.tuned,
        )

    def _views(self, cell: Cell) -> list[str]:
        return [self.features_key(cell, view) for view in ([None] if cell.views <= 1 else range(cell.views))]

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

    def row_key(self, cell: Cell) -> str:
        """Return the key of a summarise job: a row over its replicates."""
        return self._key(
            ("row", cell.digest), "summarise", [self.measure_key(trial) for trial in self.trials_of(cell)]
        )

    def key(self) -> str:
        """Return the key of the plan.

        That of every trial, of how they are measured and of how that is summed up.
        """
        return self._key(
            ("plan",), "plan", [self.measure_key(trial) for trial in self.trials()], self.report.record()
        )

    # -- trials ----------------------------------------------------------------------------------------------

    def trials_of(self, cell: Cell) -> list[Trial]:
        """Return the final trials of a row, in replicate order."""
        choice = self.choice_of(cell)
        return [Trial(cell, replicate, choice.key if choice else "") for replicate in range(self.replicates)]

    def trials(self) -> Iterator[Trial]:
        """Yield every final trial."""
        for cell in self.cells:
            yield from self.trials_of(cell)

    def choices(self) -> tuple[Choice, ...]:
        """Return every decision of tuning."""
        return tuple({choice.key: choice for choice in self._choices.values()}.values())

    def choice_of(self, cell: Cell) -> Choice | None:
        """Return the decision that fills in a cell's options, or None."""
        return self._choices.get(cell.digest)

    @cached_property
    def _choices(self) -> dict[str, Choice]:
        """Every tuned cell's decision, by the cell's digest."""
        if self.tune is None:
            return {}
        groups: dict[object, list[int]] = {}
        for index, cell in enumerate(self.cells):
            if index < len(self.settings) and self.settings[index]:
                shared = (
                    cell.tuner.digest,
                    cell.loss and cell.loss.digest,
                    cell.assess and cell.assess.digest,
                    cell.views,
                )
                groups.setdefault(shared if self.tune.per == "tuner" else index, []).append(index)
        found: dict[str, Choice] = {}
        for indices in groups.values():
            choice = self._choice(
                [self.cells[index] for index in indices], self.settings[indices[0]], self.tune
            )
            found |= {self.cells[index].digest: choice for index in indices}
        return found

    def _choice(self, cells: list[Cell], settings: tuple[Mapping[str, Any], ...], tune: TuneSpec) -> Choice:
        candidates = []
        for options in settings:
            tried = [cell.with_options(options) for cell in cells]
            candidates.append(
                (
                    options,
                    tuple(Trial(cell, replicate) for cell in tried for replicate in range(tune.replicates)),
                )
            )
        key = merkle(
            "choice",
            [
                [dict(options), [self.validation_key(trial) for trial in trials]]
                for options, trials in candidates
            ],
        )
        return Choice(key, tuple(candidates), self._choice_label(cells[0], tune.per))

    def _choice_label(self, cell: Cell, per: str) -> str:
        """Return the tuner's label and those of the axes that tell it from the other choices."""
        telling = (
            {"views", "assess", "loss"}
            if per == "tuner"
            else {"data", "backbone", "views", "noise", "assess", "loss"}
        )
        shown = cell.labels()
        return ", ".join(
            [shown["tuner"], *(shown[axis] for axis in shown if axis in telling & self._varying)]
        )

    @cached_property
    def _varying(self) -> frozenset[str]:
        """Axes that have more than one value."""
        labels = [cell.labels() for cell in self.cells]
        return frozenset(
            axis
            for shown in labels[:1]
            for axis in shown
            if len({other[axis] for other in labels} - {"own"}) > 1
        )

    # -- graph -----------------------------------------------------------------------------------------------

    def jobs(self) -> tuple[Job, ...]:
        """Return the whole graph, inputs before what they feed, each shared job once."""
        graph = _Graph(self)
        for choice in self.choices():
            measures = [graph.validation(trial) for _, trials in choice.candidates for trial in trials]
            graph.add("summarise", choice.key, measures, f"choose {choice.label}")
        for cell in self.cells:
            measures = [graph.measure(trial) for trial in self.trials_of(cell)]
            graph.add("summarise", self.row_key(cell), measures, ", ".join(cell.labels().values()))
        return tuple(graph.jobs.values())


class _Graph:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.jobs = plan, dict[str, Job]()

    def add(self, kind: JobKind, key: str, inputs: list[str], label: str) -> str:
        if key not in self.jobs:
            self.jobs[key] = Job(kind, key, tuple(dict.fromkeys(inputs)), label)
        return key

    def validation(self, trial: Trial) -> str:
        key = self.plan.validation_key(trial)
        return (
            key
            if key in self.jobs
            else self.add("measure", key, [self.fit(trial)], f"validate {self._label(trial)}")
        )

    def measure(self, trial: Trial) -> str:
        key = self.plan.measure_key(trial)
        return (
            key
            if key in self.jobs
            else self.add("measure", key, [self.fit(trial)], f"measure {self._label(trial)}")
        )

    def fit(self, trial: Trial) -> str:
        key, cell, plan = self.plan.fit_key(trial), trial.cell, self.plan
        if key in self.jobs:
            return key
        evaluation = self.features(cell, None)
        inputs = (
            [evaluation] if cell.views <= 1 else [self.features(cell, view) for view in range(cell.views)]
        )
        corrupt = plan.corrupt_key(cell, trial.replicate)
        noise = cell.labels()["noise"]
        inputs.append(
            self.add("corrupt", corrupt, [], f"{cell.data.label}, {noise}, replicate {trial.replicate}")
        )
        if cell.assess is not None:
            label = f"{cell.assess.label} on {cell.backbone.label}, {noise}, replicate {trial.replicate}"
            inputs.append(
                self.add("assess", plan.assess_key(cell, trial.replicate), [evaluation, corrupt], label)
            )
        if trial.tuned:
            inputs.append(trial.tuned)
        return self.add("fit", key, inputs, self._label(trial))

    def features(self, cell: Cell, view: int | None) -> str:
        label = f"{cell.data.label} through {cell.backbone.label}" + (
            "" if view is None else f", view {view}"
        )
        return self.add("features", self.plan.features_key(cell, view), [], label)

    @staticmethod
    def _label(trial: Trial) -> str:
        return f"{trial.cell.tuner.label} on {trial.cell.backbone.label}, replicate {trial.replicate}"
