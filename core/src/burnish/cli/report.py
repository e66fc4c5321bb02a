"""``burnish report``: the HTML report of a finished study."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it; report.html in the study's folder by default.",
)
def command(study: Path, out: Path | None) -> None:
    """Write the HTML report of a finished study, one file: STUDY is the folder that `burnish run` filled."""
    from burnish.report.html import write_report

    click.echo(write_report(study, out))
