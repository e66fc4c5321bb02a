"""Accuracy over items."""

from __future__ import annotations

import numpy as np

from burnish import NoConfig
from burnish.contracts.evaluator import Measure, Measures, Outcome
from burnish_basics.evaluators.view import NO_TARGET, LabelView, present, ratio, terms, view


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
        known, scores, units = view(outcome.targets(split)), outcome.scores(split), outcome.units(split)
        if isinstance(known, LabelView):
            right = (scores.top()[known.rows] == known.y).astype(np.float64)
            parts, n, how = terms(units[known.rows], right, np.ones_like(right)), len(right), ""
        else:
            agree = ((present(scores) == known.positive) & known.observed).sum(axis=1).astype(np.float64)
            entries = known.observed.sum(axis=1).astype(np.float64)
            parts, n, how = (
                terms(units, agree, entries),
                int((entries > 0).sum()),
                "share of known entries on the right side of 0.5",
            )
        return Measure("accuracy", split, ratio(parts), n=n, how=how if n else NO_TARGET, terms=parts)
