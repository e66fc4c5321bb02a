"""What has to be known to read the tables of a study, in sentences. Light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from burnish.report.summary import Number, Summary, distinct, options_of

_REDRAWN: Final = (
    "A replicate redraws train and validation (by group), label noise, initialisation and order; test sets"
    " are fixed."
)
_GIVEN: Final = (
    "They hold for the backbones at hand: how much another pre-training would change them is not in the"
    " interval."
)


def caption(
    summary: Summary, choices: Mapping[str, Mapping[str, Any]], numeric: Mapping[str, Any]
) -> list[str]:
    """Return what has to be known to read the tables.

    Measure, intervals and what is not in them, selection, numeric mode.
    """
    sentences = [
        f"{_REDRAWN} {_points(summary)}".strip(),
        _intervals(summary),
        _differences(summary),
        _views(summary),
        _advice(summary),
        _tuned(choices),
        f"Numeric mode: {numeric_mode(numeric)}." if numeric else "",
    ]
    return [sentence for sentence in sentences if sentence]


def _intervals(summary: Summary) -> str:
    """Say how intervals were made, or why there are none."""
    sample = _sample(summary)
    if sample is None:
        return ""
    how = sample.how.partition("; mean of")[0]
    if "no interval" in how:
        return f"{how[0].upper()}{how[1:]}."
    half = " After ± stands half of an interval's width." if summary.xs and _alone(summary) else ""
    return f"Intervals: {how}.{half}"


def _sample(summary: Summary) -> Number | None:
    """Return a number of the first panel that has one."""
    found = (summary.sample(place) for place in summary.shown())
    return next((number for number in found if number), None)


def _differences(summary: Summary) -> str:
    """Say how differences from the baseline were made."""
    if not summary.comparisons:
        return ""
    sample = _sample(summary)
    by = "replicate and test group" if sample and "test groups" in sample.how else "replicate"
    paired = (
        f"Differences from {summary.baseline} are paired by {by}; p-values are corrected by Holm within the"
        " table."
    )
    return f"{paired} {_GIVEN}" if _several(summary) else paired


def _views(summary: Summary) -> str:
    """Say which lines train on several fixed views of an item."""
    parts = []
    for count, names in _by_views(summary).items():
        verb = "trains" if len(names) == 1 else "train"
        parts.append(f"{', '.join(names)} {verb} on {count}")
    if not parts:
        return ""
    return (
        f"Fixed views of each item: {'; '.join(parts)}. They are drawn once: all replicates share them, and"
        " no interval is about them."
    )


def _tuned(choices: Mapping[str, Mapping[str, Any]]) -> str:
    """Say what options were chosen on."""
    if not choices:
        return ""
    counts = sorted({len(choice["candidates"]) for choice in choices.values()})
    return (
        f"Options were chosen on validation, labels as observed (noise and all): {'-'.join(map(str, counts))}"
        " settings each. No test set was seen."
    )


def _by_views(summary: Summary) -> dict[int, list[str]]:
    """Return the lines that train on several views of an item, by how many."""
    found: dict[int, list[str]] = {}
    for row in summary.rows:
        if row.views > 1 and row.line not in (names := found.setdefault(row.views, [])):
            names.append(row.line)
    return found


def _advice(summary: Summary) -> str:
    """Say, in one line, what there is nothing to compare with, and how to add it."""
    parts = list(summary.advice)
    if not summary.baseline:
        another = "" if len({row.line for row in summary.rows}) > 1 else f"a second {summary.lines} and "
        parts.append(f"No baseline: add {another}-s report.baseline=NAME.")
    return " ".join(parts)


def numeric_mode(numeric: Mapping[str, Any]) -> str:
    """Return ``"cpu, float32, 2 threads, torch 2.15.0"``."""
    threads = (
        f"{numeric['threads']} thread{'s' if numeric['threads'] != 1 else ''}" if "threads" in numeric else ""
    )
    torch = f"torch {numeric['torch']}" if numeric.get("torch") else ""
    return ", ".join(
        part
        for part in (str(numeric.get("device", "")), str(numeric.get("dtype", "")), threads, torch)
        if part
    )


def _several(summary: Summary) -> bool:
    return any(len(summary.behind(series, x)) > 1 for series in summary.all_series for x in summary.xs)


def _alone(summary: Summary) -> bool:
    return any(len(summary.behind(series, x)) == 1 for series in summary.all_series for x in summary.xs)


def _points(summary: Summary) -> str:
    """Say what several numbers in a cell are."""
    if not summary.xs or not _several(summary):
        return ""
    what = " and ".join(repeated(summary)) or "row"
    return (
        f"A cell with several numbers has one for each {what}, without an interval: they are too few to make"
        " one."
    )


def repeated(summary: Summary) -> list[str]:
    """Return the options that differ between rows that share a cell, such as ``["backbone seed"]``."""
    key = summary.x.partition(".")[0]
    names: list[str] = []
    for series in summary.all_series:
        for x in summary.xs:
            labels = [row.axes.get(key, "") for row in summary.behind(series, x)]
            options = [options_of(label) for label in labels]
            names += [
                name
                for name in distinct(n for o in options for n in o)
                if len({o.get(name) for o in options}) > 1
            ]
    return [f"{key} {name}" for name in distinct(names)]
