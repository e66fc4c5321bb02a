"""Summaries: what looks at a whole study, such as the rank of tuners over data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from burnish.contracts.evaluator import Direction, Measures


@dataclass(frozen=True, eq=False)
class StudyRow:
    """One row of a study over its K replicates.

    Attributes:
        axes: text of each axis, such as ``{"data": "digits", "tuner": "linear"}``.
        options: every option by dotted name, such as ``{"noise.rate": 0.2}``, with those that tuning chose.
        values: by measure and split (or panel): K numbers, NaN where a replicate has none.
    """

    axes: Mapping[str, str]
    options: Mapping[str, Any]
    values: Mapping[tuple[str, str], Sequence[float]]


@dataclass(frozen=True, eq=False)
class StudyMeasures:
    """What a summary sees: every row with its measures. All trials are there, or failed.

    Attributes:
        rows: the rows, in the recipe's order.
        better: direction by measure.
        measure: the measure that the study's own table shows.
        panels: the splits of every panel of that table, in its order.
    """

    rows: Sequence[StudyRow]
    better: Mapping[str, Direction]
    measure: str
    panels: Mapping[str, Sequence[str]]


class Summary(Protocol):
    """Looks at a whole study once all trials are there."""

    def summarise(self, study: StudyMeasures) -> Measures:
        """Return tables and curves for the report; no scalars, for these belong to trials."""
