"""``burnish run``: a recipe, or the same from options; run again, it goes on where it was."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

import burnish
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
from burnish.cli.recipes import recipe_arguments, recipe_options
from burnish.cli.text import echo


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
    arguments = recipe_arguments(values)
    if dry_run:
        from burnish.cli.validate import show_plan

        show_plan(burnish.plan_of(**arguments), as_json=as_json)
        return
    study = burnish.run(
        **arguments,
        out=out,
        fresh=values["fresh"],
        workers=values["workers"],
        save=values["save"],
        limit=values["limit"],
        offline=values["offline"],
        progress=not values["quiet"],
        command=shlex.join(["burnish", *sys.argv[1:]]),
    )
    if study.complete:
        click.echo(study.table("json" if as_json else "text"))
        _report(study, quiet=values["quiet"])


def _report(study: burnish.Study, *, quiet: bool) -> None:
    """Write the report where it is missing or older than the study, and say where it is."""
    from burnish.engine.study import report_is_missing

    if report_is_missing(study.folder):
        from burnish.report.html import write_report

        write_report(study.folder)
    if not quiet:
        echo([f"report: {study.folder / 'report.html'}"])
