"""Results for programs and spreadsheets: CSV in long form, and JSON. Light."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from burnish.engine.store import AssessmentOverview
from burnish.errors import one_line
from burnish.report.formatting import x_name
from burnish.report.summary import Difference, Number, Row, Summary, distinct

_RUN: Final = "=+-@\t\r\n"
_PLAIN_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def to_csv(summary: Summary) -> str:
    """Return one line per row, measure and split or panel.

    Labels, value, interval, n, unit, and the value of each replicate.

    Values are as measured (fractions stay fractions); a cell is empty where a value is not defined.
    """
    axes = distinct(key for row in summary.rows for key in row.axes)
    head = [
        *axes,
        summary.x or "x",
        "measure",
        "split",
        "value",
        "low",
        "high",
        "n",
        "unit",
        "better",
        "interval",
    ]
    lines = [
        [
            *(row.axes.get(axis, "") for axis in axes),
            "" if row.x is None else _x(row.x),
            measure,
            place,
            number.value,
            number.low,
            number.high,
            number.n,
            number.unit,
            number.better,
            number.how,
            *number.values,
        ]
        for row in summary.rows
        for measure, place, number in _selected(summary, row)
    ]
    return write_csv([[*head, *(f"replicate_{r}" for r in range(summary.replicates))], *lines])


def comparisons_to_csv(summary: Summary) -> str:
    """Return one line per comparison with the baseline.

    Over all rows first, then row by row with the row's labels.
    """
    axes = distinct(key for difference in summary.comparisons for key in difference.axes)
    head = [
        summary.lines,
        "baseline",
        "measure",
        "panel",
        "over",
        *axes,
        "difference",
        "low",
        "high",
        "p",
        "p_holm",
    ]
    return write_csv(
        [
            head,
            *(
                [
                    c.line,
                    summary.baseline,
                    summary.measure,
                    c.panel,
                    c.over,
                    *(c.axes.get(axis, "") for axis in axes),
                    c.difference,
                    c.low,
                    c.high,
                    c.p,
                    c.p_holm,
                ]
                for c in summary.comparisons
            ),
        ]
    )


def write_csv(lines: Iterable[Sequence[object]], *, folded: bool = True) -> str:
    """Return CSV in which no cell is run by a spreadsheet.

    Text that starts like a formula gets an apostrophe before it.

    Args:
        lines: rows of cells.
        folded: whether white space in a text becomes single spaces; otherwise it stays, line breaks in
            quotes.
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_cell(value, folded) for value in line] for line in lines)
    return out.getvalue()


def _cell(value: object, folded: bool) -> str:
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    if isinstance(value, int):
        return str(value)
    text = one_line(value) if folded else str(value)
    # A full-width sign is a sign to some spreadsheets; before folding, white space at the start may hide one.
    signs = unicodedata.normalize("NFKC", text[:1]) + str(value)[:1]
    runs = any(sign in _RUN for sign in signs) and not _PLAIN_NUMBER.fullmatch(text)
    return "'" + text if runs else text


def _x(value: object) -> object:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else x_name(value)


def _selected(summary: Summary, row: Row) -> list[tuple[str, str, Number]]:
    return [
        (measure, place, number)
        for measure, places in row.numbers.items()
        for place, number in places.items()
    ]


def to_json(
    summary: Summary,
    *,
    choices: Mapping[str, Mapping[str, Any]],
    assessments: Sequence[AssessmentOverview],
    notes: Sequence[tuple[str, str]],
    numeric: Mapping[str, Any],
    name: str,
) -> str:
    """Return results, comparisons, tuning, assessments, failures and notes as JSON.

    What is not defined is null.
    """
    content = {
        "name": name,
        "measure": summary.measure,
        "baseline": summary.baseline,
        "replicates": summary.replicates,
        "panels": summary.panels,
        "numeric": numeric,
        "rows": [_row(row) for row in summary.rows],
        "comparisons": [_difference(summary, c) for c in summary.comparisons],
        "tuning": [dict(choice) for choice in choices.values()],
        "assessments": [asdict(assessment) for assessment in assessments],
        "notes": [{"kind": kind, "text": text} for kind, text in notes],
    }
    return json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _row(row: Row) -> dict[str, Any]:
    return asdict(row)


def _difference(summary: Summary, difference: Difference) -> dict[str, Any]:
    return asdict(difference) | {
        "measure": summary.measure,
        "baseline": summary.baseline,
        "verdict": difference.verdict,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
