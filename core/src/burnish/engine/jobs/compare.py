"""Paired differences from a baseline, line by line.

Over all rows and row by row, p-values corrected by Holm within each of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.engine.jobs.statistics import holm, interval, least_p, p_value
from burnish.notation.part_text import called

if TYPE_CHECKING:
    from numpy.typing import NDArray

OWN_LOSS = "own"
"""Label of the loss of a tuner that the recipe's loss does not reach."""


@dataclass(frozen=True, eq=False)
class Compared:
    """A row as comparisons see it.

    Attributes:
        axes: text of every axis.
        values: by panel, (R,) the row's value in each replicate, NaN where it is missing.
        draws: by panel, (draws,) its bootstrap draws, the same for all rows.
        units: by panel, how many test groups were resampled beside the replicates; none where a panel is not
            in it. Few of either bound what a p-value can say.
    """

    axes: Mapping[str, str]
    values: Mapping[str, Sequence[float]]
    draws: Mapping[str, NDArray[np.float64]]
    units: Mapping[str, int] = field(default_factory=dict)

    def has(self, panel: str) -> bool:
        """Return whether the row has a value in a panel."""
        return panel in self.values and bool(np.isfinite(self.values[panel]).any())


def compare(
    rows: Sequence[Compared], panels: Sequence[str], *, lines: str, baseline: str
) -> list[dict[str, Any]]:
    """Return the differences of every line from the baseline.

    A row is paired with the baseline's row that has the same axes on all other axes. The loss does not
    count for a tuner that has its own: such a row is paired with the baseline under every loss, and their
    mean is what it differs from. Rows without any value are left out.

    Args:
        rows: the rows of the plan.
        panels: the panels to compare in.
        lines: recipe key whose values are compared.
        baseline: text or component name of the line the others are compared with.

    Returns:
        ``{line, panel, difference, low, high, p, p_holm, over, axes}``: those over all rows first (no
        axes), then those of single rows.
    """
    meant = called(baseline, (row.axes.get(lines, "") for row in rows))
    base = [row for row in rows if row.axes.get(lines, "") in meant]
    others = dict.fromkeys(row.axes.get(lines, "") for row in rows if row not in base)
    overall: list[dict[str, Any]] = []
    by_row: list[dict[str, Any]] = []
    for line in others:
        mine = [row for row in rows if row.axes.get(lines, "") == line]
        for panel in panels:
            pairs = _pairs(mine, base, panel, lines)
            if pairs:
                overall.append(_over_all(line, panel, pairs))
                by_row += [_of_one(line, panel, pair, lines) for pair in pairs]
    _correct(overall)
    _correct(by_row)
    return overall + by_row


@dataclass(frozen=True, eq=False)
class _Pair:
    """A row beside the rows of the baseline that it is compared with.

    Attributes:
        row: the row.
        value: its difference from the mean of the others.
        draws: (draws,) of the difference.
        least: the least p-value that they can support.
    """

    row: Compared
    value: float
    draws: NDArray[np.float64]
    least: float


def _pairs(mine: Sequence[Compared], base: Sequence[Compared], panel: str, lines: str) -> list[_Pair]:
    """Return the rows of a line that have a value in a panel, and a baseline that has one too."""
    measured = [row for row in base if row.has(panel)]
    pairs = []
    for row in mine:
        beside = [other for other in measured if _paired(row.axes, other.axes, lines)]
        if beside and row.has(panel):
            pairs.append(_Pair(row, *_pair(row, beside, panel)))
    return pairs


def _over_all(line: str, panel: str, pairs: Sequence[_Pair]) -> dict[str, Any]:
    """Return the mean difference of a line over its rows."""
    value = float(np.mean([pair.value for pair in pairs]))
    draws = np.mean([pair.draws for pair in pairs], axis=0)
    # What is resampled in the row that has most of it is resampled in the mean over rows.
    least = min(pair.least for pair in pairs)
    over = f"{len(pairs)} row{'s' if len(pairs) != 1 else ''}"
    without = sum(not np.isfinite(pair.draws).any() for pair in pairs)
    if 0 < without < len(pairs):
        over += f", {without} without interval"
    return _difference(line, panel, value, draws, least) | {"over": over, "axes": {}}


def _of_one(line: str, panel: str, pair: _Pair, lines: str) -> dict[str, Any]:
    """Return the difference of a single row."""
    axes = {key: text for key, text in pair.row.axes.items() if key != lines}
    entry = _difference(line, panel, pair.value, pair.draws, pair.least)
    return entry | {"over": "1 row", "axes": axes}


def _correct(table: Sequence[dict[str, Any]]) -> None:
    """Add to the entries of a table their p-values corrected by Holm within it."""
    corrected = holm([entry["p"] for entry in table])
    for entry, p in zip(table, corrected, strict=True):
        entry["p_holm"] = p


def _paired(mine: Mapping[str, str], base: Mapping[str, str], lines: str) -> bool:
    free = {lines}
    if OWN_LOSS in (mine.get("loss"), base.get("loss")):
        free.add("loss")
    return all(value == base.get(key) for key, value in mine.items() if key not in free)


def _pair(
    row: Compared, baseline: Sequence[Compared], panel: str
) -> tuple[float, NDArray[np.float64], float]:
    """Return a row's difference from the baseline, its draws, and the least p-value they can support.

    The difference is over the replicates that the two share. Where one of them lacks a replicate the draws
    are NaN: their means are over different replicates, and nothing is paired any more.
    """
    values = np.array([row.values[panel], *(b.values[panel] for b in baseline)])
    shared = np.isfinite(values).all(axis=0)
    if not shared.any():
        return float("nan"), np.full_like(row.draws[panel], np.nan), 1.0
    point = float(values[0, shared].mean() - values[1:, shared].mean())
    paired = bool((np.isfinite(values) == shared).all())
    draws = row.draws[panel] - np.mean([b.draws[panel] for b in baseline], axis=0)
    resampled = max(int(shared.sum()), min(r.units.get(panel, 0) for r in (row, *baseline)))
    return point, draws if paired else np.full_like(draws, np.nan), least_p(resampled)


def _difference(
    line: str, panel: str, value: float, draws: NDArray[np.float64], least: float
) -> dict[str, Any]:
    low, high = interval(draws)
    return {
        "line": line,
        "panel": panel,
        "difference": value,
        "low": low,
        "high": high,
        "p": max(p_value(draws), least),
    }
