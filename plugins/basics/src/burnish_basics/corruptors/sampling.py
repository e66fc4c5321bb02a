"""Sampling noise: fewer training items, labels untouched. Items without a label stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from burnish.contracts.noise import Corruption, CorruptionInput
from burnish.errors import DataError
from burnish_basics._noise import FewShotConfig, LongTailConfig, NewClassesConfig
from burnish_basics.corruptors.draws import LABEL_ROLES, SAMPLING_ROLES, kept, labels_of, smallest

if TYPE_CHECKING:
    from numpy.typing import NDArray


class LongTail:
    """Keeps floor(n_max ratio^(-c / (C - 1))) items of class c, at least one.

    The profile is exponential (arXiv:1901.05555).

    n_max is the size of the largest class of the role; a class that has fewer items than its share keeps them
    all.
    """

    roles: ClassVar[frozenset[str]] = SAMPLING_ROLES

    def __init__(self, config: LongTailConfig) -> None:
        self.ratio = config.ratio

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the items kept.

        Raises:
            DataError: the targets are no labels.
        """
        labels, c = labels_of(clean, "long-tail"), len(clean.classes)
        y = labels.y[clean.index]
        largest = np.bincount(y[y >= 0], minlength=c).max(initial=0)
        profile = largest * self.ratio ** (-np.arange(c) / max(c - 1, 1))
        return _per_class(clean, y, np.maximum(1, np.floor(np.round(profile, 6)).astype(np.int64)))


class FewShot:
    """Keeps k labelled items of each class, or all of a class that has fewer."""

    roles: ClassVar[frozenset[str]] = SAMPLING_ROLES

    def __init__(self, config: FewShotConfig) -> None:
        self.shots = config.shots

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the items kept.

        Raises:
            DataError: the targets are no labels.
        """
        y = labels_of(clean, "few-shot").y[clean.index]
        return _per_class(clean, y, np.full(len(clean.classes), self.shots))


class NewClasses:
    """Takes every labelled item of the last classes away, in all roles but test.

    Floor(share C) new classes, ceil((1 - share) C) base classes.

    With a share of one half it is the split of CoOp's base-to-new protocol: the first ceil(C / 2) classes are
    base classes.
    """

    roles: ClassVar[frozenset[str]] = LABEL_ROLES

    def __init__(self, config: NewClassesConfig) -> None:
        self.share = config.share

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the items kept.

        Raises:
            DataError: the targets are no labels, or fewer than two classes would be left.
        """
        y, c = labels_of(clean, "new-classes").y[clean.index], len(clean.classes)
        base = c - int(np.floor(np.round(self.share * c, 6)))
        if base < 2:
            raise DataError(
                f"{base} of {c} classes would be left to train on",
                where="noise new-classes",
                todo="Lower share",
            )
        return kept(clean, clean.index[y < base])


def _per_class(clean: CorruptionInput, y: NDArray[np.int64], sizes: NDArray[np.int64]) -> Corruption:
    """Keep the `sizes[c]` items of smallest u of each class c, and every item without a label."""
    u = clean.uniforms(1)[:, 0]
    keep = y < 0
    for c, size in enumerate(sizes):
        member = np.flatnonzero(y == c)
        keep[member[smallest(u[member], int(size))]] = True
    return kept(clean, clean.index[keep])
