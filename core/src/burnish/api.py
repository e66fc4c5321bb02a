"""burnish from Python: `burnish.run`, `burnish.load` and `burnish.Study`. The command line calls these."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.engine.folder import PREDICTORS, STORE
from burnish.engine.store import Record, Store
from burnish.engine.study import run_study
from burnish.errors import StoreError
from burnish.manager import get_manager
from burnish.plan import Plan, build_plan, to_yaml
from burnish.recipe import find_recipe, make_recipe, with_numeric, with_options, with_settings

if TYPE_CHECKING:
    from burnish.engine.predict.loaded import LoadedPredictor
    from burnish.engine.runner import RunOptions

RUNS = "runs"
"""Folder that studies are put into where `out` is not given."""


class Study:
    """What `burnish run` leaves in a folder.

    Args:
        folder: the study's folder.

    Raises:
        StoreError: there is no study in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        with self._store():
            pass

    def _store(self) -> Store:
        return Store(self.folder / STORE, create=False)

    @property
    def name(self) -> str:
        """Name of the recipe."""
        with self._store() as store:
            return store.meta("name") or self.folder.name

    @property
    def complete(self) -> bool:
        """Whether every trial of the plan is finished and summarised."""
        return self.summary() is not None

    def summary(self) -> dict[str, Any] | None:
        """Return rows, panels and comparisons with intervals (see `burnish.engine.jobs.summarise`).

        None while trials are missing.
        """
        with self._store() as store:
            return store.summary(store.meta("key") or "")

    def trials(self) -> list[Record]:
        """Return the finished trials in the order of the plan.

        Where all are, labelled as the rows of the summary are.
        """
        if self.complete:
            from burnish.report.opened import open_study

            return open_study(self.folder).records()
        with self._store() as store:
            keys = json.loads(store.meta("trials") or "[]")
            found = store.records(keys)
        return [found[key] for key in keys if key in found]

    def table(self, format: str = "text", width: int = 100) -> str:  # noqa: A002 - the word users know
        """Return the result table.

        Args:
            format: ``text``, ``markdown``, ``csv`` or ``json``.
            width: columns of a text table.

        Raises:
            StoreError: trials are missing.
        """
        from burnish.report.opened import open_study

        return open_study(self.folder).table(format, width)

    def predictor(self, trial: Record | int) -> LoadedPredictor:
        """Return the saved predictor of a trial.

        Args:
            trial: one of `trials`, or its number there.

        Raises:
            StoreError: it was not kept, or there is no such trial.
        """
        from burnish.engine.predict.saved import load_predictor

        if not isinstance(trial, Record):
            trials = self.trials()
            number = int(trial)
            if not 0 <= number < len(trials):
                raise StoreError(
                    f"there is no trial {trial}", where=str(self.folder), possible=f"0 to {len(trials) - 1}"
                )
            trial = trials[number]
        folder = self.folder / PREDICTORS / trial.key[:16]
        if not folder.is_dir():
            todo = "Predictors of replicate 0 are kept by default; run with --save all to keep every one"
            raise StoreError(
                f"the predictor of replicate {trial.replicate} was not kept",
                where=str(self.folder),
                todo=todo,
            )
        return load_predictor(folder, get_manager())


def plan_of(
    recipe: str | Path | Mapping[str, Any] | None = None,
    *,
    options: Mapping[str, Sequence[str]] | None = None,
    settings: Sequence[str] = (),
    numeric: str | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Plan:
    """Return the plan of a recipe. Imports neither torch nor numpy.

    Args:
        recipe: a name that a plugin offers, a file, or a mapping of recipe keys.
        options: parts by recipe key, such as ``{"tuner": ["mlp", "nmtune"]}``; they replace those of the
            recipe.
        settings: such as ``"tuner.width=256"``.
        numeric: ``auto``, ``fp32`` or ``bf16``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: torch's threads.

    Raises:
        BurnishError: the recipe is wrong.
    """
    manager = get_manager()
    made = (
        make_recipe(recipe or {})
        if recipe is None or isinstance(recipe, Mapping)
        else find_recipe(str(recipe), manager)
    )
    made = with_settings(with_options(made, options or {}), settings)
    return build_plan(with_numeric(made, numeric=numeric, device=device, threads=threads), manager)


def run(
    recipe: str | Path | Mapping[str, Any] | None = None,
    *,
    out: str | Path | None = None,
    settings: Sequence[str] = (),
    numeric: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    fresh: bool = False,
    options: RunOptions | None = None,
) -> Study:
    """Run a recipe and return its study; a study that is already there is resumed, or returned at once.

    Args:
        recipe: a name that a plugin offers, a file, or a mapping of recipe keys.
        out: the study's folder; ``runs/<recipe>`` by default.
        settings: such as ``"tuner.width=256"``.
        numeric: ``auto``, ``fp32`` or ``bf16``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: torch's threads.
        fresh: start beside a folder that exists.
        options: how to run (`burnish.engine.runner.Options`).

    Raises:
        BurnishError: the recipe, the data or the machine does not allow it.
    """
    plan = plan_of(recipe, settings=settings, numeric=numeric, device=device, threads=threads)

    def how() -> RunOptions:
        from burnish.engine.runner import RunOptions

        return options or RunOptions()

    folder, _ = run_study(plan, study_folder(plan, out), to_yaml(plan), get_manager, how, fresh=fresh)
    return Study(folder)


def study_folder(plan: Plan, out: str | Path | None) -> Path:
    """Return the folder of a plan's study."""
    return Path(out) if out is not None else Path(RUNS) / plan.name


def load(folder: str | Path, *, device: str = "cpu", offline: bool = False) -> LoadedPredictor:
    """Return a saved predictor: ``burnish.load(folder).predict(x)``.

    Args:
        folder: a folder under ``predictors/`` of a study.
        device: torch device.
        offline: no hub is asked.

    Raises:
        ModelFileError: there is none, or it is damaged, crafted or of another version.
    """
    from burnish.engine.predict.saved import load_predictor

    return load_predictor(Path(folder), get_manager(), device=device, offline=offline)
