"""burnish from Python: `burnish.run`, `burnish.load`, `burnish.plan_of`. The command line calls these."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from burnish.engine.study import run_study
from burnish.errors import ModelFileError, RecipeError
from burnish.manager import add_plugin_files, get_manager
from burnish.plan import Plan, build_plan, to_yaml
from burnish.recipe import Recipe, find_recipe, make_recipe, with_numeric, with_options, with_settings
from burnish.report.study import Study

if TYPE_CHECKING:
    from burnish.engine.predict.loaded import LoadedPredictor
    from burnish.engine.runner import RunOptions, Save

__all__ = ["RUNS", "Parts", "RecipeLike", "Study", "load", "plan_of", "run", "study_folder"]

RUNS = "runs"
"""Folder that studies are put into where `out` is not given."""

Parts = str | Sequence[str] | None
"""A part as a text, such as ``"nmtune:epochs=5"``; several are an axis; None leaves it to the recipe."""
RecipeLike = str | Path | Mapping[str, Any] | None
"""A name that a plugin offers, a file, or a mapping of recipe keys."""


def plan_of(
    recipe: RecipeLike = None,
    *,
    data: Parts = None,
    backbone: Parts = None,
    noise: Parts = None,
    assess: Parts = None,
    tuner: Parts = None,
    loss: Parts = None,
    evaluate: Parts = None,
    replicates: int | None = None,
    settings: Sequence[str] = (),
    numeric: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    plugins: Sequence[str | Path] = (),
) -> Plan:
    """Return the plan of a recipe. Imports neither torch nor numpy.

    Args:
        recipe: a name that a plugin offers, a file, or a mapping of recipe keys.
        data: data sources or paths; they replace those of the recipe, as all parts do.
        backbone: backbones, such as ``["tiny:noise=0", "tiny:noise=0.3"]``.
        noise: corruptors.
        assess: assessors.
        tuner: tuners.
        loss: losses.
        evaluate: evaluators.
        replicates: replicates of every row.
        settings: such as ``"tuner.width=256"``.
        numeric: ``auto``, ``fp32`` or ``bf16``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: torch's threads.
        plugins: ``.py`` files or package folders to load as plugins, from now on in this process.

    Raises:
        BurnishError: the recipe is wrong.
    """
    add_plugin_files(plugins)
    manager = get_manager()
    given = {
        "data": data,
        "backbone": backbone,
        "noise": noise,
        "assess": assess,
        "tuner": tuner,
        "loss": loss,
        "evaluate": evaluate,
    }
    parts = {key: [value] if isinstance(value, str) else list(value) for key, value in given.items() if value}
    if recipe is None and not (parts or settings):
        raise RecipeError(
            "no recipe is given",
            possible=", ".join(component.name for component in manager.components("recipe")),
            todo="Name a recipe or a file, or give --data and --tuner",
        )
    made = with_settings(with_options(_recipe(recipe), parts), settings)
    if replicates is not None:
        made = with_settings(made, [f"replicates={replicates}"])
    return build_plan(with_numeric(made, numeric=numeric, device=device, threads=threads), manager)


def _recipe(recipe: RecipeLike) -> Recipe:
    if recipe is None or isinstance(recipe, Mapping):
        return make_recipe(recipe or {})
    return find_recipe(str(recipe), get_manager())


def run(
    recipe: RecipeLike = None,
    *,
    out: str | Path | None = None,
    data: Parts = None,
    backbone: Parts = None,
    noise: Parts = None,
    assess: Parts = None,
    tuner: Parts = None,
    loss: Parts = None,
    evaluate: Parts = None,
    replicates: int | None = None,
    settings: Sequence[str] = (),
    numeric: str | None = None,
    device: str | None = None,
    threads: int | None = None,
    fresh: bool = False,
    workers: int = 0,
    save: Save = "first",
    limit: int = 0,
    offline: bool = False,
    progress: bool | None = None,
    plugins: Sequence[str | Path] = (),
    command: str = "",
) -> Study:
    """Run a recipe and return its study; a study that is already there is resumed, or returned at once.

    Args:
        recipe: a name that a plugin offers, a file, or a mapping of recipe keys.
        out: the study's folder; ``runs/<recipe>`` by default.
        data: data sources or paths; they replace those of the recipe, as all parts do.
        backbone: backbones, such as ``["tiny:noise=0", "tiny:noise=0.3"]``.
        noise: corruptors.
        assess: assessors.
        tuner: tuners.
        loss: losses.
        evaluate: evaluators.
        replicates: replicates of every row.
        settings: such as ``"tuner.width=256"``.
        numeric: ``auto``, ``fp32`` or ``bf16``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: torch's threads.
        fresh: start beside a folder that exists.
        workers: threads that read and decode; 0 for one a core.
        save: which predictors are kept: ``first`` (of replicate 0 of every row), ``all`` or ``none``.
        limit: stop after about this many trials; the study can be resumed. 0 for no limit.
        offline: no hub is asked.
        progress: whether to say on standard error what is going on; None says it on a terminal alone.
        plugins: ``.py`` files or package folders to load as plugins, from now on in this process.
        command: what the report gives as the command that made the study.

    Raises:
        BurnishError: the recipe, the data or the machine does not allow it.
    """
    plan = plan_of(
        recipe,
        data=data,
        backbone=backbone,
        noise=noise,
        assess=assess,
        tuner=tuner,
        loss=loss,
        evaluate=evaluate,
        replicates=replicates,
        settings=settings,
        numeric=numeric,
        device=device,
        threads=threads,
        plugins=plugins,
    )
    from burnish.engine.progress import display

    shown = display(quiet=not (sys.stderr.isatty() if progress is None else progress))

    def how() -> RunOptions:
        from burnish.engine.runner import RunOptions

        return RunOptions(workers, offline, save, limit, shown)

    folder, state = run_study(
        plan, study_folder(plan, out), to_yaml(plan), get_manager, how, fresh=fresh, command=command
    )
    study = Study(folder)
    if state == "complete":
        shown.say(f"{folder} is complete: nothing to do")
    elif not study.complete:
        shown.say(f"{folder} is not complete; the same command goes on")
    return study


def study_folder(plan: Plan, out: str | Path | None) -> Path:
    """Return the folder of a plan's study."""
    return Path(out) if out is not None else Path(RUNS) / plan.name


