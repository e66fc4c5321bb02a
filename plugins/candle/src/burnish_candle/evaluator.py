"""Accuracy on base classes and on new ones, and the harmonic mean of the two.

Base classes have training items, new ones have names alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from burnish.blocks import known_labels, ratio_measure
from burnish.contracts.evaluator import Measure, Measures, Outcome
from burnish_candle import BaseToNewConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AMONG: Final = {"own": ("base", "new"), "all": ("all", "all"), "released": ("all", "new")}
"""Among which classes items of base and of new classes are classified."""


class BaseToNew:
    """``base-accuracy-SCOPE``, ``new-accuracy-SCOPE`` and ``base-new-harmonic-SCOPE`` = 2 b n / (b + n).

    After Xian et al. 2017, arXiv:1703.04394.

    A new class is one that no training item has, as observed. The accuracies are ratios of sums over test
    groups; their harmonic mean is none, so its interval is that of the replicates alone.
    """

    def __init__(self, config: BaseToNewConfig) -> None:
        self.config = config

    def measure(self, outcome: Outcome) -> Measures:
        """Return the three measures of every split; of the split that is named as holding new classes, none.

        Raises:
            DataError: the targets are no labels.
        """
        found: list[Measure] = []
        for split in outcome.splits:
            if split != self.config.new:
                base = self._accuracy(outcome, split, split, "base")
                new = self._accuracy(outcome, split, self._split_of_new(outcome, split), "new")
                found += [base, new, self._mean(base, new)]
        return Measures(tuple(found))

    def _split_of_new(self, outcome: Outcome, split: str) -> str:
        apart = self.config.new
        return apart if apart is not None and apart in outcome.splits else split

    def _accuracy(self, outcome: Outcome, split: str, source: str, which: str) -> Measure:
        """Return the accuracy, reported under one split, on items of base or of new classes in another."""
        known, values = known_labels(outcome, source), outcome.scores(source).values
        sides = {
            "base": outcome.classes.known,
            "new": ~outcome.classes.known,
            "all": np.ones(len(outcome.classes), dtype=bool),
        }
        among = _AMONG[self.config.scope][which == "new"]
        here = sides[which][known.y]
        y = known.y[here]
        how = f"best of the {int(sides[among].sum())} {among} classes"
        return ratio_measure(
            f"{which}-accuracy-{self.config.scope}",
            split,
            known.units[here],
            top_among(values[known.rows[here]], sides[among]) == y if len(y) else y,
            how=how if source == split else f"{how}, items of {source}",
            nothing=f"no item of a {which} class here",
        )

    def _mean(self, base: Measure, new: Measure) -> Measure:
        name, n = f"base-new-harmonic-{self.config.scope}", base.n + new.n
        if not (base.n and new.n):
            return Measure(name, base.split, float("nan"), n=n, how=base.how if not base.n else new.how)
        how = f"of {base.name} and {new.name}; no ratio of sums, so its interval is over replicates alone"
        return Measure(name, base.split, harmonic_mean(base.value, new.value), n=n, how=how)


def top_among(values: NDArray[np.float32], columns: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return (M,) the column of the highest value of each row (M, C), among some columns.

    Those are True in `columns` (C,). Of equal values it is the first.
    """
    places = np.flatnonzero(columns)
    return np.asarray(places[values[:, places].argmax(axis=1)], dtype=np.int64)


def harmonic_mean(a: float, b: float) -> float:
    """Return 2 a b / (a + b) of numbers of at least 0; 0 where one is 0."""
    return 2 * a * b / (a + b) if a > 0 and b > 0 else 0.0
