"""A plan: a recipe with every default filled in, the trials it asks for, and the static graph of shared jobs behind them.

Nothing here imports torch or numpy: a study that is already complete is recognised from keys alone.

Job kinds: ``features`` (data, backbone, view), ``corrupt`` (data, split, noise, replicate), ``assess``, ``fit``, ``measure``, ``summarise``
(a row over its replicates; choosing tuned options is a summary of validation measures).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

JobKind = Literal["features", "corrupt", "assess", "fit", "measure", "summarise"]

FORMAT: Final = 1
"""Version of keys and plan files: raising it makes every earlier key another one."""


def merkle(*parts: object) -> str:
    """Return the SHA-256 hex digest of parts written as canonical JSON."""
    text = json.dumps([FORMAT, *parts], sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Part:
    """A component with all its options.

    Attributes:
        kind: the recipe key it stands under: ``data backbone noise assess tuner loss evaluate``.
        plugin: name of the plugin that provides it.
        name: name of the component.
        options: every option, defaults filled in, as JSON values.
        code: identity of the code: version of an installed wheel, hash of the package's files where it is editable or a local file.
        fingerprint: hash of the files and weights it reads; empty where it reads none.
        label: as a person would write it, with the options that differ from their defaults.
    """

    kind: str
    plugin: str
    name: str
    options: Mapping[str, Any]
    code: str
    fingerprint: str
    label: str

    def record(self) -> dict[str, Any]:
        """Return what identifies the part, as JSON: everything but the label."""
        return {
            "kind": self.kind, "plugin": self.plugin, "name": self.name,
            "options": dict(self.options), "code": self.code, "fingerprint": self.fingerprint,
        }  # fmt: skip

    def with_options(self, options: Mapping[str, Any], label: str) -> Part:
        """Return the part with some options changed."""
        return replace(self, options={**self.options, **options}, label=label)


@dataclass(frozen=True)
class Numeric:
    """Everything about the machine that may change the last bits of a number.

    Attributes:
        device: ``"cpu"`` or ``"cuda"``.
        dtype: of extraction: ``"float32"`` or ``"bfloat16"``.
        threads: torch's intra-op threads.
        torch: installed version of torch; empty where it is not installed.
        grid: items in an extraction cell; the last cell is padded.
    """

    device: str
    dtype: str
    threads: int
    torch: str
    grid: int = 64

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"device": self.device, "dtype": self.dtype, "threads": self.threads, "torch": self.torch, "grid": self.grid}


@dataclass(frozen=True)
class SplitSpec:
    """How train, validation and, where the source fixes none, test are drawn.

    Attributes:
        validation: share of the trainable items.
        test: share of all items, drawn once and for all where the source fixes no test set.
        calibration: share of the trainable items, 0 for none.
    """

    validation: float = 0.2
    test: float = 0.2
    calibration: float = 0.0


@dataclass(frozen=True)
class TuneSpec:
    """How options are tuned: every tuner gets the same budget, and sees validation alone.

    Attributes:
        budget: settings tried.
        space: values by dotted option, such as ``{"tuner.lr": (1e-3, 1e-2)}``; options a tuner does not have are left out for it.
        per: ``"row"`` chooses for every row; ``"tuner"`` once for each tuner (with its loss and assessor) over all its rows.
        replicates: replicates 0 to this - 1 are used for it.
    """

    budget: int
    space: Mapping[str, tuple[Any, ...]]
    per: Literal["row", "tuner"] = "row"
    replicates: int = 1


@dataclass(frozen=True)
class SelectSpec:
    """The measure that tuning maximises or minimises, always on validation as observed."""

    measure: str = ""
    split: str = "validation"


@dataclass(frozen=True)
class ReportSpec:
    """How a study is drawn.

    Attributes:
        x: dotted option that is the x axis and the columns of the table, such as ``"backbone.noise"``.
        lines: recipe key whose values are the lines, mostly ``"tuner"``.
        panels: named groups of splits, such as ``{"in": ("test",), "out": ("test:blur", "test:noise")}``; a group is averaged.
        measure: the measure of tables and figures; empty for the first evaluator's first.
        baseline: label or name of the tuner that others are compared with; empty for none.
    """

    x: str = ""
    lines: str = "tuner"
    panels: Mapping[str, tuple[str, ...]] | None = None
    measure: str = ""
    baseline: str = ""


@dataclass(frozen=True)
class Cell:
    """One row of the result table: all axes but the replicate."""

    data: Part
    backbone: Part
    noise: tuple[Part, ...]
    assess: Part | None
    tuner: Part
    loss: Part | None
    views: int

    def record(self) -> dict[str, Any]:
        """Return what identifies the cell, as JSON."""
        return {
            "data": self.data.record(), "backbone": self.backbone.record(), "noise": [p.record() for p in self.noise],
            "assess": self.assess.record() if self.assess else None, "tuner": self.tuner.record(),
            "loss": self.loss.record() if self.loss else None, "views": self.views,
        }  # fmt: skip

    def labels(self) -> dict[str, str]:
        """Return the label of every axis by recipe key."""
        return {
            "data": self.data.label, "backbone": self.backbone.label, "noise": " + ".join(p.label for p in self.noise) or "none",
            "assess": self.assess.label if self.assess else "none", "tuner": self.tuner.label, "loss": self.loss.label if self.loss else "own",
        }  # fmt: skip

    def option(self, dotted: str) -> Any:
        """Return an option by its dotted name, such as ``"backbone.noise"``; None where the part has no such option."""
        key, _, name = dotted.partition(".")
        part = {"data": self.data, "backbone": self.backbone, "assess": self.assess, "tuner": self.tuner, "loss": self.loss}.get(key)
        parts = self.noise if key == "noise" else tuple(p for p in [part] if p)
        return next((p.options[name] for p in parts if name in p.options), None)


@dataclass(frozen=True)
class Trial:
    """A cell in one replicate.

    Attributes:
        cell: the cell; for a candidate of tuning, with the candidate's options.
        replicate: 0, 1, ...
        tuned: key of the choice that fills in the tuner's options before the fit; empty where nothing is tuned, and for candidates.
    """

    cell: Cell
    replicate: int
    tuned: str = ""


@dataclass(frozen=True)
class Choice:
    """One decision of tuning: the candidates, each a list of trials whose validation measures are averaged.

    Attributes:
        key: key of the choice.
        candidates: options, such as ``{"tuner.lr": 1e-3}``, with the trials that try them.
        label: what is tuned, for people.
    """

    key: str
    candidates: tuple[tuple[Mapping[str, Any], tuple[Trial, ...]], ...]
    label: str


@dataclass(frozen=True)
class Job:
    """A node of the graph: its key is a Merkle hash of its kind, resolved parts, code identity and the keys of its inputs."""

    kind: JobKind
    key: str
    inputs: tuple[str, ...]
    label: str


@dataclass(frozen=True)
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

    # -- keys -----------------------------------------------------------------------------------------------------------

    def data_key(self, cell: Cell) -> str:
        """Return the key of the data as loaded."""
        return merkle("data", cell.data.record(), self.on_bad_input)

    def features_key(self, cell: Cell, view: int | None) -> str:
        """Return the key of a features job; `view` is None for the evaluation view."""
        return merkle("features", self.data_key(cell), cell.backbone.record(), view, self.numeric.record())

    def corrupt_key(self, cell: Cell, replicate: int) -> str:
        """Return the key of a corrupt job: split and noise of one replicate, whatever the backbone and the tuner."""
        split = [self.split.validation, self.split.test, self.split.calibration]
        return merkle("corrupt", self.data_key(cell), split, [p.record() for p in cell.noise], replicate)

    def assess_key(self, cell: Cell, replicate: int) -> str:
        """Return the key of an assess job; empty where nothing assesses."""
        if cell.assess is None:
            return ""
        return merkle("assess", self.features_key(cell, None), self.corrupt_key(cell, replicate), cell.assess.record(), replicate)

    def fit_key(self, trial: Trial) -> str:
        """Return the key of a fit job."""
        cell, replicate = trial.cell, trial.replicate
        views = [self.features_key(cell, None)] if cell.views <= 1 else [self.features_key(cell, k) for k in range(cell.views)]
        parts = [cell.tuner.record(), cell.loss.record() if cell.loss else None, self.numeric.record()]
        return merkle("fit", views, self.corrupt_key(cell, replicate), self.assess_key(cell, replicate), *parts, replicate, trial.tuned)

    def measure_key(self, trial: Trial) -> str:
        """Return the key of a measure job: it names the trial in the store."""
        return merkle("measure", self.fit_key(trial), [p.record() for p in self.evaluators], self.select.measure if self.tune else "")

    def row_key(self, cell: Cell) -> str:
        """Return the key of a summarise job: a row over its replicates."""
        return merkle("summarise", [self.measure_key(trial) for trial in self.trials_of(cell)])

    # -- trials ---------------------------------------------------------------------------------------------------------

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
        from burnish.recipe import choices

        return choices(self)

    def choice_of(self, cell: Cell) -> Choice | None:
        """Return the decision that fills in a cell's options, or None."""
        from burnish.recipe import choice_of

        return choice_of(self, cell)

    def jobs(self) -> tuple[Job, ...]:
        """Return the whole graph, inputs before what they feed, each shared job once."""
        from burnish.recipe import jobs

        return jobs(self)

    def key(self) -> str:
        """Return the key of the plan: that of every trial and of how they are measured."""
        return merkle("plan", [self.measure_key(trial) for trial in self.trials()])
