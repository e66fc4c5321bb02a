"""``burnish results``: the tables of a finished study, read from its store alone."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import click

_FORMATS = ("text", "markdown", "csv", "json")


@click.command("results")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    default="text",
    show_default=True,
    help="csv: a line per row, measure and split.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--measure", default="", metavar="NAME", help="Another measure than the recipe's.")
@click.option(
    "--against",
    default="",
    metavar="NAME",
    help="Compare with this tuner; with --format csv, the comparisons are what is written.",
)
@click.option(
    "--panel",
    "--split",
    "places",
    multiple=True,
    metavar="NAME",
    help="Only this panel or split; may be repeated.",
)
def command(
    study: Path, form: str, as_json: bool, measure: str, against: str, places: tuple[str, ...]
) -> None:
    """Show the tables of a finished study: STUDY is the folder that `burnish run` filled."""
    from burnish.report.opened import open_study

    form = "json" if as_json else form
    opened = open_study(study)
    opened = replace(opened, summary=opened.summary.viewed(measure, places))
    if against:
        opened = opened.against(against)
        if form == "csv":
            from burnish.report.exports import comparisons_to_csv

            click.echo(comparisons_to_csv(opened.summary), nl=False)
            return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 100
    click.echo(opened.table(form, width), nl=False)
