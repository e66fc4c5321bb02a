"""Confident learning: the assessor `confident-joint` (Northcutt, Jiang and Chuang 2021, arXiv:1911.00068).

It compares labels with out-of-fold probabilities p (M, C): an item labelled i that is predicted j with at
least the average confidence of the items labelled j is counted as probably being of class j.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from burnish.contracts.evaluator import Table
from burnish.contracts.noise import Assessment, Evidence
from burnish.data import Labels
from burnish.errors import DataError
from burnish_basics._noise import ConfidentJointConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Classes

_WHERE = "assess confident-joint"

_ROUNDING = 1e-6
"""A probability that misses a threshold by less reaches it, as in cleanlab.

The mean of equal probabilities can be larger than each of them by the last bit of their sum.
"""


class ConfidentJoint:
    """Flags probable label errors and says how likely each label is right.

    The assessment covers the items that have a label. `keep` is False for a label issue, `clean_probability`
    is the score.
    """

    def __init__(self, config: ConfidentJointConfig) -> None:
        self.config = config

    def assess(self, evidence: Evidence) -> Assessment:
        """Return the assessment, with the tables ``confident-joint`` and ``noise-rates``.

        Raises:
            DataError: the targets are no labels, or none is known.
        """
        if not isinstance(evidence.supervision, Labels):
            raise DataError(
                f"the targets are {evidence.supervision.word}",
                where=_WHERE,
                possible="labels, one class an item",
            )
        known = np.flatnonzero(evidence.supervision.known)
        if not len(known):
            raise DataError("no item has a label", where=_WHERE)
        y, p = evidence.supervision.y[known], evidence.probabilities[known].astype(np.float64)
        target = confident_class(y, p)
        joint = calibrated_joint(confident_counts(y, target, p.shape[1]), y)
        return Assessment(
            index=evidence.index[known],
            clean_probability=label_quality(y, p, self.config.score).astype(np.float32),
            keep=~self._issues(y, p, target, joint),
            tables={
                "confident-joint": _joint_table(joint, evidence.classes),
                "noise-rates": _rates_table(joint, evidence.classes),
            },
        )

    def _issues(
        self,
        y: NDArray[np.int64],
        p: NDArray[np.float64],
        target: NDArray[np.int64],
        joint: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        if self.config.filter == "confident-learning":
            return np.asarray((target >= 0) & (target != y))
        by_class, by_rate = prune_by_class(y, p, joint), prune_by_noise_rate(y, p, joint)
        return {"prune-by-class": by_class, "prune-by-noise-rate": by_rate, "both": by_class & by_rate}[
            self.config.filter
        ]


def thresholds(y: NDArray[np.int64], p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (C,) the mean confidence in class j of the items labelled j (equation 2).

    Infinite for a class nobody is labelled as, and where it would be 0: no model has seen such a class (its
    only item was held out), and every item would reach the threshold.
    """
    counts = np.bincount(y, minlength=p.shape[1])
    total = np.bincount(y, weights=p[np.arange(len(y)), y], minlength=p.shape[1])
    return np.asarray(np.divide(total, counts, out=np.full(p.shape[1], np.inf), where=total > 0))


