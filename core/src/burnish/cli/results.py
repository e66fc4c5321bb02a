"""``burnish results``: the tables of a finished study, read from its store alone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click

import burnish
from burnish.errors import RecipeError

_FORMATS = ("text", "markdown", "csv", "json")
_ITEM_FORMATS = ("csv", "json")


@click.command("results")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="csv: a line per row, measure and split [default: text].",
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
@click.option(
    "--assessment",
    is_flag=False,
    flag_value="",
    metavar="[NAME]",
    help="What assessors, or this one, said of each training item; as csv or json, after STUDY.",
)
def command(
    study: Path,
    form: str | None,
    as_json: bool,
    measure: str,
    against: str,
    places: tuple[str, ...],
    assessment: str | None,
) -> None:
    """Show the tables of a finished study: STUDY is the folder that `burnish run` filled."""
    form = "json" if as_json else form
    opened = burnish.Study(study)
    if assessment is not None:
        _assessments(opened, assessment, form or "csv")
        return
    opened = opened.viewed(measure, places)
    if against:
        opened = opened.against(against)
        if form == "csv":
            from burnish.report.exports import comparisons_to_csv

            click.echo(comparisons_to_csv(opened.results), nl=False)
            return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 100
    click.echo(opened.table(form or "text", width), nl=False)


def _assessments(study: burnish.Study, assess: str, form: str) -> None:
    """Print what assessors said, item by item."""
    from burnish.report.assessments import chosen, items_to_csv, items_to_json

    if form not in _ITEM_FORMATS:
        raise RecipeError(
            f"assessments are not written as {form}", where="--format", possible=", ".join(_ITEM_FORMATS)
        )
    records = chosen(study.assessments(), assess)
    for text in [items_to_json(records)] if form == "json" else items_to_csv(records):
        click.echo(text, nl=False)
