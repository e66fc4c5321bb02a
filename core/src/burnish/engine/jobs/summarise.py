"""The summarise job.

Rows over their replicates with intervals, panels of splits, and paired differences from a baseline.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.engine.jobs.compare import Compared, compare
from burnish.engine.jobs.statistics import DRAWS, MOST_UNITS, Bootstrap, Ratio, fold, interval
from burnish.errors import RecipeError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.engine.store import Record, StoredMeasure
    from burnish.plan import Plan, ReportSpec, Row

Place = tuple[str, str]
"""A measure's name and its split."""


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A summarised number of one row with its draws."""

    values: list[float]
    draws: NDArray[np.float64]
    how: str
    sample: StoredMeasure
    units: int
    """Test groups that were resampled, 0 for none."""

    def number(self) -> dict[str, Any]:
        low, high = interval(self.draws)
        known = [v for v in self.values if math.isfinite(v)]
        return {
            "value": float(np.mean(known)) if known else math.nan,
            "low": low,
            "high": high,
            "values": self.values,
            "n": self.sample.n,
            "unit": self.sample.unit,
            "better": self.sample.better,
            "how": self.how,
            "note": self.sample.how,
        }


def summarise(plan: Plan, records: Mapping[str, Record]) -> dict[str, Any]:
    """Return the summary of a study as JSON values.

    Args:
        plan: the plan.
        records: finished trials by key, with terms.

    Returns:
        ``measure`` (the table's), ``panels`` (name -> splits), ``rows`` (per planned: axes, x, line, views,
        tuned options, seconds, errors, ``numbers``: measure name -> split or panel -> number with value, low,
        high, per-replicate values, how), ``comparisons`` (per panel and line: paired difference from the
        baseline over all rows, and per row), ``advice`` (the plan's), ``units`` and ``draws``.

    Raises:
        RecipeError: the report names a measure or a split that no trial has.
    """
    rows = [
        [records.get(plan.measure_key(trial)) for trial in plan.trials_of(planned)] for planned in plan.rows
    ]
    measured = [m for row in rows for record in row if record for m in record.measures]
    check_names(plan.report, (record for row in rows for record in row if record))
    boot, column = _bootstrap(plan.replicates, measured)
    panels = _panels(plan, measured)
    measure = plan.report.measure or next((m.name for m in measured), "")
    described: list[dict[str, Any]] = []
    kept: list[Compared] = []
    for planned, row in zip(plan.rows, rows, strict=True):
        drawn = _row(row, boot, column)
        _add_panels(drawn, panels)
        described.append(_describe(plan, planned, row, drawn))
        # Only what comparisons need is kept: the draws of a whole study would be hundreds of megabytes.
        kept.append(_compared(planned.axes(), drawn, measure, panels))
    return {
        "measure": measure,
        "panels": {name: list(splits) for name, splits in panels.items()},
        "x": plan.report.x,
        "lines": plan.report.lines,
        "baseline": plan.report.baseline,
        "replicates": plan.replicates,
        "advice": list(plan.advice),
        "units": boot.units,
        "draws": DRAWS,
        "rows": described,
        "comparisons": (
            compare(kept, list(panels), lines=plan.report.lines, baseline=plan.report.baseline)
            if plan.report.baseline
            else []
        ),
    }


def check_names(report: ReportSpec, records: Iterable[Record]) -> None:
    """Check the names that a report has for what trials measure, which only trials tell.

    Where none could be measured, nothing is checked.

    Raises:
        RecipeError: there is no such measure, or it has no such split.
    """
    measured = [m for record in records if not record.error for m in record.measures]
    if not measured:
        return
    _check_name("measure", report.measure or measured[0].name, list(dict.fromkeys(m.name for m in measured)))
    splits = list(dict.fromkeys(m.split for m in measured if m.name == (report.measure or measured[0].name)))
    for split in (name for members in (report.panels or {}).values() for name in members):
        _check_name("panels", split, splits)


def _check_name(entry: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        what = (
            f"no trial has the {'measure' if entry == 'measure' else 'test set'} {name!r}."
            f" {suggestion(name, known)}".strip()
        )
        todo = "Trials that are finished are kept: mend it, and run the same command again"
        raise RecipeError(what, where=f"report, {entry}", possible=", ".join(known), todo=todo)


def compare_again(
    summary: Mapping[str, Any], records: Iterable[Record], *, measure: str, baseline: str
) -> list[dict[str, Any]]:
    """Return the comparisons of a summarised study for another measure or baseline, with the same draws.

    Args:
        summary: the study's summary; its panels are compared.
        records: the study's trials, with terms.
        measure: which measure.
        baseline: text or component name of the line the others are compared with.
    """
    by_axes: dict[tuple[tuple[str, str], ...], list[Record | None]] = {}
    measured = []
    for record in records:
        measured += list(record.measures)
        row = by_axes.setdefault(tuple(sorted(record.axes.items())), [None] * summary["replicates"])
        row[record.replicate] = replace(
            record, measures=tuple(m for m in record.measures if m.name == measure)
        )
    boot, column = _bootstrap(summary["replicates"], measured)
    panels, rows = summary["panels"], []
    for described in summary["rows"]:
        drawn = _row(by_axes.get(tuple(sorted(described["axes"].items())), []), boot, column)
        _add_panels(drawn, panels)
        rows.append(_compared(described["axes"], drawn, measure, panels))
    return compare(rows, list(panels), lines=summary["lines"], baseline=baseline)


def _bootstrap(replicates: int, measured: Sequence[StoredMeasure]) -> tuple[Bootstrap, dict[int, int]]:
    column = fold([int(u) for m in measured if m.terms for u in _terms(m)[0]])
    return Bootstrap(replicates, len(set(column.values()))), column


def _compared(
    axes: Mapping[str, str], drawn: Mapping[Place, _Drawn], measure: str, panels: Iterable[str]
) -> Compared:
    there = {panel: drawn[measure, panel] for panel in panels if (measure, panel) in drawn}
    values, draws = (
        {panel: n.values for panel, n in there.items()},
        {panel: n.draws for panel, n in there.items()},
    )
    return Compared(axes, values, draws, {panel: n.units for panel, n in there.items()})


def _terms(measure: StoredMeasure) -> NDArray[np.float64]:
    return np.frombuffer(measure.terms or b"", dtype="<f8").reshape(3, -1)


def _row(row: Sequence[Record | None], boot: Bootstrap, column: Mapping[int, int]) -> dict[Place, _Drawn]:
    """Return the drawn numbers of one row, in the order of its measures."""
    by_place = _by_place(row)
    with_units = _ratios(by_place, boot, column)
    others = [place for place in by_place if place not in with_units]
    out: dict[Place, _Drawn] = {}
    if with_units:
        draws = boot.ratios(list(with_units.values()))
        for number, (place, ratio) in enumerate(with_units.items()):
            out[place] = _drawn(by_place[place], draws[:, number], boot, ratio.units())
    if others:
        draws = boot.means(np.array([_values(by_place[place]) for place in others]))
        if boot.replicates == 1:
            draws = np.full_like(draws, np.nan)  # one number has no interval
        for number, place in enumerate(others):
            out[place] = _drawn(by_place[place], draws[:, number], boot, 0)
    return {place: out[place] for place in by_place}


def _by_place(row: Sequence[Record | None]) -> dict[Place, list[StoredMeasure | None]]:
    """Return a row's measures by name and split, one a replicate."""
    by_place: dict[Place, list[StoredMeasure | None]] = {}
    for replicate, record in enumerate(row):
        for measure in record.measures if record else ():
            place = (measure.name, measure.split)
            by_place.setdefault(place, [None] * len(row))[replicate] = measure
    return by_place


def _ratios(
    by_place: Mapping[Place, Sequence[StoredMeasure | None]], boot: Bootstrap, column: Mapping[int, int]
) -> dict[Place, Ratio]:
    """Return the numbers whose test groups can be resampled beside the replicates."""
    found: dict[Place, Ratio] = {}
    for place, measures in by_place.items():
        if not boot.units or any(measure and not measure.terms for measure in measures):
            continue
        ratio = _ratio(measures, boot, column)
        # A single group, drawn over and over, is always the same: only replicates are left to tell how sure a
        # number is.
        if ratio.units() > 1:
            found[place] = ratio
    return found


def _drawn(
    measures: Sequence[StoredMeasure | None], draws: NDArray[np.float64], boot: Bootstrap, units: int
) -> _Drawn:
    """Return a number with its draws; none of its test groups were resampled where `units` is 0."""
    sample = next(measure for measure in measures if measure)
    return _Drawn(_values(measures), draws, _how(boot, bool(units)), sample, units)


def _values(measures: Sequence[StoredMeasure | None]) -> list[float]:
    return [m.value if m else math.nan for m in measures]


def _ratio(measures: Sequence[StoredMeasure | None], boot: Bootstrap, column: Mapping[int, int]) -> Ratio:
    numerator, denominator = np.zeros((len(measures), boot.units)), np.zeros((len(measures), boot.units))
    for replicate, measure in enumerate(measures):
        if measure:
            units, top, bottom = _terms(measure)
            columns = np.array([column[int(u)] for u in units], dtype=np.int64)
            np.add.at(numerator[replicate], columns, top)
            np.add.at(denominator[replicate], columns, bottom)
    return Ratio(numerator, denominator)


def _how(boot: Bootstrap, with_units: bool) -> str:
    kind = "blocks of test groups" if boot.units == MOST_UNITS else "test groups"
    folded = f"{boot.units:,} {kind}"
    if boot.replicates > 1:
        beside = f" and {folded} together" if with_units else ""
        return f"95 % percentile bootstrap over {boot.replicates} replicates{beside}, {boot.draws:,} draws"
    if with_units:
        return f"95 % percentile bootstrap over {folded}, {boot.draws:,} draws; one replicate"
    return "one replicate: no interval"


def _panels(plan: Plan, measured: Sequence[StoredMeasure]) -> dict[str, tuple[str, ...]]:
    if plan.report.panels:
        return {name: tuple(splits) for name, splits in plan.report.panels.items()}
    seen = {m.split for m in measured if m.split.startswith("test")}
    return {split: (split,) for split in sorted(seen, key=lambda split: (split != "test", split))}


def _add_panels(row: dict[Place, _Drawn], panels: Mapping[str, tuple[str, ...]]) -> None:
    """Add to a row the mean over the splits of each panel that the row has.

    Data that leaves one style out has a test set that other data lacks.
    """
    for name in {name for name, _ in row}:
        for panel, splits in panels.items():
            parts = [row[name, split] for split in splits if (name, split) in row]
            if panel in splits or (name, panel) in row or not parts:
                continue
            values = np.mean([m.values for m in parts], axis=0).tolist()
            draws = np.mean([m.draws for m in parts], axis=0)
            count = f"{len(parts)} of {len(splits)}" if len(parts) < len(splits) else str(len(parts))
            how = _how_together(parts)
            if len(splits) > 1:
                how += f"; mean of {count} test sets"
            row[name, panel] = _Drawn(values, draws, how, parts[0].sample, min(m.units for m in parts))


def _how_together(parts: Sequence[_Drawn]) -> str:
    """Say how the interval of a mean was made: it has none where one of its parts has none."""
    lacking = [part.how for part in parts if not np.isfinite(part.draws).any()]
    return lacking[0] if lacking else " / ".join(dict.fromkeys(part.how for part in parts))


def _describe(
    plan: Plan, planned: Row, row: Sequence[Record | None], drawn: Mapping[Place, _Drawn]
) -> dict[str, Any]:
    numbers: dict[str, dict[str, Any]] = {}
    for (name, split), number in drawn.items():
        numbers.setdefault(name, {})[split] = number.number()
    done = [record for record in row if record]
    return {
        "axes": planned.axes(),
        "x": planned.option(plan.report.x) if plan.report.x else None,
        "line": planned.axes().get(plan.report.lines, ""),
        "views": planned.views,
        "options": dict(done[0].options) if done else {},
        "finished": len(done),
        "errors": sorted({record.error for record in done if record.error}),
        "seconds": sum(record.seconds for record in done),
        "numbers": numbers,
    }
