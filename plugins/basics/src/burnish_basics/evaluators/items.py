"""Accuracy over items."""

from __future__ import annotations

from burnish import NoConfig
from burnish.blocks import KnownLabels, ratio_measure
from burnish.contracts.evaluator import Measure, Measures, Outcome
from burnish_basics.evaluators.view import present, view


class Accuracy:
    """Share of items whose top class is right (of equal scores the first class).

    For multi-labels, of known entries on the right side of 0.5.
    """

    def __init__(self, config: NoConfig) -> None:
        del config

    def measure(self, outcome: Outcome) -> Measures:
        """Return ``accuracy`` of every split."""
        return Measures(tuple(self._of(outcome, split) for split in outcome.splits))

    def _of(self, outcome: Outcome, split: str) -> Measure:
        known, scores = view(outcome, split), outcome.scores(split)
        if isinstance(known, KnownLabels):
            right = scores.top()[known.rows] == known.y
            return ratio_measure("accuracy", split, known.units, right)
        agree = ((present(scores) == known.positive) & known.observed).sum(axis=1)
        entries = known.observed.sum(axis=1)
        how = "share of known entries on the right side of 0.5"
        return ratio_measure("accuracy", split, outcome.units(split), agree, entries, how=how)
