"""The report of a study.

One HTML file with everything in it, no script, no request to anywhere, light and dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.engine.folder import PLAN, REPORT
from burnish.engine.store import Record
from burnish.errors import one_line
from burnish.files import write_atomic
from burnish.report import assessments, figures, pictures
from burnish.report.answer import answer, leaders
from burnish.report.canvas import Picture
from burnish.report.caption import caption, numeric_mode
from burnish.report.formatting import interval, probability, shown, signed, unit_name
from burnish.report.study import Study
from burnish.report.style import THEMES, Look, looks
from burnish.report.svg import inline, mark
from burnish.report.tables import comparison, failures, results, tuning

if TYPE_CHECKING:
    from markupsafe import Markup


@dataclass(frozen=True)
class Group:
    """Pictures that stand beside each other under one legend.

    Attributes:
        title: heading; empty for none.
        text: how to read them.
        legend: (sign, name) pairs.
        pictures: (title, svg) pairs.
    """

    title: str
    text: str
    legend: tuple[tuple[Markup, str], ...]
    pictures: tuple[tuple[str, Markup], ...]


def write_report(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a finished study and return its path.

    Args:
        folder: the study's folder.
        out: the file; ``report.html`` in the study's folder where None.

    Raises:
        StoreError: there is no finished study in the folder.
        MachineError: the file cannot be written.
    """
    path = out or folder / REPORT
    write_atomic(path, render_report(Study(folder)).encode("utf-8", "replace"))
    return path


