"""Classes are an object, not a count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Classes:
    """The C classes that the columns of scores, counts and priors stand for.

    Attributes:
        names: C names for people; may repeat only where `ids` differ.
        ids: C distinct identifiers.
        known: (C,) bool, False for a class that no training item has (a *new* class).
        descriptions: nothing, or per class the texts that describe it.
        named: False where the names are mere numbers that the source made up, which mean nothing to a text
            tower.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    known: NDArray[np.bool_]
    descriptions: tuple[tuple[str, ...], ...] = ()
    named: bool = True

    def __post_init__(self) -> None:
        if len(set(self.ids)) != len(self.ids):
            twice = sorted({i for i in self.ids if self.ids.count(i) > 1})
            raise DataError(
                f"class {twice[0]!r} stands twice in the list of classes",
                todo="Give repeated names distinct ids",
            )
        if not len(self.names) == len(self.ids) == len(self.known):
            raise DataError(
                f"{len(self.names)} class names, {len(self.ids)} ids and {len(self.known)} known flags do not"
                " match"
            )
        if self.descriptions and len(self.descriptions) != len(self.names):
            raise DataError(f"{len(self.descriptions)} class descriptions for {len(self.names)} classes")
        self.known.setflags(write=False)

    @classmethod
    def of(cls, names: Sequence[str], descriptions: Sequence[Sequence[str]] = ()) -> Classes:
        """Return classes that are all known, with their names as ids."""
        return cls(
            tuple(names), tuple(names), np.ones(len(names), dtype=bool), tuple(tuple(d) for d in descriptions)
        )

    def __len__(self) -> int:
        return len(self.names)

    def subset(self, index: NDArray[np.int64]) -> Classes:
        """Return the classes at the given columns.

        They keep their ids, so what a column means never depends on what was observed.
        """
        return Classes(
            tuple(self.names[i] for i in index),
            tuple(self.ids[i] for i in index),
            self.known[index].copy(),
            tuple(self.descriptions[i] for i in index) if self.descriptions else (),
            self.named,
        )

    def with_known(self, known: NDArray[np.bool_]) -> Classes:
        """Return the classes with other known flags (C,)."""
        return replace(self, known=np.array(known, dtype=bool))

    def fingerprint(self) -> str:
        """Return a hash of names, ids, descriptions and known flags."""
        record = [self.names, self.ids, self.descriptions, self.known.tolist()]
        return hashlib.sha256(json.dumps(record).encode()).hexdigest()
