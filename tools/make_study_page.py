"""Writes the page of a study from its store: what it says, its tables, how they were made, and its figures.

No number in the page is typed by hand.

``python tools/make_study_page.py runs/noisy-pretraining`` writes ``docs/study/<name>.md`` and the figures
beside it; prose comes from ``docs/study/<name>.prose.md`` where that exists, and stands before the tables.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any, cast

from burnish.files import ensure_folder, write_atomic
from burnish.report import figures, pictures
from burnish.report.answer import answer
from burnish.report.canvas import Picture, drawing
from burnish.report.caption import caption
from burnish.report.sheet import to_text
from burnish.report.study import Study
from burnish.report.style import INK, PAPER, Look, looks
from burnish.report.tables import sheets

FOLDER = Path(__file__).parents[1] / "docs" / "study"
WIDTH = 100
"""Characters of a table's line."""
NOTE = (
    "<!-- Written by tools/make_study_page.py from the study's store: run it again instead of changing"
    " numbers here. -->"
)

Drawn = tuple[Picture, Mapping[str, Look]]
"""A figure, and the look of its lines for the legend; none where it names them itself."""

PAGE = Template("""# $title

$note

$prose## In short

$answer

## Results

```text
$tables
```

$caption

## Figures

$figures

## How it was made

Command: `$command`

$facts
The recipe, with every default filled in:

```text
$plan
```
""")


def write_page(study_folder: Path, folder: Path = FOLDER) -> Path:
    """Write the page of a finished study, and its figures, and return the page's path.

    Args:
        study_folder: the study's folder.
        folder: where the page goes.

    Raises:
        StoreError: there is no finished study.
        MachineError: a file cannot be written.
    """
    study = Study(study_folder)
    prose = folder / f"{study.name}.prose.md"
    shown = sheets(study.results, study.choices, study.assessment_overviews)
    page = PAGE.substitute(
        note=NOTE,
        title=study.name.replace("-", " ").capitalize(),
        prose=prose.read_text(encoding="utf-8").strip() + "\n\n" if prose.is_file() else "",
        answer="\n".join(f"* {sentence}" for sentence in answer(study.results)),
        tables="\n".join(to_text(sheet, WIDTH) for sheet in shown).rstrip(),
        caption="\n\n".join(
            [
                *caption(study.results, study.choices, study.numeric),
                *(f"{kind}: {text}" for kind, text in study.notes),
            ]
        ),
        figures="\n\n".join(_figures(study, folder)),
        command=study.command or f"burnish run {study.name}",
        facts="".join(f"* {name}: {value}\n" for name, value in study.environment.items()),
        plan=_without_places(study.plan).strip(),
    )
    path = folder / f"{study.name}.md"
    write_atomic(path, page.encode())
    return path


def _figures(study: Study, folder: Path) -> Iterator[str]:
    """Write the figures and yield a line of Markdown for each."""
    ensure_folder(folder / study.name)
    for heading, found in drawn(study).items():
        if found:
            yield f"### {heading}"
        for number, (picture, look) in enumerate(found, 1):
            file = f"{study.name}/{heading.lower().replace(' ', '-')}-{number}.svg"
            write_atomic(folder / file, svg(picture, look))
            yield f"**{picture.title}**\n\n![{_alt(picture.words)}]({file})"


def drawn(study: Study) -> dict[str, list[Drawn]]:
    """Return the figures with their lines, under the heading they belong to."""
    summary = study.results
    look = looks(summary.all_series)
    alone = {splits[0] for splits in summary.panels.values() if len(splits) == 1}
    others = [split for split in summary.splits() if split not in alone]
    along = bool(summary.xs)
    return {
        "By panel": [
            (picture, look)
            for picture in (
                figures.along_x(summary, summary.shown(), wide=True) if along else figures.by_row(summary)
            )
        ],
        "By test set": [
            (picture, look)
            for picture in (figures.along_x(summary, others, wide=True) if along and others else [])
        ],
        "Differences": [(picture, {}) for picture in figures.differences(summary)],
        "Spectra": list(figures.spectra(summary, pictures.curves(summary, study.trials(extras=True)))),
    }


def svg(picture: Picture, look: Mapping[str, Look]) -> bytes:
    """Return a figure as an SVG file of its own.

    With its legend, on the colour of paper, so that it can be read on any page.
    """
    import io

    from matplotlib.lines import Line2D

    out = io.BytesIO()
    with drawing():
        if look:
            lines = [
                Line2D(
                    [], [], color=one.colour, marker=one.marker, linestyle=cast("Any", one.dashes), label=name
                )
                for name, one in look.items()
            ]
            picture.figure.legend(
                handles=lines,
                loc="upper center",
                bbox_to_anchor=(0.5, 0.0),
                ncol=3,
                frameon=False,
                labelcolor=INK,
            )
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        picture.figure.savefig(
            out, format="svg", facecolor=PAPER, bbox_inches="tight", pad_inches=0.1, metadata=metadata
        )
    return out.getvalue()


def _alt(words: str) -> str:
    return re.sub(r"[\[\]\n]", " ", words).strip()


def _without_places(plan: str) -> str:
    """Return a plan without the comments that name folders of this machine."""
    return "\n".join(line for line in plan.splitlines() if not line.lstrip().startswith("#"))


def main() -> None:
    """Write the page of the study that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path, help="folder of a finished study")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the page [default: docs/study]")
    given = parser.parse_args()
    print(write_page(given.study, ensure_folder(given.out)))


if __name__ == "__main__":
    main()
