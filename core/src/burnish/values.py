"""Parts of a study without a trial: `burnish.features`, `burnish.task` and `burnish.assess`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.tuner import Run, Task
from burnish.data import Dataset
from burnish.engine.jobs.shown import Shown
from burnish.engine.jobs.task import RowReads
from burnish.engine.jobs.task import task as make_task
from burnish.engine.progress import Display, display
from burnish.engine.tools import Tools
from burnish.engine.values import Values
from burnish.errors import FitError, MissingExtraError, RecipeError
from burnish.manager import get_manager
from burnish.plan import Plan, build_plan
from burnish.plan.graph import Graph
from burnish.plan.parts import read_part
from burnish.recipe import make_recipe, with_numeric, with_settings

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

    from burnish.contracts.noise import Assessment

PartText = str | Mapping[str, Any]
"""A component with its options, as a recipe writes it."""


@dataclass(frozen=True, eq=False)
class Features:
    """What a backbone makes of a data set.

    Attributes:
        dataset: the N items, ordered by content.
        table: (N, D) float32, read-only; NaN where an item plays no role or cannot be used.
    """

    dataset: Dataset
    table: NDArray[np.float32]

    def __repr__(self) -> str:
        n, dim = self.table.shape
        return f"<features of {self.dataset.name}: {n:,} items, {dim} wide>"

    @property
    def origins(self) -> list[str]:
        """File or row that each of the N items came from."""
        return [self.dataset.origin(position) for position in range(len(self.dataset))]


@dataclass(frozen=True, eq=False)
class Assessed:
    """What an assessor says of a data set.

    Attributes:
        dataset: the items.
        assessment: what it says of the items in its `index`.
        shown: the splits and labels it was shown.
    """

    dataset: Dataset
    assessment: Assessment
    shown: Shown

    def __repr__(self) -> str:
        count, keep = len(self.assessment.index), self.assessment.keep
        kept = "" if keep is None else f", {int(keep.sum()):,} kept"
        return f"<assessment of {self.dataset.name}: {count:,} items{kept}>"

    def to_frame(self) -> DataFrame:
        """Return a row an item: origin, given label, clean probability, keep, weight, corrected label.

        Columns that the assessor does not speak of are left out.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as missing:
            todo = "Install it: pip install pandas"
            raise MissingExtraError("a frame needs pandas", where="to_frame", todo=todo) from missing
        found, names = self.assessment, np.array([*self.dataset.classes.names, ""], dtype=object)
        given = self.shown.corrupted.supervision.take(found.index)
        columns: dict[str, Any] = {
            "origin": [self.dataset.origin(int(position)) for position in found.index],
            "given": names[getattr(given, "y", np.full(len(found.index), -1))],
        }
        for name in ("clean_probability", "keep", "weight"):
            if getattr(found, name) is not None:
                columns[name] = getattr(found, name)
        if found.corrected is not None:
            columns["corrected"] = names[getattr(found.corrected, "y", [])]
        return pd.DataFrame(columns, index=pd.Index(found.index, name="position"))


class _Job:
    """A plan of one row, and its values."""

    def __init__(self, plan: Plan, replicate: int, workers: int, offline: bool, shown: Display) -> None:
        (self.row,) = plan.rows[:1]
        if len(plan.rows) > 1:
            what = f"{len(plan.rows)} rows are asked for, and there is one value"
            raise RecipeError(what, todo="Give one part for each of data, backbone, noise and assess")
        how = {"workers": workers, "offline": offline, "display": shown}
        self.plan, self.replicate = plan, replicate
        self.tools = Tools.of(plan, get_manager(), **how)
        self.values = Values(Graph(plan), self.tools)

    def get(self, key: str) -> Any:
        """Return a job's value; what it failed with is raised."""
        self.values.expect([key])
        value = self.values.get(key)
        if isinstance(value, FitError):
            raise value
        return value

    def dataset(self) -> Dataset:
        """Return the items."""
        dataset: Dataset = self.get(self.values.graph.data(self.row)).dataset
        return dataset

    def shown(self) -> Shown:
        """Return what a tuner is shown."""
        shown: Shown = self.get(self.values.graph.shown(self.row, self.replicate))
        return shown

    def reads(self) -> RowReads:
        """Return how the items are read."""
        for key in self.values.graph.tables(self.row):
            self.get(key)
        tables = self.values.tables(self.row)
        assert not isinstance(tables, FitError)  # noqa: S101 - raised above
        return RowReads(self.dataset(), self.row.backbone, self.tools.backbones, tables)