def confident_class(y: NDArray[np.int64], p: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (M,) the class each item confidently counts for, -1 where its probability reaches no threshold.

    Of several classes that reach theirs it is the most probable one ("collisions", section 3.1).
    """
    confident = p >= thresholds(y, p) - _ROUNDING
    best = np.where(confident, p, -1).argmax(axis=1)
    return np.asarray(np.where(confident.any(axis=1), best, -1))


def confident_counts(y: NDArray[np.int64], target: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return the confident joint (C, C): items labelled i and confidently of class j (equation 1)."""
    counted = target >= 0
    joint = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(joint, (y[counted], target[counted]), 1)
    return joint


def calibrated_joint(counts: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the joint (C, C) in items.

    Each row scaled so that it sums to the number of items so labelled (equation 3, times M).

    A row without a confident item says nothing against its labels: all its items stand on the diagonal.
    """
    rows = counts.sum(axis=1)
    share = np.where(rows[:, None] > 0, counts / np.maximum(rows, 1)[:, None], np.eye(len(counts)))
    return np.asarray(share * np.bincount(y, minlength=len(counts))[:, None])


def whole(joint: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the joint in whole items by largest remainders, so that the rows keep their sums.

    Of equal remainders the first.
    """
    floor = np.floor(np.round(joint, 9))
    missing = np.rint(joint.sum(axis=1)).astype(np.int64) - floor.sum(axis=1).astype(np.int64)
    order = np.argsort(-np.round(joint - floor, 9), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return np.asarray(floor + (rank < missing[:, None]), dtype=np.int64)


def label_quality(y: NDArray[np.int64], p: NDArray[np.float64], score: str) -> NDArray[np.float64]:
    """Return (M,) in [0, 1], higher where the label is more likely right.

    ``"self-confidence"`` is p_y; ``"normalized-margin"`` is (p_y - max_{k != y} p_k + 1) / 2.
    """
    own = p[np.arange(len(y)), y]
    if score == "self-confidence":
        return np.asarray(np.clip(own, 0, 1))
    others = p.copy()
    others[np.arange(len(y)), y] = -np.inf
    best = others.max(axis=1) if p.shape[1] > 1 else np.zeros(len(y))
    return np.asarray(np.clip((own - best + 1) / 2, 0, 1))


def prune_by_class(
    y: NDArray[np.int64], p: NDArray[np.float64], joint: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (M,) True for the items of lowest p_y.

    In class i as many as its row has off the diagonal (section 3.2, method 3).
    """
    counts = whole(joint)
    issue = np.zeros(len(y), dtype=bool)
    for i in range(len(joint)):
        member = np.flatnonzero(y == i)
        order = np.argsort(p[member, i], kind="stable")
        issue[member[order[: len(member) - counts[i, i]]]] = True
    return issue


def prune_by_noise_rate(
    y: NDArray[np.int64], p: NDArray[np.float64], joint: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return (M,) True for the items of largest margin p_j - p_i.

    For each i != j as many as that entry has (section 3.2, method 4).
    """
    counts = whole(joint)
    issue = np.zeros(len(y), dtype=bool)
    for i, j in zip(*np.nonzero(counts), strict=True):
        if i != j:
            member = np.flatnonzero(y == i)
            order = np.argsort(p[member, i] - p[member, j], kind="stable")
            issue[member[order[: counts[i, j]]]] = True
    return issue


def _joint_table(joint: NDArray[np.float64], classes: Classes) -> Table:
    """Return the non-zero entries of the joint."""
    rows, columns = np.nonzero(joint)
    total = max(joint.sum(), 1.0)
    return Table(
        "confident-joint",
        "",
        {
            "labelled": [classes.names[i] for i in rows],
            "probably": [classes.names[j] for j in columns],
            "items": joint[rows, columns].tolist(),
            "share": (joint[rows, columns] / total).tolist(),
        },
    )


def _rates_table(joint: NDArray[np.float64], classes: Classes) -> Table:
    """Return per class how many items probably have its label wrongly, and how many probably lack it wrongly.

    The first are of the items so labelled, the second of the items that are so.
    """
    labelled, actual, right = joint.sum(axis=1), joint.sum(axis=0), np.diag(joint)

    def rate(n: NDArray[np.float64]) -> list[float]:
        return [float(v) for v in 1 - np.divide(right, n, out=np.ones_like(n), where=n > 0)]

    return Table(
        "noise-rates",
        "",
        {
            "class": list(classes.names),
            "labelled": labelled.tolist(),
            "probably": actual.tolist(),
            "labelled wrongly": rate(labelled),
            "labelled otherwise": rate(actual),
        },
    )
