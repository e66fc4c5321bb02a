"""The tables of a study, made from its summary alone.

No numpy, no torch, so that a finished study is shown at once.

`render` gives text, markdown, CSV or JSON; the HTML report shows the same `Sheet` objects.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from burnish.engine.store import AssessmentOverview
from burnish.errors import RecipeError
from burnish.report.assessments import overview
from burnish.report.caption import caption
from burnish.report.formatting import (
    NO_X,
    from_to,
    half_width,
    interval,
    mean,
    probability,
    shown,
    signed,
    unit_name,
    x_name,
)
from burnish.report.sheet import Column, Section, Sheet, fill, to_markdown, to_text
from burnish.report.summary import Number, Row, Summary, distinct

FORMATS: Final = ("text", "markdown", "csv", "json")
_MOST_CHOICES: Final = 24


def render(
    summary: Mapping[str, Any] | Summary,
    *,
    format: str = "text",  # noqa: A002 - the word users know
    width: int = 100,
    choices: Mapping[str, Mapping[str, Any]] | None = None,
    assessments: Sequence[AssessmentOverview] = (),
    notes: Iterable[tuple[str, str]] = (),
    numeric: Mapping[str, Any] | None = None,
    name: str = "",
) -> str:
    """Return the tables of a study.

    Results, comparisons with the baseline, what was tuned, and how to read them.

    Args:
        summary: the study's summary, as JSON or read.
        format: ``text``, ``markdown``, ``csv`` (results in long form: a line per row, measure and split) or
            ``json``.
        width: terminal columns of text.
        choices: what tuning chose, as `burnish.engine.store.Store.choices` returns it.
        assessments: what assessors said, without the items.
        notes: (kind, line) pairs, as `burnish.engine.store.Store.notes` returns them.
        numeric: the numeric mode, for the caption.
        name: the study's name, for the heading.

    Raises:
        RecipeError: there is no such format.
    """
    from burnish.report.exports import to_csv, to_json

    view = summary if isinstance(summary, Summary) else Summary.of(summary)
    choices, notes, numeric = choices or {}, list(notes), numeric or {}
    if format == "csv":
        return to_csv(view)
    if format == "json":
        return to_json(
            view, choices=choices, assessments=assessments, notes=notes, numeric=numeric, name=name
        )
    shown_sheets = sheets(view, choices, assessments)
    caption_lines, noted = caption(view, choices, numeric), [f"{kind}: {text}" for kind, text in notes]
    if format == "markdown":
        parts = [f"## {name}\n"] if name else []
        return "\n".join(
            [*parts, *map(to_markdown, shown_sheets), *(f"{line}\n" for line in (*caption_lines, *noted))]
        )
    if format == "text":
        end = [line for text in (*caption_lines, *noted) for line in fill(text, width)]
        return (
            "\n".join(
                [*([name, ""] if name else []), *(to_text(sheet, width) for sheet in shown_sheets), *end]
            )
            + "\n"
        )
    raise RecipeError(f"unknown format {format!r}", where="--format", possible=", ".join(FORMATS))


def sheets(
    summary: Summary,
    choices: Mapping[str, Mapping[str, Any]],
    assessments: Sequence[AssessmentOverview] = (),
) -> list[Sheet]:
    """Return the tables that a study has something to show in."""
    said = overview(assessments)
    found = [results(summary), comparison(summary), said, tuning(choices), failures(summary)]
    return [sheet for sheet in found if sheet is not None]


# -- results -------------------------------------------------------------------------------------------------


def results(summary: Summary) -> Sheet:
    """Return the result table: by x where the recipe's report gives one, else a row of the plan a line."""
    return pivot(summary) if summary.xs else by_row(summary)


def pivot(summary: Summary) -> Sheet:
    """Return lines x values of x in each panel.

    One row of the plan with its interval, several rows as points.
    """
    measure = summary.measure
    numbers: list[Number] = []
    sections, empty = [], False
    for place in summary.shown():
        rows = []
        for series in summary.all_series:
            found = [
                [n for row in summary.behind(series, x) if (n := row.number(measure, place))]
                for x in summary.xs
            ]
            numbers += [number for cell in found for number in cell]
            empty |= not all(found)
            rows.append((series, *(_cell(cell) for cell in found)))
        sections.append(Section(panel_title(summary, place), tuple(rows)))
    columns = (Column(summary.lines, numeric=False), *(Column(x_name(x)) for x in summary.xs))
    without = (f"{NO_X} : rows without {summary.x}.",) if None in summary.xs else ()
    return Sheet(
        "results",
        _title(summary),
        columns,
        tuple(sections),
        (*without, *_footnotes(numbers, empty=empty)),
        over=summary.x,
    )


def _cell(numbers: Sequence[Number]) -> str:
    if len(numbers) == 1:
        return half_width(numbers[0])
    return " ".join(shown(number.value, number.unit) for number in numbers) or "-"


def by_row(summary: Summary) -> Sheet:
    """Return a line for each row of the plan with the axes that vary, and mean and interval in each panel."""
    axes = summary.axes or [summary.lines]
    places = summary.shown()
    found = [[row.number(summary.measure, place) for place in places] for row in summary.rows]
    rows = []
    for row, numbers in zip(summary.rows, found, strict=True):
        texts = [row.axes.get(axis, row.line) for axis in axes]
        rows.append((*texts, *(from_to(number) if number else "-" for number in numbers)))
    columns = (*(Column(axis, numeric=False) for axis in axes), *map(Column, places))
    there = [number for numbers in found for number in numbers]
    notes = _footnotes([number for number in there if number], empty=None in there)
    described = tuple(title for place in places if (title := panel_title(summary, place)) != place)
    return Sheet("results", _title(summary), columns, (Section("", tuple(rows)),), (*described, *notes))


