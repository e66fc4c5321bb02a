"""What a study says, in a few plain sentences made from its numbers. Light.

A difference is called one only where its interval excludes 0 and its corrected p-value is below 0.05;
anything else is "not told apart".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from burnish.errors import one_line
from burnish.report.formatting import from_to, interval, mean, probability, shown, signed, x_name
from burnish.report.summary import Difference, Number, Summary, distinct
from burnish.report.tables import means, replicates

_MOST = 4
_PLURALS = {"loss": "losses", "noise": "noise models", "data": "data sets", "assess": "assessors"}
_WORDS = {"fraction": " points", "nats": " nats", "s": " s", "count": "", "B": "", "1": ""}


def answer(summary: Summary) -> list[str]:
    """Return the answer's sentences; none where nothing was measured."""
    sample = next((n for place in summary.shown() if (n := summary.sample(place))), None)
    if sample is None:
        return []
    parts = [
        _scope(summary),
        *_single(summary),
        *_best(summary, sample),
        *_against(summary),
        *_along(summary),
        *_limits(summary),
    ]
    return [part for part in parts if part]


def _scope(summary: Summary) -> str:
    lines, rows = len(summary.all_series), len(summary.rows)
    compared = (
        f"{lines} {_PLURALS.get(summary.lines, summary.lines + 's')}" if lines > 1 else f"One {summary.lines}"
    )
    xs = _values(summary)
    over = (
        f" at {len(xs)} values of {named(summary.x)}{' and without it' if None in summary.xs else ''}"
        if len(summary.xs) > 1
        else ""
    )
    return (
        f"{compared}{over}: {rows} row{'s' if rows != 1 else ''}, {replicates(summary)} each, measured by"
        f" {named(summary.measure)}."
    )


def _single(summary: Summary) -> list[str]:
    """Say the numbers of a study of one row."""
    if len(summary.rows) != 1:
        return []
    found = [(place, summary.rows[0].number(summary.measure, place)) for place in summary.shown()]
    parts = [
        f"{from_to(number)}{_WORDS[number.unit]} in {quoted(place)}" for place, number in found if number
    ]
    return [f"{named(summary.rows[0].line)}: {some(parts)}, with 95 % intervals."] if parts else []


def leaders(summary: Summary) -> dict[str, tuple[str, float]]:
    """Return the line with the best mean in each panel, of those that have every row.

    Nothing where no direction is better.
    """
    sample = summary.sample()
    if sample is None or sample.better == "none":
        return {}
    pick = max if sample.better == "up" else min
    found = {place: means(summary, place) for place in summary.shown()}
    best = {place: pick(values, key=lambda name: values[name]) for place, values in found.items() if values}
    return {place: (name, found[place][name]) for place, name in best.items()}


def _best(summary: Summary, sample: Number) -> list[str]:
    best = leaders(summary)
    if not best or len(summary.all_series) < 2:
        return []
    word = "highest" if sample.better == "up" else "lowest"
    rows = " over all rows" if summary.xs or len(summary.rows) > len(summary.all_series) else ""
    names = distinct(name for name, _ in best.values())
    if len(names) == 1:
        at = joined(
            [
                f"{shown(value, sample.unit)}{_WORDS[sample.unit]} in {quoted(place)}"
                for place, (_, value) in best.items()
            ]
        )
        return [f"{named(names[0])} has the {word} mean{rows}: {at}."]
    parts = [
        f"in {quoted(place)} it is {named(name)} ({shown(value, sample.unit)}{_WORDS[sample.unit]})"
        for place, (name, value) in best.items()
    ]
    return [f"Which {summary.lines} has the {word} mean{rows} depends on the test data: {joined(parts)}."]


def _against(summary: Summary) -> list[str]:
    """Say which lines differ from the baseline, and which do not, panel by panel."""
    overall = [c for c in summary.comparisons if not c.axes]
    lines = []
    for panel in distinct(c.panel for c in overall):
        leader = _leader(summary, panel)
        here = [c for c in overall if c.panel == panel]
        parts = [_difference(summary, c) for c in here if c.line == leader]
        parts += _others(summary, [c for c in here if c.line != leader])
        parts += _mixed(summary, panel)
        lines.append(f"In {quoted(panel)}, {'; '.join(parts)}.")
    return lines


def _others(summary: Summary, comparisons: Sequence[Difference]) -> list[str]:
    """Say of lines that do not lead how they stand to the baseline, those of one verdict together."""
    baseline = named(summary.baseline)
    parts = []
    for verdict in ("above", "below", "open", "unknown"):
        names = [named(c.line) for c in comparisons if c.verdict == verdict]
        if not names:
            continue
        listed, verb = some(names), "is" if len(names) == 1 else "are"
        sentences = {
            "above": f"{listed} {verb} higher than {baseline}",
            "below": f"{listed} {verb} lower than {baseline}",
            "open": f"{listed} cannot be told from {baseline}",
            "unknown": f"for {listed} there is no interval of the difference",
        }
        parts.append(sentences[verdict])
    return parts


