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
    overall, by_row = [], []
    for line in others:
        mine = [
            (row, [b for b in base if _paired(row.axes, b.axes, lines)])
            for row in rows
            if row.axes.get(lines, "") == line
        ]
        for panel in panels:
            pairs = [
                (row, there)
                for row, found in mine
                if row.has(panel) and (there := [b for b in found if b.has(panel)])
            ]
            if not pairs:
                continue
            points, draws, leasts = zip(*(_pair(row, there, panel) for row, there in pairs), strict=True)
            without = sum(not np.isfinite(drawn).any() for drawn in draws)
            over = f"{len(pairs)} row{'s' if len(pairs) != 1 else ''}" + (
                f", {without} without interval" if 0 < without < len(pairs) else ""
            )
            # What is resampled in the row that has most of it is resampled in the mean over rows.
            overall.append(
                _difference(line, panel, float(np.mean(points)), np.mean(draws, axis=0), min(leasts))
                | {
                    "over": over,
                    "axes": {},
                }
            )
            by_row += [
                _difference(line, panel, point, drawn, least)
                | {
                    "over": "1 row",
                    "axes": {k: v for k, v in row.axes.items() if k != lines},
                }
                for (row, _), point, drawn, least in zip(pairs, points, draws, leasts, strict=True)
            ]
    for table in (overall, by_row):
        for entry, adjusted in zip(table, holm([e["p"] for e in table]), strict=True):
            entry["p_holm"] = adjusted
    return overall + by_row


def _paired(mine: Mapping[str, str], base: Mapping[str, str], lines: str) -> bool:
    own = OWN_LOSS in (mine.get("loss"), base.get("loss"))
    return all(
        value == base.get(key) for key, value in mine.items() if key != lines and not (own and key == "loss")
    )


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
