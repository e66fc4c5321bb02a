"""Whether probabilities mean what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from burnish import NoConfig
from burnish.blocks import NO_TARGET, KnownLabels, ratio_measure
from burnish.contracts.evaluator import Measure, Measures, Outcome
from burnish_basics._evaluators import ECEConfig
from burnish_basics.evaluators.view import divide, view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.scores import Scores

NO_PROBABILITIES: Final = "these scores are similarities without a temperature: they have no probabilities"
"""Why a measure of probabilities is NaN."""

FLOOR: Final = 1e-12
"""Probabilities are not taken for less: the negative log-likelihood of an item is then at most 27.6."""

ROUNDING: Final = 4 * float(np.finfo(np.float32).eps)
"""A confidence above a bin's upper edge by no more is on the edge: 6/10 in float32 is 0.60000002."""


def _has_probabilities(scores: Scores) -> bool:
    return scores.meaning != "similarities" or scores.temperature is not None


class ExpectedCalibrationError:
    """Expected calibration error (Guo et al. 2017, arXiv:1706.04599).

    Sum_b n_b / n |accuracy_b - confidence_b| over bins of equal width.

    Confidence is the probability of the top class; bin b of B holds confidences in ((b - 1) / B, b / B];
    empty bins count nothing. For multi-labels every known entry is an event with its own probability.
    """

    def __init__(self, config: ECEConfig) -> None:
        self.bins = config.bins

    def measure(self, outcome: Outcome) -> Measures:
        """Return ``ece`` of every split."""
        return Measures(tuple(self._of(outcome, split) for split in outcome.splits))

    def _of(self, outcome: Outcome, split: str) -> Measure:
        known, scores = view(outcome, split), outcome.scores(split)
        n = int(outcome.targets(split).known.sum())
        if not n or not _has_probabilities(scores):
            how = NO_PROBABILITIES if n else NO_TARGET
            return Measure("ece", split, float("nan"), better="down", n=n, how=how)
        p = scores.probabilities()
        if isinstance(known, KnownLabels):
            p = p[known.rows]
            confidence, right = p.max(axis=1), p.argmax(axis=1) == known.y
        else:
            confidence, right = p[known.observed], known.positive[known.observed]
        value = calibration_error(confidence, right, self.bins)
        return Measure("ece", split, value, better="down", n=n, how=f"{self.bins} bins of equal width")


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int) -> float:
    """Return the expected calibration error of M > 0 events.

    Args:
        confidence: (M,) probabilities.
        right: (M,) whether they came true.
        bins: bins of equal width.
    """
    place = np.clip(np.ceil((confidence - ROUNDING) * bins).astype(np.int64) - 1, 0, bins - 1)
    n = np.bincount(place, minlength=bins).astype(np.float64)
    hits = np.bincount(place, weights=right, minlength=bins).astype(np.float64)
    sure = np.bincount(place, weights=confidence, minlength=bins).astype(np.float64)
    gap = np.abs(divide(hits, n) - divide(sure, n))
    return float(np.nansum(n * gap) / n.sum())


class NegativeLogLikelihood:
    """Mean of -log p_y over items, in nats.

    For multi-labels the mean binary cross-entropy over known entries.
    """

    def __init__(self, config: NoConfig) -> None:
        del config

    def measure(self, outcome: Outcome) -> Measures:
        """Return ``nll`` of every split."""
        return Measures(tuple(self._of(outcome, split) for split in outcome.splits))

    def _of(self, outcome: Outcome, split: str) -> Measure:
        known, scores = view(outcome, split), outcome.scores(split)
        n = int(outcome.targets(split).known.sum())
        if not n or not _has_probabilities(scores):
            how = NO_PROBABILITIES if n else NO_TARGET
            return Measure("nll", split, float("nan"), "nats", "down", n, how)
        p, how = scores.probabilities(), f"probabilities of at least {FLOOR:g}"
        if isinstance(known, KnownLabels):
            values = -np.log(np.maximum(p[known.rows, known.y], FLOOR))
            return ratio_measure("nll", split, known.units, values, unit="nats", better="down", how=how)
        each = -np.log(np.maximum(np.where(known.positive, p, 1 - p), FLOOR)) * known.observed
        sums, entries = each.sum(axis=1), known.observed.sum(axis=1)
        return ratio_measure(
            "nll", split, outcome.units(split), sums, entries, unit="nats", better="down", how=how
        )
