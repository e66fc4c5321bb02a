"""Measures that treat classes alike, however many items they have."""

from __future__ import annotations

import numpy as np

from burnish import NoConfig
from burnish.blocks import NO_TARGET, KnownLabels, ratio_measure
from burnish.contracts.evaluator import Measure, Measures, Outcome, Table
from burnish_basics._evaluators import GroupsConfig, WorstConfig
from burnish_basics.evaluators.view import class_counts, present, view


def _n(outcome: Outcome, split: str) -> int:
    return int(outcome.targets(split).known.sum())


def _note(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


class BalancedAccuracy:
    """Mean recall of the classes that have items in the split.

    For labels it is a ratio of sums in which an item of class c counts 1 / n_c; intervals resample groups
    with these weights fixed.
    """

    def __init__(self, config: NoConfig) -> None:
        del config

    def measure(self, outcome: Outcome) -> Measures:
        """Return ``balanced-accuracy`` of every split."""
        return Measures(tuple(self._of(outcome, split) for split in outcome.splits))

    def _of(self, outcome: Outcome, split: str) -> Measure:
        known, counts, n = view(outcome, split), class_counts(outcome, split), _n(outcome, split)
        how = _note("mean recall of classes", counts.left_out())
        if not counts.there.any():
            return Measure("balanced-accuracy", split, float("nan"), n=n, how=NO_TARGET)
        if not isinstance(known, KnownLabels):
            return Measure("balanced-accuracy", split, float(np.nanmean(counts.recall())), n=n, how=how)
        weight = 1 / counts.actual[known.y]
        right = weight * (outcome.scores(split).top()[known.rows] == known.y)
        return ratio_measure("balanced-accuracy", split, known.units, right, weight, how=how)


class PerClass:
    """Table of every class: training items, items, recall, precision, F1. What is not defined is NaN."""

    def __init__(self, config: NoConfig) -> None:
        del config

    def measure(self, outcome: Outcome) -> Measures:
        """Return the table ``per-class`` of every split."""
        return Measures(tables=tuple(self._of(outcome, split) for split in outcome.splits))

    def _of(self, outcome: Outcome, split: str) -> Table:
        counts = class_counts(outcome, split)
        return Table(
            "per-class",
            split,
            {
                "class": list(outcome.classes.names),
                "training items": np.asarray(outcome.train_counts, dtype=np.float64).tolist(),
                "n": counts.actual.astype(np.int64).tolist(),
                "recall": counts.recall().tolist(),
                "precision": counts.precision().tolist(),
                "f1": counts.f1().tolist(),
            },
        )


class Worst:
    """Mean recall of the k classes of lowest recall, of those that have items in the split."""

    def __init__(self, config: WorstConfig) -> None:
        self.k = config.k

    def measure(self, outcome: Outcome) -> Measures:
        """Return ``worst-k``, such as ``worst-1``, of every split."""
        return Measures(tuple(self._of(outcome, split) for split in outcome.splits))

    def _of(self, outcome: Outcome, split: str) -> Measure:
        counts, name, n = class_counts(outcome, split), f"worst-{self.k}", _n(outcome, split)
        recall = np.sort(counts.recall()[counts.there])
        if not len(recall):
            return Measure(name, split, float("nan"), n=n, how=NO_TARGET)
        fewer = f"all {len(recall)} classes there are" if len(recall) < self.k else ""
        return Measure(name, split, float(recall[: self.k].mean()), n=n, how=_note(fewer, counts.left_out()))


class MacroF1:
    """Mean F1 of the classes that have items in the split.

    A class that is there and never predicted has F1 0.
    """

    def __init__(self, config: NoConfig) -> None:
        del config

    def measure(self, outcome: Outcome) -> Measures:
        """Return ``macro-f1`` of every split."""
        return Measures(tuple(self._of(outcome, split) for split in outcome.splits))

    def _of(self, outcome: Outcome, split: str) -> Measure:
        counts, n = class_counts(outcome, split), _n(outcome, split)
        if not counts.there.any():
            return Measure("macro-f1", split, float("nan"), n=n, how=NO_TARGET)
        return Measure("macro-f1", split, float(counts.f1()[counts.there].mean()), n=n, how=counts.left_out())


class Groups:
    """Accuracy on classes with many, medium and few training items (Liu et al. 2019, arXiv:1904.05160).

    Many are over 100, medium 20 to 100, few under 20.

    Training items are counted by label as observed, so with label noise the groups move: the measures' names
    say ``observed``. For multi-labels it is recall, the share of the groups' positive entries that are
    predicted.
    """

    def __init__(self, config: GroupsConfig) -> None:
        self.many, self.few = config.many, config.few

    def measure(self, outcome: Outcome) -> Measures:
        """Return ``many-observed``, ``medium-observed`` and ``few-observed`` of every split."""
        train = np.asarray(outcome.train_counts, dtype=np.float64)
        many, few = train > self.many, train < self.few
        groups = {
            "many": (many, f"classes with more than {self.many} training items"),
            "medium": (~many & ~few, f"classes with {self.few} to {self.many} training items"),
            "few": (few, f"classes with fewer than {self.few} training items"),
        }
        return Measures(
            tuple(
                self._of(outcome, split, name, *group)
                for split in outcome.splits
                for name, group in groups.items()
            )
        )

    def _of(self, outcome: Outcome, split: str, name: str, member: np.ndarray, which: str) -> Measure:
        known, scores = view(outcome, split), outcome.scores(split)
        size = f"{which} as observed: {int(member.sum())}"
        if isinstance(known, KnownLabels):
            units, here = known.units, member[known.y]
            right = (scores.top()[known.rows] == known.y) & here
        else:
            entries = known.positive & known.observed & member
            units, here = outcome.units(split), entries.sum(axis=1)
            right = (entries & present(scores)).sum(axis=1)
        nothing = _note(size, "no item of them here")
        return ratio_measure(f"{name}-observed", split, units, right, here, how=size, nothing=nothing)
