"""``burnish run``: a recipe, or the same from options; run again, it goes on where it was."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from burnish.cli.options import (
    device_option,
    dry_run_option,
    json_option,
    limit_option,
    offline_option,
    out_option,
    quiet_option,
    workers_option,
)
from burnish.cli.recipes import read_options, recipe_options
from burnish.cli.text import echo
from burnish.manager import get_manager
from burnish.plan import Plan, build_plan

if TYPE_CHECKING:
    from burnish.api import Study
    from burnish.engine.runner import RunOptions


@click.command()
@recipe_options
@out_option
@click.option("--fresh", is_flag=True, help="Start beside a folder that exists.")
@click.option(
    "--save",
    type=click.Choice(["first", "all", "none"]),
    default="first",
    show_default=True,
    help="Predictors to keep: of replicate 0.",
)
@device_option
@workers_option
@offline_option
@limit_option
@dry_run_option
@json_option
@quiet_option
def command(dry_run: bool, as_json: bool, out: Path | None, **values: Any) -> None:
    """Run a recipe and print its table.

    RECIPE is a file or the name of an installed recipe; --data, --tuner and the like stand for one, or change
    it. What is finished is kept: after a kill or Ctrl-C the same command goes on where it was, and a finished
    study is shown at once.
    """
    manager = get_manager()
    plan = build_plan(read_options(values, manager), manager)
    if dry_run:
        from burnish.cli.validate import show_plan

        show_plan(plan, as_json=as_json)
        return
    study = _run(plan, out, values)
    if study.complete:
        click.echo(study.table("json" if as_json else "text"))
        _report(study, quiet=values["quiet"])


def _run(plan: Plan, out: Path | None, values: dict[str, Any]) -> Study:
    from burnish.api import Study, study_folder
    from burnish.engine.progress import progress
    from burnish.engine.study import run_study
    from burnish.plan import to_yaml

    shown = progress(values["quiet"])

    def options() -> RunOptions:
        from burnish.engine.runner import RunOptions

        return RunOptions(values["workers"], values["offline"], values["save"], values["limit"], shown)

    typed = shlex.join(["burnish", *sys.argv[1:]])
    folder = study_folder(plan, out)
    folder, state = run_study(
        plan, folder, to_yaml(plan), get_manager, options, fresh=values["fresh"], command=typed
    )
    study = Study(folder)
    if state == "complete":
        shown.say(f"{study.folder} is complete: nothing to do")
    elif not study.complete:
        shown.say(f"{study.folder} is not complete; the same command goes on")
    return study


def _report(study: Study, *, quiet: bool) -> None:
    """Write the report where it is missing or older than the study, and say where it is."""
    from burnish.engine.study import report_is_missing

    if report_is_missing(study.folder):
        from burnish.report.html import write_report

        write_report(study.folder)
    if not quiet:
        echo([f"report: {study.folder / 'report.html'}"])