def load(
    folder: str | Path,
    *,
    device: str = "cpu",
    offline: bool = False,
    plugins: Sequence[str | Path] = (),
) -> LoadedPredictor:
    """Return a saved predictor: ``burnish.load(folder).predict(x)``.

    Args:
        folder: a folder under ``predictors/`` of a study, or a study with one predictor.
        device: ``auto``, or a torch device.
        offline: no hub is asked.
        plugins: ``.py`` files or package folders to load as plugins, from now on in this process.

    Raises:
        ModelFileError: there is none, or it is damaged, crafted or of another version; or the study has
            several.
    """
    from burnish.engine.predict.saved import load_predictor
    from burnish.numeric import Device, detect

    add_plugin_files(plugins)
    if device in get_args(Device):  # others, such as "cuda:1", are for torch to judge
        device = detect(device=cast("Device", device)).device
    return load_predictor(_predictor_folder(Path(folder)), get_manager(), device=device, offline=offline)


def _predictor_folder(folder: Path) -> Path:
    """Return the predictor's folder; of a study's folder its only predictor."""
    kept = sorted(path.parent for path in (folder / "predictors").glob("*/predictor.json"))
    if not kept:
        return folder
    if len(kept) > 1:
        shown = ", ".join(map(str, kept[:6])) + (f" and {len(kept) - 6} more" if len(kept) > 6 else "")
        raise ModelFileError(
            f"the study has {len(kept)} predictors",
            where=str(folder),
            possible=shown,
            todo="Name one of these folders",
        )
    return kept[0]
