"""Intervals and comparisons.

One percentile bootstrap over replicates and test groups together, p-values corrected by Holm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DRAWS: Final = 10_000
LEVEL: Final = 0.95
MOST_UNITS: Final = 1_000
"""More resampling units than this are folded into this many random blocks."""

_CHUNK = 1_000


@dataclass(frozen=True, eq=False)
class Ratio:
    """A measure of one row over replicates and test units.

    Value = sum(numerator) / sum(denominator) in each replicate.

    Attributes:
        numerator: (R, U) float64.
        denominator: (R, U) float64; a replicate that is missing is a row of zeros.
    """

    numerator: NDArray[np.float64]
    denominator: NDArray[np.float64]

    def units(self) -> int:
        """Return how many units the measure is of."""
        return int((self.denominator > 0).any(axis=0).sum())


def fold(units: Sequence[int], seed: int = 0) -> dict[int, int]:
    """Return the column of each unit number.

    One each, or, where there are more than `MOST_UNITS`, one of that many random blocks.
    """
    distinct = sorted(set(units))
    if len(distinct) <= MOST_UNITS:
        return {unit: column for column, unit in enumerate(distinct)}
    columns = np.random.default_rng(seed).permutation(len(distinct)) % MOST_UNITS
    return dict(zip(distinct, columns.tolist(), strict=True))


def _counts(rng: np.random.Generator, size: int, draws: int) -> NDArray[np.uint16]:
    """Return (draws, size) how often each of `size` things is drawn when `size` are drawn with replacement.

    In small numbers and a part at a time: as float64 the counts of a thousand units would take 80 MB, and
    twice that while they are made.
    """
    counts = np.empty((draws, size), dtype=np.uint16)
    for start in range(0, draws, _CHUNK):
        part = counts[start : start + _CHUNK]
        part[:] = rng.multinomial(size, np.full(size, 1 / size), size=len(part))
    return counts


class Bootstrap:
    """Draws of replicates and test units.

    They are the same for every measure of a study, so that differences of rows are paired.

    Args:
        replicates: R.
        units: U, number of test units; 0 where only replicates are resampled.
        seed: of the draws.
        draws: number of draws.
    """

    def __init__(self, replicates: int, units: int, *, seed: int = 0, draws: int = DRAWS) -> None:
        rng = np.random.default_rng([seed, replicates, units])
        self.replicates, self.units, self.draws = replicates, units, draws
        self._by_replicate = _counts(rng, replicates, draws).astype(np.float64)
        self._by_unit = _counts(rng, units, draws) if units else None

    def ratios(self, measures: Sequence[Ratio]) -> NDArray[np.float64]:
        """Return (draws, K) resampled values of K ratio measures; NaN where a draw has no denominator.

        In each draw a replicate's value is the ratio over the drawn units, and the draw's value the mean over
        the drawn replicates.
        """
        if self._by_unit is None:
            raise ValueError("this bootstrap has no units")
        k, r, u = len(measures), self.replicates, self.units
        numerator = np.stack([m.numerator for m in measures]).reshape(k * r, u).T
        denominator = np.stack([m.denominator for m in measures]).reshape(k * r, u).T
        out = np.empty((self.draws, k))
        for start in range(0, self.draws, _CHUNK):
            rows = slice(start, start + _CHUNK)
            counts = self._by_unit[rows].astype(np.float64)
            top, bottom = counts @ numerator, counts @ denominator
            values = np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0).reshape(-1, k, r)
            out[rows] = self._mean(values, self._by_replicate[rows])
        return out

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (draws, K) means over drawn replicates of values (K, R).

        A replicate that is NaN is left out of its draws.
        """
        return self._mean(np.broadcast_to(values, (1, *values.shape)), self._by_replicate)

    @staticmethod
    def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        values = np.broadcast_to(values, (len(weights), *values.shape[1:]))
        there = np.isfinite(values)
        if there.all():
            means: NDArray[np.float64] = np.einsum("dkr,dr->dk", values, weights) / weights.sum(
                1, keepdims=True
            )
            return means
        total = np.einsum("dkr,dr->dk", np.where(there, values, 0), weights)
        count = np.einsum("dkr,dr->dk", there.astype(np.float64), weights)
        partial: NDArray[np.float64] = np.divide(
            total, count, out=np.full_like(total, np.nan), where=count > 0
        )
        return partial


def interval(draws: NDArray[np.float64]) -> tuple[float, float]:
    """Return the percentile interval of (draws,) values at `LEVEL`; NaN where no draw is defined."""
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return float("nan"), float("nan")
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def p_value(differences: NDArray[np.float64]) -> float:
    """Return the two-sided bootstrap p-value of a paired difference being 0.

    At least 2 / (draws + 1), at most 1.
    """
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return float("nan")
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (1 + tail) / (1 + len(differences))))


def least_p(resampled: int) -> float:
    """Return the smallest two-sided p-value that so many paired replicates or test groups can support.

    That of all differences having one sign.
    """
    return min(1.0, 2.0 ** (1 - resampled))


def holm(p: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values (Holm 1979) of one table.

    NaN stays NaN and counts as no test.
    """
    tested = sorted((value, i) for i, value in enumerate(p) if value == value)
    adjusted, worst = [float("nan")] * len(p), 0.0
    for rank, (value, i) in enumerate(tested):
        worst = max(worst, min(1.0, (len(tested) - rank) * value))
        adjusted[i] = worst
    return adjusted
