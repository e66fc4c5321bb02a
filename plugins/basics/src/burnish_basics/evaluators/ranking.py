"""Measures of rankings: average precision, area under the ROC curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from burnish import NoConfig
from burnish.blocks import NO_TARGET, KnownLabels
from burnish.contracts.evaluator import Measure, Measures, Outcome
from burnish_basics.evaluators.view import divide, view

if TYPE_CHECKING:
    from numpy.typing import NDArray


def average_precisions(
    values: NDArray[np.float64], positive: NDArray[np.bool_], observed: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the average precision of each class (C,) float64; NaN for a class without a known positive.

    AP = sum_k (R_k - R_{k-1}) P_k over the distinct scores, highest first, R_k and P_k recall and precision
    of what scores at least that: items of equal score stand or fall together, so their order does not matter.

    Args:
        values: (M, C) scores, higher is more likely; within a column only their order counts.
        positive: (M, C).
        observed: (M, C); other entries are left out.
    """
    order = np.argsort(-values, axis=0, kind="stable")
    ranked, hit, seen = (
        np.take_along_axis(a, order, axis=0) for a in (values, positive & observed, observed)
    )
    precision = divide(np.cumsum(hit, axis=0, dtype=np.float64), np.cumsum(seen, axis=0, dtype=np.float64))
    # Every item has the precision at the end of its run of equal scores.
    m = len(ranked)
    last = np.vstack([ranked[1:] != ranked[:-1], np.ones((1, ranked.shape[1]), dtype=bool)])
    end = np.minimum.accumulate(np.where(last, np.arange(m)[:, None], m)[::-1], axis=0)[::-1]
    at_end = np.take_along_axis(precision, end, axis=0)
    return divide(np.where(hit, at_end, 0).sum(axis=0), hit.sum(axis=0).astype(np.float64))


def auroc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive scores above a negative, ties counting half.

    NaN where there are only positives or negatives.
    """
    p, n = int(positive.sum()), int((~positive).sum())
    if not p or not n:
        return float("nan")
    return float((rankdata(score)[positive].sum() - p * (p + 1) / 2) / (p * n))


class MeanAveragePrecision:
    """Mean average precision.

    The mean over classes of the average precision with which the items are ranked for the class.

    For labels each class is ranked against the rest. A class without a known positive is left out; so are
    unknown entries.
    """

    def __init__(self, config: NoConfig) -> None:
        del config

    def measure(self, outcome: Outcome) -> Measures:
        """Return ``mean-average-precision`` of every split."""
        return Measures(tuple(self._of(outcome, split) for split in outcome.splits))

    def _of(self, outcome: Outcome, split: str) -> Measure:
        known, scores, name = view(outcome, split), outcome.scores(split), "mean-average-precision"
        if isinstance(known, KnownLabels):
            # Across items, unlike across classes, softmax changes the order of logits.
            rank = (
                scores.values.astype(np.float64)
                if scores.meaning == "similarities"
                else scores.probabilities()
            )
            values, positive = rank[known.rows], known.y[:, None] == np.arange(len(outcome.classes))
            observed, n = np.ones_like(positive), len(known.rows)
        else:
            values, positive, observed = scores.values.astype(np.float64), known.positive, known.observed
            n = int(observed.any(axis=1).sum())
        if not n:
            return Measure(name, split, float("nan"), how=NO_TARGET)
        each = average_precisions(values, positive, observed)
        there = np.isfinite(each)
        if not there.any():
            return Measure(name, split, float("nan"), n=n, how="no class has a known positive here")
        how = (
            ""
            if there.all()
            else f"{int((~there).sum())} of {len(each)} classes have no known positive here and are left out"
        )
        return Measure(name, split, float(each[there].mean()), n=n, how=how)
