"""Figures of a study: small pictures that stand beside each other in the report.

Each is a matplotlib `Figure` (no pyplot, no global state kept). A line has one colour and one marker in all
of them (`burnish.report.style.looks`), so that they share one legend.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from burnish.errors import one_line
from burnish.report.canvas import LONGEST_NAME, WIDE, WIDTH, Picture, drawing, height_of, new_figure, short
from burnish.report.formatting import shown, signed, x_name
from burnish.report.pictures import Curves, Point, points, positions
from burnish.report.sheet import broken
from burnish.report.style import GRID, INK, MUTED, PAPER, Look, looks, ramp
from burnish.report.summary import Difference, Number, Summary, distinct
from burnish.report.tables import panel_title, row_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS: Final = 40
_MOST_CLASSES: Final = 30
_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def along_x(summary: Summary, places: Sequence[str], *, wide: bool) -> list[Picture]:
    """Return the measure against x, a picture for each panel or split, all with the same scale."""
    with drawing():
        look = looks(summary.all_series)
        found = {place: points(summary, place) for place in places}
        below = {series for lines in found.values() for series in _below(lines)}
        windows = {place: _window(lines, below, summary.unit) for place, lines in found.items() if lines}
        span = max((high - low for low, high, _ in windows.values()), default=0.0)
        width = WIDE if wide else WIDTH
        return [
            _along(summary, place, found[place], window, span, look, width)
            for place, window in windows.items()
        ]


def _along(
    summary: Summary,
    place: str,
    lines: Mapping[str, list[list[Point]]],
    window: tuple[float, float, list[str]],
    span: float,
    look: Mapping[str, Look],
    width: float,
) -> Picture:
    figure, axes = new_figure(width * 0.74, width)
    scale = _scale(summary.unit)
    at = positions(summary.xs)
    step = (max(at) - min(at) or 1.0) * 0.011
    low, high, below = window
    for i, (series, cells) in enumerate(lines.items()):
        if series in below:
            continue
        shift = (i - (len(lines) - 1) / 2) * step
        _line(
            axes,
            [
                [Point(p.x + shift, p.y * scale, p.low * scale, p.high * scale) for p in cell]
                for cell in cells
            ],
            look[series],
        )
    middle = (low + high) / 2
    axes.set_ylim((middle - span / 2) * scale, (middle + span / 2) * scale)
    axes.set_xticks(at, [one_line(x_name(x)) for x in summary.xs])
    axes.set_xlim(min(at) - 5 * step, max(at) + 5 * step)
    axes.set_xlabel(one_line(summary.x))
    if below:
        values = {series: [p.y for cell in lines[series] for p in cell] for series in below}
        text = ", ".join(
            f"{one_line(s)} {shown(min(v), summary.unit)} to {shown(max(v), summary.unit)}"
            for s, v in values.items()
        )
        axes.text(
            0.0,
            0.01,
            "\n".join(textwrap.wrap(f"↓ below: {text}", 54)),
            transform=axes.transAxes,
            fontsize=7,
            color=MUTED,
            va="bottom",
        )
    return Picture(
        place,
        figure,
        f"{summary.measure} against {summary.x} in {panel_title(summary, place)}, one line for each"
        f" {summary.lines}",
    )


def _line(axes: Axes, cells: Sequence[Sequence[Point]], look: Look) -> None:
    """Draw the means of cells as a line, and their points.

    With an interval each where a cell has one point, hollow where it has several.
    """
    there = [cell for cell in cells if cell]
    means = [(sum(p.x for p in cell) / len(cell), sum(p.y for p in cell) / len(cell)) for cell in there]
    axes.plot(*zip(*sorted(means), strict=True), color=look.colour, linestyle=look.dashes, zorder=2)
    alone = [cell[0] for cell in there if len(cell) == 1]
    several = [point for cell in there if len(cell) > 1 for point in cell]
    _bars(axes, alone, look)
    if several:
        at = [p.x for p in several], [p.y for p in several]
        axes.plot(
            *at,
            look.marker,
            markerfacecolor=PAPER,
            markeredgecolor=look.colour,
            markeredgewidth=1.1,
            zorder=3,
        )


def _bars(axes: Axes, there: Sequence[Point], look: Look, *, flat: bool = False) -> None:
    """Draw points with their intervals, upright or `flat` (x is the value's axis then, y the position's)."""
    for point in there:
        if math.isfinite(point.low) and math.isfinite(point.high):
            place, ends = [point.x] * 2, [point.low, point.high]
            line = (ends, place) if flat else (place, ends)
            axes.plot(*line, color=look.colour, linewidth=1.2, zorder=2)
    places, values = [point.x for point in there], [point.y for point in there]
    at = (values, places) if flat else (places, values)
    axes.plot(*at, marker=look.marker, color=look.colour, linestyle="none", zorder=3)


def _below(lines: Mapping[str, list[list[Point]]]) -> list[str]:
    """Return the lines that are so far below the others that these would have no room.

    They are told in words instead.
    """
    ends = {series: _ends(cells) for series, cells in lines.items()}
    ordered = sorted(ends, key=lambda series: max(ends[series]))
    return ordered[: _left_out([(min(ends[series]), max(ends[series])) for series in ordered])]


def _ends(cells: Sequence[Sequence[Point]]) -> list[float]:
    return [v for cell in cells for p in cell for v in (p.y, p.low, p.high) if math.isfinite(v)]


def _window(
    lines: Mapping[str, list[list[Point]]], below: Container[str], unit: str
) -> tuple[float, float, list[str]]:
    """Return (low, high, lines left below) of one picture."""
    left = [series for series in lines if series in below]
    values = [v for series, cells in lines.items() if series not in left for v in _ends(cells)]
    if not values:
        left, values = [], [v for cells in lines.values() for v in _ends(cells)]
    low, high = min(values), max(values)
    margin = max((high - low) * 0.1, 0.005 if unit == "fraction" else abs(high) * 1e-3, 1e-9)
    return low - margin * (2.0 if left else 1.0), high + margin, left


def _left_out(ends: Sequence[tuple[float, float]]) -> int:
    """Return how many of (low, high) ranges, the lowest first, leave the others no room on one axis.

    At most half of them.
    """
    count = 0
    for i in range(1, len(ends) // 2 + 1):
        low, high = min(at[0] for at in ends[i:]), max(at[1] for at in ends[i:])
        if len(ends) > 2 and low - max(at[1] for at in ends[:i]) > 0.6 * (high - low):
            count = i
    return count


def by_row(summary: Summary) -> list[Picture]:
    """Return the measure of every row as a dot with its interval, a picture for each panel.

    For studies without x.
    """
    with drawing():
        look = looks(summary.all_series)
        out = []
        for place in summary.shown():
            found = [
                (row, n)
                for row in summary.rows
                if (n := row.number(summary.measure, place)) and math.isfinite(n.value)
            ][:_MOST_ROWS]
            entries = [
                (row_name(summary, row), _at(n, summary.unit), look[summary.series(row)]) for row, n in found
            ]
            if entries:
                words = f"{summary.measure} of each row in {panel_title(summary, place)}, with its interval"
                out.append(Picture(place, _dots(entries, f"{summary.measure}{_in(summary.unit)}"), words))
        return out


def _at(number: Number, unit: str) -> Point:
    scale = _scale(unit)
    return Point(0.0, number.value * scale, number.low * scale, number.high * scale)


def differences(summary: Summary) -> list[Picture]:
    """Return the differences from the baseline over all rows with their intervals, a picture a panel."""
    overall = [c for c in summary.comparisons if not c.axes and math.isfinite(c.difference)]
    scale = _scale(summary.unit)
    look = {row.line: looks(summary.all_series)[summary.series(row)] for row in summary.rows}
    with drawing():
        out = []
        for panel in distinct(c.panel for c in overall):
            here = [c for c in overall if c.panel == panel]
            entries = [
                (c.line, Point(0.0, c.difference * scale, c.low * scale, c.high * scale), look[c.line])
                for c in here
            ]
            figure = _dots(entries, f"difference from {summary.baseline}{_in(summary.unit)}", zero=True)
            out.append(Picture(panel, figure, "; ".join(_told(c, summary) for c in here)))
        return out


def _told(difference: Difference, summary: Summary) -> str:
    return f"{difference.line}: {signed(difference.difference, summary.unit)} in {difference.panel}"


def _dots(entries: Sequence[tuple[str, Point, Look]], label: str, *, zero: bool = False) -> Figure:
    names = ["\n".join(broken(one_line(name), LONGEST_NAME, " ,")) for name, _, _ in entries]
    figure, axes = new_figure(height_of(names), WIDE)
    axes.grid(visible=False)
    axes.grid(visible=True, axis="x")
    if zero:
        axes.axvline(0.0, color=MUTED, linewidth=1.0, zorder=1)
    low, high = _range([point for _, point, _ in entries], zero=zero)
    for i, (_, point, look) in enumerate(entries):
        if point.y < low:
            axes.text(low, i, f"← {point.y:.1f}".replace("-", "\u2212"), va="center", fontsize=8, color=MUTED)
        else:
            _bars(axes, [Point(float(i), point.y, point.low, point.high)], look, flat=True)
    axes.set_yticks(range(len(entries)), names, color=INK)
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.set_xlabel(short(label, 46))
    axes.set_xlim(low - (high - low) * 0.05, high + (high - low) * 0.05)
    return figure


def _range(there: Sequence[Point], *, zero: bool) -> tuple[float, float]:
    """Return the range that dots are drawn in, without those far below the others."""
    ends = sorted(
        ((point.low if math.isfinite(point.low) else point.y, max(point.y, point.high)) for point in there),
        key=lambda at: at[1],
    )
    ends = ends[_left_out(ends) :]
    values = [v for at in ends for v in at if math.isfinite(v)] + ([0.0] if zero else [])
    return min(values), max(max(values), min(values) + 1e-9)


def spectra(summary: Summary, found: Sequence[Curves]) -> list[tuple[Picture, Mapping[str, Look]]]:
    """Return a picture for each group of curves, with the looks of its lines for its legend."""
    out: list[tuple[Picture, Mapping[str, Look]]] = []
    by_line = looks(summary.all_series)
    with drawing():
        for curves in found:
            named = all(line in by_line for line in curves.lines)
            colours = ramp(len(curves.lines))
            look = {
                line: by_line[line] if named else Look(colours[i], "", "-")
                for i, line in enumerate(curves.lines)
            }
            figure, axes = new_figure(2.7)
            for line, (x, y) in curves.lines.items():
                axes.plot(
                    x,
                    [value if value > 0 else math.nan for value in y],
                    color=look[line].colour,
                    linestyle=look[line].dashes,
                    linewidth=1.3,
                )
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(_power)
            axes.set_xlabel("rank of the singular value")
            words = f"{curves.name} in {panel_title(summary, curves.panel)}: {', '.join(curves.lines)}"
            out.append((Picture(curves.panel, figure, words), look))
    return out


def classes(
    summary: Summary, found: Mapping[str, Mapping[str, Mapping[str, float]]], column: str
) -> list[Picture]:
    """Return a column of the per-class tables, a picture for each panel.

    A row for each class, a dot for each line.

    Where there are many classes, those with the lowest mean are shown.
    """
    look = looks(summary.all_series)
    out = []
    with drawing():
        for panel, values in found.items():
            names = list(values)
            if len(names) > _MOST_CLASSES:
                names = sorted(names, key=lambda name: _average(values[name]))[:_MOST_CLASSES]
            figure, axes = new_figure(0.7 + 0.21 * len(names), WIDE)
            axes.grid(visible=False)
            axes.grid(visible=True, axis="x")
            for i, name in enumerate(names):
                axes.axhline(i, color=GRID, linewidth=0.6, zorder=0)
                for series, value in values[name].items():
                    axes.plot(
                        [value * 100],
                        [i],
                        marker=look[series].marker,
                        color=look[series].colour,
                        linestyle="none",
                        alpha=0.9,
                    )
            axes.set_yticks(range(len(names)), [_tick(name) for name in names], color=INK)
            axes.set_ylim(len(names) - 0.4, -0.6)
            axes.set_xlabel(f"{column} in points")
            shown_of = (
                f", the {len(names)} lowest of {len(values)} classes" if len(names) < len(values) else ""
            )
            out.append(
                Picture(
                    f"{panel}{shown_of}",
                    figure,
                    f"{column} of each class in {panel_title(summary, panel)}{shown_of}",
                )
            )
    return out


def cost(summary: Summary, seconds: Mapping[str, float]) -> Picture:
    """Return the seconds of a trial by line."""
    look = looks(summary.all_series)
    with drawing():
        names = ["\n".join(broken(one_line(series), LONGEST_NAME, " ,")) for series in seconds]
        figure, axes = new_figure(height_of(names), WIDE)
        axes.grid(visible=False)
        axes.barh(
            range(len(seconds)),
            list(seconds.values()),
            height=0.55,
            color=[look[series].colour for series in seconds],
        )
        for i, value in enumerate(seconds.values()):
            axes.annotate(
                f"{value:.3g} s",
                (value, i),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color=INK,
            )
        axes.set_yticks(range(len(seconds)), names, color=INK)
        axes.set_ylim(len(seconds) - 0.5, -0.5)
        axes.set_xlim(0, max(seconds.values()) * 1.2 or 1.0)
        axes.set_xlabel("seconds a trial")
    words = ", ".join(f"{series}: {value:.3g} s" for series, value in seconds.items())
    return Picture("seconds a trial", figure, f"Mean seconds of a trial: {words}")


def _tick(name: str) -> str:
    """Return a name cut at a word, or anywhere where its first word is too long."""
    return textwrap.shorten(one_line(name), LONGEST_NAME, placeholder="…") or name[:LONGEST_NAME]


def _power(value: float, _: object = None) -> str:
    """Return a power of ten as a tick; no text for what lies between."""
    power = round(math.log10(value))
    return f"10{str(power).translate(_RAISED)}" if math.isclose(value, 10.0**power) else ""


def _average(lines: Mapping[str, float]) -> float:
    known = [value for value in lines.values() if math.isfinite(value)]
    return sum(known) / len(known) if known else math.inf


def _scale(unit: str) -> float:
    return 100.0 if unit == "fraction" else 1.0


def _in(unit: str) -> str:
    return {"fraction": " in points", "nats": " in nats", "s": " in s"}.get(unit, "")
