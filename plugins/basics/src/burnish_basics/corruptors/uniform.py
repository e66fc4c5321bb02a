"""Noise that depends on nothing but the rate: none, symmetric, pair."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from burnish import NoConfig
from burnish.contracts.noise import Corruption, CorruptionInput
from burnish.errors import DataError
from burnish_basics._noise import PairConfig, SymmetricConfig
from burnish_basics.corruptors.draws import LABEL_ROLES, kept, labels_of, relabelled, share, smallest


class Nothing:
    """Leaves everything as it is: the clean end of an axis."""

    roles: ClassVar[frozenset[str]] = LABEL_ROLES

    def __init__(self, config: NoConfig) -> None:
        del config

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the supervision as it came."""
        return kept(clean, clean.index)


class Symmetric:
    """Flips exactly ceil(rate n) of a role's n labelled items to a uniformly drawn class.

    With `exclude_true` (the default) that is another class: (y + 1 + floor(u (C - 1))) mod C. Without, it is
    any of the C classes, as in much released code, and about rate (1 - 1/C) of the labels are wrong.
    """

    roles: ClassVar[frozenset[str]] = LABEL_ROLES

    def __init__(self, config: SymmetricConfig) -> None:
        self.rate, self.exclude_true = config.rate, config.exclude_true

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the flipped labels.

        Raises:
            DataError: the targets are no labels, or there is only one class.
        """
        labels, c = labels_of(clean, "symmetric"), len(clean.classes)
        _several(c, "symmetric")
        u = clean.uniforms(2)
        known = np.flatnonzero(labels.known[clean.index])
        hit = known[smallest(u[known, 0], share(self.rate, len(known)))]
        y, draw = labels.y[clean.index[hit]], u[hit, 1]
        choices = c - 1 if self.exclude_true else c
        # u is below 1, but u * choices may round up to it.
        step = np.minimum((draw * choices).astype(np.int64), choices - 1)
        return relabelled(clean, labels, clean.index[hit], (y + 1 + step) % c if self.exclude_true else step)


class Pair:
    """Flips exactly ceil(rate n) of a role's n labelled items to the next class, (y + 1) mod C.

    This is the pair flip of arXiv:1804.06872.
    """

    roles: ClassVar[frozenset[str]] = LABEL_ROLES

    def __init__(self, config: PairConfig) -> None:
        self.rate = config.rate

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the flipped labels.

        Raises:
            DataError: the targets are no labels, or there is only one class.
        """
        labels, c = labels_of(clean, "pair"), len(clean.classes)
        _several(c, "pair")
        known = np.flatnonzero(labels.known[clean.index])
        hit = clean.index[known[smallest(clean.uniforms(1)[known, 0], share(self.rate, len(known)))]]
        return relabelled(clean, labels, hit, (labels.y[hit] + 1) % c)


def _several(classes: int, noise: str) -> None:
    if classes < 2:
        raise DataError(
            "there is only one class, so no label can be wrong",
            where=f"noise {noise}",
            todo="Use noise: none",
        )