def _mixed(summary: Summary, panel: str) -> list[str]:
    """Say of which lines the mean over all rows hides something.

    They are above the baseline in some rows and below it in others.
    """
    single = [c for c in summary.comparisons if c.axes and c.panel == panel]
    parts = []
    for line in distinct(c.line for c in single):
        verdicts = [c.verdict for c in single if c.line == line]
        above, below = verdicts.count("above"), verdicts.count("below")
        if above and below:
            parts.append(
                f"row by row, {named(line)} is higher than {named(summary.baseline)} in {above} and lower in"
                f" {below} of {len(verdicts)} rows"
            )
    return parts


def _leader(summary: Summary, panel: str) -> str:
    name = leaders(summary).get(panel, ("", 0.0))[0]
    return next((row.line for row in summary.rows if summary.series(row) == name), "")


def _difference(summary: Summary, difference: Difference) -> str:
    unit = summary.unit
    by, at = signed(difference.difference, unit), interval(difference, unit)
    if difference.verdict == "unknown":
        return (
            f"{named(difference.line)} is {by}{_WORDS[unit]} from {named(summary.baseline)}, with no interval"
            " to judge it by"
        )
    figures = f"{by}{_WORDS[unit]}, 95 % interval {at}, corrected p {probability(difference.p_holm)}"
    if difference.verdict == "open":
        return f"{named(difference.line)} and {named(summary.baseline)} cannot be told apart ({figures})"
    return (
        f"{named(difference.line)} is {'higher' if difference.verdict == 'above' else 'lower'} than"
        f" {named(summary.baseline)} ({figures})"
    )


def _along(summary: Summary) -> list[str]:
    """Say how the leading line and the baseline change from the first x to the last, where x is a number.

    Words lead from nowhere to nowhere.
    """
    xs = _values(summary)
    if len(xs) < 2 or any(isinstance(x, bool) or not isinstance(x, int | float) for x in xs):
        return []
    first, last = xs[0], xs[-1]
    of_baseline = [summary.series(row) for row in summary.rows if summary.is_baseline(row)]
    wanted = distinct([name for name, _ in leaders(summary).values()] + of_baseline)
    parts: list[str] = []
    for place in summary.shown():
        changes: list[str] = []
        for series in wanted[:2]:
            start = shown(_mean_at(summary, series, first, place), summary.unit)
            end = shown(_mean_at(summary, series, last, place), summary.unit)
            goes = "" if changes else "goes "
            changes.append(f"{named(series)} {goes}from {start} to {end}")
        if changes:
            parts.append(f"{'; in' if parts else 'in'} {quoted(place)} {joined(changes)}")
    return [f"From {named(summary.x)} {x_name(first)} to {x_name(last)}, {''.join(parts)}."] if parts else []


def _mean_at(summary: Summary, series: str, x: object, place: str) -> float:
    """Return the mean of a line's rows at an x."""
    numbers = [row.number(summary.measure, place) for row in summary.behind(series, x)]
    return mean([number.value for number in numbers if number])


def _values(summary: Summary) -> list[Any]:
    """Return the values of x, without the dash of rows that have none."""
    return [x for x in summary.xs if x is not None]


def _limits(summary: Summary) -> list[str]:
    lines = []
    failed = sum(
        number.missing
        for row in summary.rows
        for number in [row.number(summary.measure, summary.shown()[0])]
        if number and row.errors
    )
    if failed:
        lines.append(
            f"{failed} trial{'s' if failed != 1 else ''} could not be trained and"
            f" {'are' if failed != 1 else 'is'} left out."
        )
    incomplete = [
        series
        for series in summary.all_series
        if any(series not in means(summary, place) for place in summary.shown())
    ]
    if incomplete:
        lines.append(
            f"{some(list(map(named, incomplete)))}: not every row has a value, so no mean over all rows is"
            " given."
        )
    return lines


def some(parts: Sequence[str]) -> str:
    """Return a list in words, of its first ones where it is long."""
    return joined(parts if len(parts) <= _MOST + 1 else [*parts[:_MOST], f"{len(parts) - _MOST} more"])


def quoted(place: str) -> str:
    """Return a panel's name in quotation marks."""
    return f"“{one_line(place)}”"


def named(name: str) -> str:
    """Return the name of a component or option between backticks.

    So ``nothing`` does not read as a word.
    """
    return "`" + one_line(name).replace("`", "'") + "`"


def joined(parts: Sequence[str]) -> str:
    """Return ``"a, b and c"``."""
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)
