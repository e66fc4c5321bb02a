"""A typed view of a study's summary, the JSON that `burnish.engine.jobs.summarise` makes. Light: no numpy."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self, TypeVar

from burnish.errors import RecipeError, suggestion
from burnish.notation.part_text import called

T = TypeVar("T")

_AXES: Final = ("data", "backbone", "views", "noise", "assess", "tuner", "loss")
"""Axes in the order data flows."""


def _real(value: float | None) -> float:
    return math.nan if value is None else float(value)


@dataclass(frozen=True)
class Number:
    """One summarised measure of one row.

    Attributes:
        value: mean over replicates; NaN where it is not defined.
        low: lower end of the interval; NaN where there is none.
        high: upper end.
        values: by replicate; NaN for one that is missing.
        n: items it was measured on.
        unit: ``fraction nats count s B 1``.
        better: ``up``, ``down`` or ``none``.
        how: how the interval was made.
        note: how the value was made, or why it is not defined.
    """

    value: float
    low: float
    high: float
    values: tuple[float, ...]
    n: int
    unit: str
    better: str
    how: str
    note: str

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return the number that JSON holds."""
        value, low, high = (_real(content[name]) for name in ("value", "low", "high"))
        values = tuple(map(_real, content["values"]))
        return cls(
            value,
            low,
            high,
            values,
            content["n"],
            content["unit"],
            content["better"],
            content["how"],
            content["note"],
        )

    @property
    def missing(self) -> int:
        """Replicates without a value."""
        return sum(not math.isfinite(value) for value in self.values)


@dataclass(frozen=True)
class Row:
    """One row of the plan over its replicates.

    `x` is None where it has no such option, `numbers` is measure -> split or panel -> number.
    """

    axes: Mapping[str, str]
    x: Any
    line: str
    options: Mapping[str, Any]
    finished: int
    errors: tuple[str, ...]
    seconds: float
    numbers: Mapping[str, Mapping[str, Number]]
    views: int = 1

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return the row that JSON holds."""
        numbers = {
            name: {place: Number.of(n) for place, n in places.items()}
            for name, places in content["numbers"].items()
        }
        plain = {name: content[name] for name in ("x", "line", "options", "finished", "seconds")}
        axes = {key: content["axes"][key] for key in sorted(content["axes"], key=_AXES.index)}
        return cls(
            **plain,
            axes=axes,
            errors=tuple(content["errors"]),
            numbers=numbers,
            views=content.get("views", 1),
        )

    def number(self, measure: str, place: str) -> Number | None:
        """Return a number, or None where the row lacks it."""
        return self.numbers.get(measure, {}).get(place)

    def only(self, places: Container[str]) -> Row:
        """Return the row with the numbers of some splits and panels."""
        return replace(
            self,
            numbers={
                name: {place: n for place, n in at.items() if place in places}
                for name, at in self.numbers.items()
            },
        )


@dataclass(frozen=True)
class Difference:
    """A paired difference from the baseline.

    Over all rows where `axes` is empty, else of the row with these axes.
    """

    line: str
    panel: str
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    over: str
    axes: Mapping[str, str]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return the difference that JSON holds."""
        numbers = {name: _real(content[name]) for name in ("difference", "low", "high", "p", "p_holm")}
        return cls(
            line=content["line"],
            panel=content["panel"],
            over=content["over"],
            axes=content["axes"],
            **numbers,
        )

    @property
    def verdict(self) -> str:
        """``above``, ``below`` or ``open``.

        On which side of 0 the whole interval lies, and that the corrected p is below 0.05 too.

        ``unknown`` where there is no interval.
        """
        if not math.isfinite(self.p_holm):
            return "unknown"
        if not self.p_holm < 0.05:
            return "open"
        return "above" if self.low > 0 else "below" if self.high < 0 else "open"


