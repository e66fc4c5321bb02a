"""What is drawn of a study: numbers gathered for the figures, without matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.engine.store import Record
from burnish.report.formatting import mean, x_name
from burnish.report.summary import Summary, distinct, key_of

TUNER = "tuner-"
"""Curves with this prefix are of a tuner's embeddings, and drawn by line.

Others are of the backbone's features, and drawn by x.
"""


@dataclass(frozen=True)
class Point:
    """A value with its interval at a position; the interval is NaN where there is none."""

    x: float
    y: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Curves:
    """Curves of one name in one panel, each the mean of several."""

    name: str
    panel: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]


def positions(xs: Sequence[Any]) -> list[float]:
    """Return where values of x stand on the axis: at their value where all are numbers, else side by side.

    What has no x stands beside the numbers, on the side on which the recipe has it.
    """
    there = [float(x) for x in xs if isinstance(x, int | float) and not isinstance(x, bool)]
    if not there or len(there) + (None in xs) < len(xs):
        return [float(i) for i in range(len(xs))]
    gap = (max(there) - min(there)) / max(len(there) - 1, 1) or 1.0
    beside = min(there) - gap if xs[0] is None else max(there) + gap
    return [beside if x is None else float(x) for x in xs]


def points(summary: Summary, place: str) -> dict[str, list[list[Point]]]:
    """Return, for each line, the points at each x: one with its interval, or several without."""
    at = positions(summary.xs)
    out: dict[str, list[list[Point]]] = {}
    for series in summary.all_series:
        cells = []
        for position, x in zip(at, summary.xs, strict=True):
            found = [
                n
                for row in summary.behind(series, x)
                if (n := row.number(summary.measure, place)) and math.isfinite(n.value)
            ]
            alone = len(found) == 1
            cells.append(
                [
                    Point(position, n.value, n.low if alone else math.nan, n.high if alone else math.nan)
                    for n in found
                ]
            )
        out[series] = cells
    return {series: cells for series, cells in out.items() if any(cells)}


def curves(summary: Summary, records: Sequence[Record]) -> list[Curves]:
    """Return the mean curves of each name in each panel.

    By line for a tuner's embeddings, else by x, or by backbone where there is no x.
    """
    group_of = {
        _key(row.axes): (summary.series(row), _group(summary, row.x, row.axes)) for row in summary.rows
    }
    gathered: dict[tuple[str, str, str], list[tuple[Sequence[float], Sequence[float]]]] = {}
    for record in records:
        if (groups := group_of.get(_key(record.axes))) is None:
            continue
        by_line, by_x = groups
        for curve in record.curves:
            line = by_line if str(curve["name"]).startswith(TUNER) else by_x
            for panel in _panels_of(summary, str(curve["split"])):
                gathered.setdefault((str(curve["name"]), panel, line), []).append((curve["x"], curve["y"]))
    names = distinct((name, panel) for name, panel, _ in gathered)
    order = [*summary.all_series, *(x_name(x) for x in summary.xs)]
    out = []
    for name, panel in sorted(
        names, key=lambda at: (at[0].startswith(TUNER), list(summary.panels).index(at[1]))
    ):
        lines = [line for n, p, line in gathered if (n, p) == (name, panel)]
        ordered = sorted(distinct(lines), key=lambda line: order.index(line) if line in order else len(order))
        out.append(Curves(name, panel, {line: _mean_curve(gathered[name, panel, line]) for line in ordered}))
    return out


def per_class(
    summary: Summary, records: Sequence[Record], column: str
) -> dict[str, dict[str, dict[str, float]]]:
    """Return a column of the ``per-class`` tables by panel, class and line.

    The values are means over rows, replicates and the panel's splits.
    """
    series_of = {_key(row.axes): summary.series(row) for row in summary.rows}
    gathered: dict[str, dict[str, dict[str, list[float]]]] = {panel: {} for panel in summary.shown()}
    for record in records:
        series = series_of.get(_key(record.axes))
        for table in record.tables:
            if series is None or table["name"] != "per-class" or column not in table["columns"]:
                continue
            for panel in _panels_of(summary, str(table["split"])):
                for name, value in zip(table["columns"]["class"], table["columns"][column], strict=True):
                    if value is not None:
                        gathered[panel].setdefault(str(name), {}).setdefault(series, []).append(float(value))
    return {
        panel: {name: _means(lines) for name, lines in classes.items()}
        for panel, classes in gathered.items()
        if classes
    }


def _means(lines: Mapping[str, list[float]]) -> dict[str, float]:
    return {series: mean(values) for series, values in lines.items()}


def seconds(summary: Summary) -> dict[str, float]:
    """Return the mean seconds of a trial of each line; a stack's time is shared among its trials."""
    out = {}
    for series in summary.all_series:
        rows = [row for row in summary.rows if summary.series(row) == series and row.finished]
        if rows:
            out[series] = math.fsum(row.seconds for row in rows) / sum(row.finished for row in rows)
    return out


def _panels_of(summary: Summary, split: str) -> list[str]:
    return [panel for panel in summary.shown() if split in summary.panels.get(panel, (panel,))]


def _group(summary: Summary, x: object, axes: Mapping[str, str]) -> str:
    return x_name(x) if any(key_of(x) == key_of(known) for known in summary.xs) else axes.get("backbone", "")


def _key(axes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(axes.items()))


def _mean_curve(
    members: Iterable[tuple[Sequence[float], Sequence[float]]],
) -> tuple[list[float], list[float]]:
    """Return the mean of curves over the positions that all of them have."""
    found = list(members)
    length = min(min(len(x), len(y)) for x, y in found)
    return list(found[0][0][:length]), [
        mean([y[i] for _, y in found if y[i] is not None]) for i in range(length)
    ]
