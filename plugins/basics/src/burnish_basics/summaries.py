"""Summaries: what a whole study says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from burnish.contracts.evaluator import Measures, Table
from burnish.contracts.study import StudyMeasures
from burnish.errors import ConfigError
from burnish_basics._summaries import RankConfig
from burnish_basics.evaluators.view import divide

if TYPE_CHECKING:
    from numpy.typing import NDArray

Setting = tuple[tuple[str, str], ...]
"""Texts of all axes but the one that is ranked."""


class Rank:
    """Ranks the values of one axis where all else is equal, and averages the ranks (Demsar 2006).

    A *block* is one setting of every other axis in one replicate. 1 is best, equal values share a rank, and a
    block in which a value of the axis is missing or NaN counts for nobody.

    Args:
        config: options.
    """

    def __init__(self, config: RankConfig) -> None:
        self.config = config

    def summarise(self, study: StudyMeasures) -> Measures:
        """Return for each panel a table: mean rank, blocks in which it is best, number of blocks.

        Raises:
            ConfigError: no trial has the measure.
        """
        names = list(
            dict.fromkeys(row.axes[self.config.of] for row in study.rows if self.config.of in row.axes)
        )
        measure = self.config.measure or study.measure
        if measure not in study.better:
            raise ConfigError(
                f"no trial has the measure {measure!r}",
                where="summarise rank",
                possible=", ".join(study.better),
            )
        found = (self._table(study, names, measure, panel) for panel in study.panels)
        return Measures(tables=tuple(found) if len(names) > 1 else ())

    def _table(self, study: StudyMeasures, names: list[str], measure: str, panel: str) -> Table:
        sign = 1.0 if study.better.get(measure) == "down" else -1.0
        blocks = [sign * block for block in self._blocks(study, names, measure, panel)]
        ranks = np.array([rankdata(block) for block in blocks]).reshape(len(blocks), len(names))
        best = ranks == ranks.min(axis=1, keepdims=True)
        columns = {
            self.config.of: names,
            "mean rank": divide(ranks.sum(axis=0), np.full(len(names), float(len(blocks)))).tolist(),
            "best in": best.sum(axis=0).tolist(),
            "blocks": [len(blocks)] * len(names),
        }
        return Table(f"rank by {measure}", panel, columns)

    def _blocks(
        self, study: StudyMeasures, names: list[str], measure: str, panel: str
    ) -> Iterator[NDArray[np.float64]]:
        """Yield (R,) values of the R names for each block that has all of them.

        The loss does not count for a tuner that has its own: its row stands in the blocks of every loss.
        """
        grid: dict[tuple[str, Setting], Sequence[float]] = {}
        for row in study.rows:
            if self.config.of in row.axes and (measure, panel) in row.values:
                grid[row.axes[self.config.of], self._others(row.axes)] = row.values[measure, panel]
        for others in dict.fromkeys(others for _, others in grid):
            own = tuple(("loss", "own") if axis == "loss" else (axis, text) for axis, text in others)
            found = [grid.get((name, others)) or grid.get((name, own)) for name in names]
            if all(found):
                block = np.array(found, dtype=np.float64).T
                yield from block[np.isfinite(block).all(axis=1)]

    def _others(self, axes: Mapping[str, str]) -> Setting:
        return tuple(item for item in axes.items() if item[0] != self.config.of)