def render_report(study: Study) -> str:
    """Return the report of a study as HTML; sections for which the study has nothing are not there."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("burnish.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(words=_words, minus=_minus, numbers=_numbers)
    return environment.get_template("report.html.j2").render(_content(study))


def _content(study: Study) -> dict[str, Any]:
    said = study.assessment_overviews
    findings, more = assessments.tables(said)
    summary, records = study.results, study.trials(extras=True)
    look = looks(summary.all_series)
    return {
        "name": one_line(study.name),
        "measure": summary.measure,
        "x": summary.x if summary.xs else "",
        "themes": THEMES,
        "subtitle": _subtitle(study, records),
        "answer": answer(summary),
        "tiles": _tiles(study),
        "signs": {series: _svg(mark(one)) for series, one in look.items()},
        "results": results(summary),
        "caption": caption(summary, study.choices, study.numeric),
        "comparison": comparison(summary),
        "by_row": _comparisons_by_row(study),
        "groups": _groups(study, records),
        "assessments": assessments.overview(said),
        "assessment_tables": findings,
        "more_assessment_tables": more,
        "tuning": tuning(study.choices),
        "candidates": _candidates(study),
        "roles": _roles(study),
        "failures": failures(summary),
        "notes": study.notes,
        "plan": study.plan,
        "facts": _facts(study, records),
        "commands": _commands(study),
    }


# -- head ----------------------------------------------------------------------------------------------------


def _subtitle(study: Study, records: Sequence[Record]) -> str:
    rows, spent = len(study.results.rows), sum(record.seconds for record in records)
    took = f"{spent / 60:.0f} minutes" if spent >= 120 else f"{spent:.1f} s"
    return (
        f"{rows} row{'s' if rows != 1 else ''} x {study.results.replicates} = {len(records)} trials, {took}"
        " of training and measuring"
    )


def _tiles(study: Study) -> list[dict[str, str]]:
    """Return, for each panel, the line with the best mean and how far it is from the baseline."""
    summary = study.results
    overall = {(c.line, c.panel): c for c in summary.comparisons if not c.axes}
    tiles = []
    for panel, (name, value) in list(leaders(summary).items())[:4] if len(summary.all_series) > 1 else ():
        line = next((row.line for row in summary.rows if summary.series(row) == name), name)
        difference = overall.get((line, panel))
        against = ""
        if difference:
            at = "" if difference.verdict == "unknown" else f" {interval(difference, summary.unit)}"
            against = f"{signed(difference.difference, summary.unit)}{at} from {summary.baseline}"
        if line in {row.line for row in summary.rows if summary.is_baseline(row)}:
            against = "the baseline"
        words = {"open": "not told apart", "unknown": "no interval"}
        verdict = words.get(difference.verdict, f"p {probability(difference.p_holm)}") if difference else ""
        unit = unit_name(summary.unit).split(" ")[0]
        tiles.append(
            {
                "panel": panel,
                "line": name,
                "value": shown(value, summary.unit),
                "unit": unit,
                "against": against,
                "verdict": verdict,
            }
        )
    return tiles


# -- figures -------------------------------------------------------------------------------------------------


def _groups(study: Study, records: Sequence[Record]) -> dict[str, list[Group]]:
    """Return the figures of each section, none where there is nothing to draw."""
    summary = study.results
    cost = pictures.seconds(summary)
    sections = {
        "along": _measured(study),
        "differences": [_group("", "", {}, figures.differences(summary), "d")],
        "classes": _classes(study, records),
        "spectra": _spectra(study, records),
        "cost": (
            [_group("", "", {}, [figures.cost(summary, cost)], "t")]
            if any(cost.values()) and len(cost) > 1
            else []
        ),
    }
    return {name: [group for group in groups if group.pictures] for name, groups in sections.items()}


def _measured(study: Study) -> list[Group]:
    summary = study.results
    look = looks(summary.all_series)
    if len(summary.rows) < 2:
        return []
    if not summary.xs:
        text = f"{summary.measure} of each row with its 95 % interval."
        return [_group("", text, look if len(summary.rows) > len(look) else {}, figures.by_row(summary), "r")]
    several = any(len(summary.behind(series, x)) > 1 for series in summary.all_series for x in summary.xs)
    dots = (
        "A line goes through the means; hollow dots are the single rows behind them."
        if several
        else "Bars are 95 % intervals."
    )
    scale = "All pictures have the same scale, at different heights."
    groups = [_group("", f"{dots} {scale}", look, figures.along_x(summary, summary.shown(), wide=True), "p")]
    splits = summary.splits()
    if splits != summary.shown() and len(splits) > len(summary.shown()):
        groups.append(
            _group(
                "Each test set", f"{dots} {scale}", look, figures.along_x(summary, splits, wide=False), "s"
            )
        )
    return groups


def _classes(study: Study, records: Sequence[Record]) -> list[Group]:
    found = pictures.per_class(study.results, records, "recall")
    look = looks(study.results.all_series)
    text = (
        "Share of each class's test items that are found (recall), mean over rows, replicates and the panel's"
        " test sets."
    )
    return [_group("", text, look, figures.classes(study.results, found, "recall"), "k")]


def _spectra(study: Study, records: Sequence[Record]) -> list[Group]:
    found = pictures.curves(study.results, records)
    groups = []
    for number, name in enumerate(dict.fromkeys(curves.name for curves in found)):
        drawn = figures.spectra(study.results, [curves for curves in found if curves.name == name])
        look = {line: one for _, lines in drawn for line, one in lines.items()}
        what = (
            "the embeddings that each tuner's last layer reads"
            if name.startswith(pictures.TUNER)
            else "the backbone's features"
        )
        by = study.results.lines if name.startswith(pictures.TUNER) else study.results.x or "backbone"
        text = f"Curves “{one_line(name)}” of {what}, by {one_line(by)}; means over rows and replicates."
        groups.append(_group("", text, look, [picture for picture, _ in drawn], f"v{number}"))
    return groups


def _group(title: str, text: str, look: Mapping[str, Look], drawn: Iterable[Picture], prefix: str) -> Group:
    legend = tuple((_svg(mark(one)), name) for name, one in look.items())
    shown_ = tuple(
        (picture.title, _svg(inline(picture.figure, picture.words, f"{prefix}{i}-")))
        for i, picture in enumerate(drawn)
    )
    return Group(title, text, legend, shown_)


def _svg(text: str) -> Markup:
    from markupsafe import Markup

    # Made here, from parts that are escaped already.
    return Markup(text)  # noqa: S704


# -- details -------------------------------------------------------------------------------------------------


def _comparisons_by_row(study: Study) -> list[tuple[str, ...]]:
    summary = study.results
    single = [c for c in summary.comparisons if c.axes]
    varying = [axis for axis in summary.axes if axis != summary.lines]
    if len({tuple(c.axes.items()) for c in single}) < 2:
        return []
    return [
        (
            c.line,
            c.panel,
            ", ".join(c.axes.get(axis, "") for axis in varying),
            signed(c.difference, summary.unit),
            interval(c, summary.unit),
            probability(c.p_holm),
        )
        for c in single
    ]


def _candidates(study: Study) -> list[dict[str, Any]]:
    """Return what every setting of every choice reached on validation."""
    from burnish.report.tables import settings

    return [
        {
            "text": choice["text"],
            "candidates": [
                {
                    "settings": settings(candidate["options"]),
                    "value": candidate["error"] or shown(_number(candidate["value"]), study.results.unit),
                    "chosen": candidate["options"] == choice["options"],
                }
                for candidate in choice["candidates"]
            ],
        }
        for choice in study.choices.values()
    ]


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _roles(study: Study) -> list[tuple[str, str, str]]:
    """Return who saw which labels: (split, its labels, what it was used for)."""
    summary = study.results
    models = list(dict.fromkeys(row.axes.get("noise", "none") for row in summary.rows))
    noisy = [model for model in models if model != "none"]
    labels = (
        f"as observed: with {', '.join(noisy)}"
        if noisy
        else "as observed: no noise added to what the source gives"
    )
    if noisy and len(noisy) < len(models):
        labels += ", or without noise"
    rates = {
        place: number for row in summary.rows for place, number in row.numbers.get("noise-rate", {}).items()
    }
    rate = (
        {place: f" (realised rate {shown(number.value, 'fraction')} %)" for place, number in rates.items()}
        if len(noisy) == len(models) == 1
        else {}
    )
    selected = "choosing tuned options; never training" if study.choices else "nothing: no option was tuned"
    sets = ", ".join(split.removeprefix("test:") for split in summary.splits()) or "test sets"
    return [
        ("train", labels + rate.get("train", ""), "training"),
        ("validation", labels + rate.get("validation", ""), selected),
        (f"test ({sets})", "clean: as the source gives them, never corrupted", "measuring alone"),
    ]


def _facts(study: Study, records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return versions and machine."""
    plugins = dict(
        sorted({name: version for record in records for name, version in record.versions.items()}.items())
    )
    facts = [("numeric mode", numeric_mode(study.numeric)), *study.environment.items()]
    return [
        (name, value)
        for name, value in [*facts, *((f"plugin {name}", version) for name, version in plugins.items())]
        if value
    ]


def _commands(study: Study) -> list[str]:
    """Return the commands that make the study again.

    The one that made it, and one that needs this folder alone.
    """
    return [*([study.command] if study.command else []), f"burnish run {PLAN} --out again"]


# -- filters -------------------------------------------------------------------------------------------------


def _words(text: str) -> Markup:
    """Return a sentence of the answer with names between backticks set as names."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]*)`", r"<b>\1</b>", str(escape(text))))  # noqa: S704 - escaped


def _minus(text: str) -> str:
    """Return a number with the minus sign of typography."""
    return re.sub(r"(?<![\w.])-(?=\d)", "\u2212", text)


def _numbers(cell: str) -> Markup:
    """Return a cell with numbers; several points stand apart."""
    from markupsafe import Markup, escape

    parts = [escape(_minus(part)) for part in cell.split(" ")]
    several = len(parts) > 1 and all(re.fullmatch(r"-|-?[\d.,]+", part) for part in cell.split(" "))
    return Markup('<span class="point"></span>').join(parts) if several else escape(_minus(cell))