def _title(summary: Summary) -> str:
    unit = f" in {unit_name(summary.unit)}" if unit_name(summary.unit) else ""
    return (
        f"{summary.measure}{unit},"
        f" {f'mean of {summary.replicates} replicates' if summary.replicates > 1 else 'one replicate'}"
    )


def replicates(summary: Summary) -> str:
    """Return ``"10 replicates"``."""
    return f"{summary.replicates} replicate{'s' if summary.replicates != 1 else ''}"


def panel_title(summary: Summary, place: str) -> str:
    """Return a panel with what is behind it, such as ``"out: mean of 6 test sets (blur, noise)"``."""
    splits = [split.removeprefix("test:") for split in summary.panels.get(place, (place,))]
    if splits in ([place], [place.removeprefix("test:")]):
        return place
    if len(splits) == 1:
        return f"{place}: {splits[0]}"
    there = [
        [row.number(summary.measure, split) is not None for split in summary.panels[place]]
        for row in summary.rows
    ]
    if any(any(has) and not all(has) for has in there):
        return f"{place}: mean of a row's test sets among {', '.join(splits)}"
    return f"{place}: mean of {len(splits)} test sets ({', '.join(splits)})"


def _footnotes(numbers: Sequence[Number], *, empty: bool) -> tuple[str, ...]:
    notes = []
    undefined = [number for number in numbers if not math.isfinite(number.value)]
    if undefined or empty:
        reasons = distinct(number.note for number in undefined if number.note)
        why = f" ({'; '.join(reasons)})" if reasons else ""
        notes.append(f"- : not defined, or no trial of it could be trained{why}")
    partly = sum(0 < number.missing < len(number.values) for number in numbers)
    if partly:
        notes.append(
            f"{partly} of these numbers lack{'s' if partly == 1 else ''} some replicates, which are left out"
            " of the mean."
        )
    return tuple(notes)


# -- comparison ----------------------------------------------------------------------------------------------


def comparison(summary: Summary) -> Sheet | None:
    """Return paired differences from the baseline over all rows, or None where nothing is compared."""
    overall = [c for c in summary.comparisons if not c.axes and c.panel in summary.shown()]
    if not overall:
        return None
    unit = summary.unit
    columns = (
        Column(summary.lines, numeric=False),
        Column("over", numeric=False),
        Column("difference"),
        Column("95 % interval"),
        Column("p (Holm)"),
    )
    rows = [
        (c.panel, (c.line, c.over, signed(c.difference, unit), interval(c, unit), probability(c.p_holm)))
        for c in overall
    ]
    sections = [
        Section(panel, tuple(row for at, row in rows if at == panel))
        for panel in distinct(at for at, _ in rows)
    ]
    measured = f" in {unit_name(unit).split()[0]}" if unit_name(unit) else ""
    return Sheet(
        "comparison",
        f"{summary.measure}: difference from {summary.baseline}{measured}",
        columns,
        tuple(sections),
    )


# -- tuning and failures -------------------------------------------------------------------------------------


def tuning(choices: Mapping[str, Mapping[str, Any]]) -> Sheet | None:
    """Return what was tuned: the candidates' validation measures and the one chosen, or None."""
    if not choices:
        return None
    rows = [
        (
            choice["text"],
            " ".join(settings(candidate["options"]) for candidate in choice["candidates"]),
            settings(choice["options"]),
        )
        for choice in choices.values()
    ]
    more = (
        (f"and {len(rows) - _MOST_CHOICES} more; --format json lists them all",)
        if len(rows) > _MOST_CHOICES
        else ()
    )
    columns = (
        Column("tuned", numeric=False),
        Column("tried", numeric=False),
        Column("chosen", numeric=False),
    )
    return Sheet("tuning", "Tuned on validation", columns, (Section("", tuple(rows[:_MOST_CHOICES])),), more)


def settings(options: Mapping[str, Any]) -> str:
    """Return options as they are written, such as ``"lr=0.003"``."""
    return (
        ",".join(
            f"{name.partition('.')[2] or name}={'none' if value is None else x_name(value)}"
            for name, value in options.items()
        )
        or "-"
    )


def failures(summary: Summary) -> Sheet | None:
    """Return the rows with trials that could not be trained, and why, or None."""
    failed = [row for row in summary.rows if row.errors]
    if not failed:
        return None
    columns = (Column("row", numeric=False), Column("why", numeric=False))
    rows = tuple((row_name(summary, row), "; ".join(row.errors)) for row in failed)
    return Sheet("failures", "Trials that could not be trained", columns, (Section("", rows),))


def row_name(summary: Summary, row: Row) -> str:
    """Return the axes that tell a row from the others."""
    return ", ".join(row.axes.get(axis, "") for axis in summary.axes) or row.line


def means(summary: Summary, place: str) -> dict[str, float]:
    """Return the mean of each line over its rows, for the lines that have every row."""
    out = {}
    for series in summary.all_series:
        numbers = [
            row.number(summary.measure, place) for row in summary.rows if summary.series(row) == series
        ]
        if all(number is not None and math.isfinite(number.value) for number in numbers):
            out[series] = mean([number.value for number in numbers if number])
    return out