@dataclass(frozen=True)
class _How:
    """How a value is made: options that no value depends on, but for the numeric mode."""

    settings: Sequence[str] = ()
    numeric: str | None = None
    device: str | None = None
    threads: int | None = None
    workers: int = 0
    offline: bool = False
    progress: bool | None = None


def _job(parts: Mapping[str, PartText | Sequence[Any] | None], replicate: int, how: _How) -> _Job:
    if replicate < 0:
        raise RecipeError(f"{replicate} is no replicate", where="replicate", possible="0, 1, 2 ...")
    given = {key: value for key, value in parts.items() if value is not None}
    recipe = with_settings(make_recipe(given), how.settings)
    recipe = with_numeric(recipe, numeric=how.numeric, device=how.device, threads=how.threads)
    plan = build_plan(recipe, get_manager(), trials=False)
    shown = sys.stderr.isatty() if how.progress is None else how.progress
    return _Job(plan, replicate, how.workers, how.offline, display(quiet=not shown))


def features(data: PartText, backbone: PartText | None = None, **how: Any) -> Features:
    """Return what a frozen backbone makes of every item of a data set, from the cache or made now.

    Args:
        data: a source or a path, as a recipe writes it.
        backbone: a backbone; not needed where the data is features.
        how: ``settings`` such as ``["on_bad_input=skip"]``; ``numeric``, ``device`` and ``threads`` as of
            `burnish.run`; ``workers``, threads that decode; ``offline``; ``progress``, False for silence.

    Raises:
        BurnishError: the parts are wrong, or the data cannot be read.

    Examples:
        >>> import burnish
        >>> burnish.features("digits:features=true")
        <features of digits: 1,797 items, 64 wide>
    """
    job = _job({"data": data, "backbone": backbone}, 0, _How(**how))
    keys = job.values.graph.tables(job.row)
    if not keys:
        what = f"{job.row.backbone.text} makes no features"
        raise RecipeError(what, where="backbone", todo="Take a backbone that provides features")
    return Features(job.dataset(), job.get(keys[0]).table)


def task(
    data: PartText,
    backbone: PartText | None = None,
    *,
    noise: PartText | Sequence[PartText] | None = None,
    assess: PartText | None = None,
    loss: PartText | None = None,
    replicate: int = 0,
    **how: Any,
) -> Task:
    """Return what a tuner is given in a study of these parts: no truth, and nothing of a test set.

    Args:
        data: a source or a path, as a recipe writes it.
        backbone: a backbone; not needed where the data is features.
        noise: a corruptor, or several that follow one another.
        assess: an assessor, whose assessment is applied already.
        loss: a loss; None for a task without one.
        replicate: which redraw of splits, noise, initialisation and order.
        how: as of `features`.

    Raises:
        BurnishError: the parts are wrong, or the data cannot be read.
    """
    chain = None if noise is None else [[noise] if isinstance(noise, str | Mapping) else list(noise)]
    parts = {"data": data, "backbone": backbone, "noise": chain, "assess": assess}
    job = _job(parts, replicate, _How(**how))
    made = None if loss is None else job.tools.made(read_part("loss", loss, get_manager()).part)
    run = Run(job.tools.numeric.device)
    return make_task(job.reads(), job.shown(), job.dataset().columns, replicate, run, loss=made)


def assess(
    data: PartText,
    backbone: PartText | None = None,
    *,
    assess: PartText,
    noise: PartText | Sequence[PartText] | None = None,
    replicate: int = 0,
    **how: Any,
) -> Assessed:
    """Return what an assessor says of the training items of a data set.

    Args:
        data: a source or a path, as a recipe writes it.
        backbone: a backbone; not needed where the data is features.
        assess: an assessor, such as ``"confident-joint"``.
        noise: corruptors, for a study of the assessor itself.
        replicate: which redraw of splits and folds.
        how: as of `features`.

    Raises:
        BurnishError: the parts are wrong, the data cannot be read, or the assessor cannot be trained.
    """
    chain = None if noise is None else [[noise] if isinstance(noise, str | Mapping) else list(noise)]
    parts = {"data": data, "backbone": backbone, "noise": chain, "assess": assess}
    job = _job(parts, replicate, _How(**how))
    shown = job.shown()
    assert shown.assessment is not None  # noqa: S101 - an assessor is named
    return Assessed(job.dataset(), shown.assessment, shown)
