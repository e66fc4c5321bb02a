"""Margins with and without labels, and means of class accuracies that one bad class pulls down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import spearmanr

from burnish.blocks import NO_TARGET, ensemble, known_labels
from burnish.contracts.evaluator import Direction, Measure, Measures, Outcome, Table
from burnish_cmm import MarginConfig, MeanConfig
from burnish_cmm.margin import class_sums, matching_margin, similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray


UP: Direction = "up"
NONE: Direction = "none"


class _Margin:
    name, better = "", UP

    def __init__(self, config: MarginConfig) -> None:
        self.config = config

    def labels(self, outcome: Outcome, split: str) -> NDArray[np.int64]:
        """Return (M,) the class each item counts for; -1 for none."""
        raise NotImplementedError

    def measure(self, outcome: Outcome) -> Measures:
        """Return for every split the mean margin over classes, that of the k worst, and a table of all."""
        texts = ensemble(outcome.class_embeddings(self.config.templates)).numpy()
        found = [self._of(outcome, split, texts) for split in outcome.splits]
        return Measures(
            tuple(m for measures, _ in found for m in measures), tuple(table for _, table in found)
        )

    def _of(self, outcome: Outcome, split: str, texts: NDArray[np.float32]) -> tuple[list[Measure], Table]:
        sums, counts = class_sums(outcome.features(split), self.labels(outcome, split), len(outcome.classes))
        s = similarity(sums, counts, texts)
        margins = matching_margin(s)
        there = np.sort(margins[~np.isnan(margins)])
        empty = len(margins) - len(there)
        how = f"{empty} of {len(counts)} classes have no item here and do not count" if empty else ""
        mean, low = (
            float(part.mean()) if len(part) else float("nan") for part in (there, there[: self.config.k])
        )
        n = int(counts.sum())
        names = outcome.classes.names
        rivals = np.where(np.eye(len(s), dtype=bool), -np.inf, np.nan_to_num(s, nan=-1.0)).argmax(axis=1)
        table = Table(
            self.name,
            split,
            {
                "class": list(names),
                "n": counts.astype(np.int64).tolist(),
                "margin": margins.tolist(),
                "rival": [names[r] if counts[i] else "" for i, r in enumerate(rivals)],
            },
        )
        return [
            Measure(self.name, split, mean, "1", self.better, n, how),
            Measure(f"worst-{self.config.k}-{self.name}", split, low, "1", self.better, n, how),
        ], table


class PredictedMargin(_Margin):
    """The margin by the class that the trial's predictor gives each item: no label plays a part.

    It ranks classes. Between trials it has no direction: who puts every item where its features already are
    has a large margin, right or wrong.
    """

    name, better = "matching-margin", NONE

    def labels(self, outcome: Outcome, split: str) -> NDArray[np.int64]:
        """Return the predicted classes."""
        return outcome.scores(split).top()


class LabelledMargin(_Margin):
    """The margin by the true class of each item, and how well the margin without labels ranks the classes."""

    name = "labelled-matching-margin"

    def measure(self, outcome: Outcome) -> Measures:
        """Return what the margin gives, and its rank correlation with the classes' accuracies.

        The margin that is correlated is that by predicted class.
        """
        texts = ensemble(outcome.class_embeddings(self.config.templates)).numpy()
        found = super().measure(outcome)
        return Measures(
            (*found.scalars, *(self._ranks(outcome, split, texts) for split in outcome.splits)), found.tables
        )

    def _ranks(self, outcome: Outcome, split: str, texts: NDArray[np.float32]) -> Measure:
        top, y, c = outcome.scores(split).top(), self.labels(outcome, split), len(outcome.classes)
        margins = matching_margin(similarity(*class_sums(outcome.features(split), top, c), texts))
        counts, right = (
            np.bincount(y[y >= 0], minlength=c),
            np.bincount(y[(y >= 0) & (top == y)], minlength=c),
        )
        there = (counts > 0) & ~np.isnan(margins)
        accuracy = right[there] / counts[there]
        varies = there.sum() > 1 and np.ptp(accuracy) > 0 and np.ptp(margins[there]) > 0
        value = float(spearmanr(margins[there], accuracy).statistic) if varies else float("nan")
        how = (
            "Spearman's, of the margin by predicted class and the accuracy, over classes that are there and"
            " predicted"
        )
        return Measure(
            "margin-rank-correlation",
            split,
            value,
            "1",
            NONE,
            int(there.sum()),
            how if varies else f"{how}: too few of them differ",
        )

    def labels(self, outcome: Outcome, split: str) -> NDArray[np.int64]:
        """Return the true classes.

        Raises:
            DataError: an item may have several.
        """
        known = known_labels(outcome, split)
        y = np.full(len(outcome.targets(split)), -1)
        y[known.rows] = known.y
        return y


class _ClassMean:
    name, what = "", ""

    def __init__(self, config: MeanConfig) -> None:
        self.floor = config.floor

    def mean(self, accuracies: NDArray[np.float64]) -> float:
        """Return the mean of (C,) accuracies, of which none is below the floor."""
        raise NotImplementedError

    def measure(self, outcome: Outcome) -> Measures:
        """Return the mean of every split."""
        return Measures(tuple(self._of(outcome, split) for split in outcome.splits))

    def _of(self, outcome: Outcome, split: str) -> Measure:
        known, c = known_labels(outcome, split), len(outcome.classes)
        hit = outcome.scores(split).top()[known.rows] == known.y
        counts, right = (np.bincount(y, minlength=c) for y in (known.y, known.y[hit]))
        there = counts > 0
        if not there.any():
            return Measure(self.name, split, float("nan"), n=0, how=NO_TARGET)
        low = int((right[there] / counts[there] < self.floor).sum())
        notes = [f"{self.what} of the accuracies of {int(there.sum())} classes"] + (
            [f"{low} of them count as {self.floor:g}"] if low else []
        )
        return Measure(
            self.name,
            split,
            self.mean(np.maximum(right[there] / counts[there], self.floor)),
            n=len(known.y),
            how="; ".join(notes),
        )


class HarmonicMean(_ClassMean):
    """C / sum(1 / acc_i): near 0 as soon as one class is."""

    name, what = "harmonic-mean", "harmonic mean"

    def mean(self, accuracies: NDArray[np.float64]) -> float:
        """Return the harmonic mean; 0 where an accuracy is."""
        return float(len(accuracies) / (1 / accuracies).sum()) if (accuracies > 0).all() else 0.0


class GeometricMean(_ClassMean):
    """(prod acc_i)^(1 / C)."""

    name, what = "geometric-mean", "geometric mean"

    def mean(self, accuracies: NDArray[np.float64]) -> float:
        """Return the geometric mean; 0 where an accuracy is."""
        return float(np.exp(np.log(accuracies).mean())) if (accuracies > 0).all() else 0.0
