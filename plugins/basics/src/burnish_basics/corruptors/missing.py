"""Labels that become unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from burnish.contracts.noise import Corruption, CorruptionInput
from burnish.data import Labels, MultiLabels
from burnish.data.supervision import UNKNOWN
from burnish.errors import DataError
from burnish_basics._noise import MissingConfig
from burnish_basics.corruptors.draws import LABEL_ROLES, relabelled, share, smallest


class Missing:
    """Makes exactly ceil(rate n) of a role's n known labels unknown.

    Of multi-labels, of its n known entries, present or absent.
    """

    roles: ClassVar[frozenset[str]] = LABEL_ROLES

    def __init__(self, config: MissingConfig) -> None:
        self.rate = config.rate

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the supervision with labels, or entries, unknown.

        An item that lost any is marked as changed.

        Raises:
            DataError: the targets are neither labels nor multi-labels.
        """
        if isinstance(clean.supervision, Labels):
            labels = clean.supervision
            known = np.flatnonzero(labels.known[clean.index])
            hit = clean.index[known[smallest(clean.uniforms(1)[known, 0], share(self.rate, len(known)))]]
            return relabelled(clean, labels, hit, np.full(len(hit), UNKNOWN))
        if isinstance(clean.supervision, MultiLabels):
            return self._entries(clean, clean.supervision)
        raise DataError(
            f"the targets are {clean.supervision.word}",
            where="noise missing",
            possible="labels, multi-labels",
        )

    def _entries(self, clean: CorruptionInput, labels: MultiLabels) -> Corruption:
        shape = labels.positive.shape
        observed = np.ones(shape, dtype=bool) if labels.observed is None else labels.observed.toarray()
        rows, columns = np.nonzero(observed[clean.index])
        u = clean.uniforms(shape[1])[rows, columns]
        hit = smallest(u, share(self.rate, len(u)))
        lost = clean.index[rows[hit]]
        observed[lost, columns[hit]] = False
        changed = np.zeros(len(labels), dtype=bool)
        changed[lost] = True
        return Corruption(
            replace(labels, positive=labels.positive.toarray() & observed, observed=observed),
            clean.index,
            changed,
        )