@dataclass(frozen=True)
class Summary:
    """A study's summary; see `burnish.engine.jobs.summarise.summarise` for what each part is."""

    measure: str
    panels: Mapping[str, tuple[str, ...]]
    x: str
    lines: str
    baseline: str
    replicates: int
    units: int
    draws: int
    rows: tuple[Row, ...]
    comparisons: tuple[Difference, ...]
    advice: tuple[str, ...] = ()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Return the summary that JSON holds."""
        plain = {
            name: content[name]
            for name in ("measure", "x", "lines", "baseline", "replicates", "units", "draws")
        }
        return cls(
            **plain,
            panels={name: tuple(splits) for name, splits in content["panels"].items()},
            rows=tuple(map(Row.of, content["rows"])),
            comparisons=tuple(map(Difference.of, content["comparisons"])),
            advice=tuple(content.get("advice", ())),
        )

    # -- what there is ---------------------------------------------------------------------------------------

    @property
    def measures(self) -> list[str]:
        """Names of all measures, in order."""
        return distinct(name for row in self.rows for name in row.numbers)

    def places(self, measure: str) -> list[str]:
        """Return the splits and panels a measure has, in order."""
        return distinct(place for row in self.rows for place in row.numbers.get(measure, {}))

    def shown(self) -> list[str]:
        """Return the panels for which there are numbers of the table's measure.

        All its splits where it has none of the panels.
        """
        there = self.places(self.measure)
        return [panel for panel in self.panels if panel in there] or there

    def splits(self) -> list[str]:
        """Return the splits behind the panels, each once, that have numbers of the table's measure."""
        there = self.places(self.measure)
        return distinct(split for panel in self.panels.values() for split in panel if split in there)

    def sample(self, place: str = "") -> Number | None:
        """Return a number of the table's measure, for its unit and for how intervals were made."""
        numbers = (
            n for row in self.rows for at, n in row.numbers.get(self.measure, {}).items() if place in ("", at)
        )
        return next(numbers, None)

    @property
    def unit(self) -> str:
        """Unit of the table's measure."""
        sample = self.sample()
        return sample.unit if sample else "1"

    # -- rows, lines and columns -----------------------------------------------------------------------------

    @cached_property
    def axes(self) -> list[str]:
        """The recipe keys that differ between rows.

        Not the loss where it goes with the tuner, because some tuners have their own.
        """
        keys = distinct(key for row in self.rows for key in row.axes)
        varying = [key for key in keys if len({row.axes.get(key) for row in self.rows}) > 1]
        tuners = {(row.axes.get("tuner"), row.axes.get("loss")) for row in self.rows}
        goes_with_it = len({tuner for tuner, _ in tuners}) == len(tuners) > 1
        return [key for key in varying if key != "loss" or self.lines == "loss" or not goes_with_it]

    @cached_property
    def xs(self) -> list[Any]:
        """Return the values of x in the recipe's order, None for rows without it.

        Empty where no x is given or no row has it.
        """
        by_key: dict[object, Any] = {}
        for row in self.rows:
            by_key.setdefault(key_of(row.x), row.x)
        return list(by_key.values()) if self.x and any(x is not None for x in by_key.values()) else []

    def series(self, row: Row) -> str:
        """Return the name of the line a row belongs to; with x, whatever else differs is part of it."""
        others = [key for key in self._beside if key in row.axes]
        return ", ".join([self._line(row), *(f"{key} {row.axes[key]}" for key in others)])

    def _line(self, row: Row) -> str:
        axis, _, option = self.x.partition(".")
        return without_option(row.line, option) if self.xs and axis == self.lines else row.line

    @cached_property
    def _beside(self) -> list[str]:
        """Axes beside lines and x that differ within some line: each of their values is a line of its own.

        Without x, lines are means over them.
        """
        if not self.xs:
            return []
        axis = self.x.partition(".")[0]
        lines: dict[str, list[Row]] = {}
        for row in self.rows:
            lines.setdefault(self._line(row), []).append(row)
        others = [key for key in self.axes if key not in (self.lines, axis)]
        return [key for key in others if any(_differs(key, rows) for rows in lines.values())]

    @cached_property
    def _by_place(self) -> dict[tuple[str, object], list[Row]]:
        places: dict[tuple[str, object], list[Row]] = {}
        for row in self.rows:
            places.setdefault((self.series(row), key_of(row.x)), []).append(row)
        return places

    @property
    def all_series(self) -> list[str]:
        """All lines, in the recipe's order."""
        return distinct(series for series, _ in self._by_place)

    def behind(self, series: str, x: object) -> list[Row]:
        """Return the rows that share a line and an x: more than one where pre-training was repeated."""
        return self._by_place.get((series, key_of(x)), [])

    def is_baseline(self, row: Row) -> bool:
        """Return whether a row is one of the baseline's."""
        return row.line in self.baselines

    @cached_property
    def baselines(self) -> list[str]:
        """The line that the baseline's name means.

        Several in a study that was made before that was refused.
        """
        return called(self.baseline, (row.line for row in self.rows)) if self.baseline else []

    # -- another view ----------------------------------------------------------------------------------------

    def viewed(self, measure: str = "", places: Sequence[str] = ()) -> Summary:
        """Return the summary with one measure alone, or with these splits or panels alone.

        The same where neither is given.

        Raises:
            RecipeError: the study has no such measure, split or panel.
        """
        view = self
        if measure:
            _check("measure", measure, self.measures)
            rows = tuple(
                replace(row, numbers={measure: row.numbers[measure]} if measure in row.numbers else {})
                for row in self.rows
            )
            view = replace(
                view,
                measure=measure,
                rows=rows,
                comparisons=self.comparisons if measure == self.measure else (),
            )
        for place in places:
            _check("split or panel", place, view.places(view.measure))
        if places:
            panels = {place: view.panels.get(place, (place,)) for place in places}
            rows = tuple(row.only(panels) for row in view.rows)
            view = replace(
                view,
                panels=panels,
                rows=rows,
                comparisons=tuple(c for c in view.comparisons if c.panel in panels),
            )
        return view


def _differs(axis: str, rows: Iterable[Row]) -> bool:
    """Return whether rows differ along an axis."""
    return len({row.axes.get(axis) for row in rows}) > 1


def _check(what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise RecipeError(
            f"unknown {what} {name!r}. {suggestion(name, known)}".strip(),
            where="results",
            possible=", ".join(known),
        )


def distinct(items: Iterable[T]) -> list[T]:
    """Return items in order, each once."""
    return list(dict.fromkeys(items))


def key_of(x: object) -> object:
    """Return a hashable stand-in for an option's value."""
    return tuple(map(key_of, x)) if isinstance(x, list) else x


def options_of(text: str) -> dict[str, str]:
    """Return the options written in a label, as text."""
    from burnish.notation.part_text import split

    items = (item.partition("=") for item in split(text.partition(":")[2], "")) if ":" in text else ()
    return {key.strip(): value.strip() for key, _, value in items}


def without_option(label: str, option: str) -> str:
    """Return a label without one of its options."""
    kept = [f"{key}={value}" for key, value in options_of(label).items() if key != option]
    name = label.partition(":")[0]
    return f"{name}:{','.join(kept)}" if kept else name
