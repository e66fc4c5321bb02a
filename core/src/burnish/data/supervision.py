"""Supervision: the targets of N items and how they are imperfect.

The records are frozen and their arrays read-only. None of them holds the truth: where labels are corrupted
for a study, the clean ones stay with the engine. A plugin may bring a record of its own: whatever the engine
does with one is a method of it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import scipy.sparse as sp

from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = -1
"""The label of an item that nobody labelled."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Supervision(ABC):
    """What is said about the targets of N items.

    A class that adds a field to a record defines `take`, `hide`, `differs` and `arrays` anew: those that it
    inherits know nothing of the field, and what they leave in it of test items would reach tuners.

    Attributes:
        weights: nothing, or (N,) float32 at least 0: how much each item counts.
    """

    weights: NDArray[np.float32] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a record with a field that its methods do not know.

        Raises:
            TypeError: a field is added and one of the methods is not defined beside it.
        """
        super().__init_subclass__(**options)
        added = [name for name, kind in inspect.get_annotations(cls).items() if "ClassVar" not in str(kind)]
        missing = [name for name in ("take", "hide", "differs", "arrays") if name not in vars(cls)]
        if added and missing:
            raise TypeError(
                f"{cls.__name__} adds {added[0]!r} and inherits {', '.join(missing)}, which do not know it:"
                " define them"
            )

    def _check_weights(self, n: int) -> None:
        if self.weights is None:
            return
        if self.weights.shape != (n,):
            raise DataError(f"{self.weights.shape} weights for {n} items")
        bad = np.flatnonzero(~np.isfinite(self.weights) | (self.weights < 0))
        if len(bad):
            raise DataError(f"weight {self.weights[bad[0]]} of item {bad[0]} is not a number of at least 0")
        self.weights.setflags(write=False)

    @property
    @abstractmethod
    def word(self) -> str:
        """The word of needs and provides for this type: ``"labels"``, ``"multi-labels"`` or ``"texts"``."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def known(self) -> NDArray[np.bool_]:
        """(N,) bool: anything was observed of the item's target."""

    @abstractmethod
    def take(self, index: NDArray[np.int64]) -> Self:
        """Return the supervision of the M items at `index` (M,) int64."""

    @abstractmethod
    def counts(self, classes: int) -> NDArray[np.float64]:
        """Return (C,) float64 weighted counts per class, 0 for absent classes.

        Unknown items count nowhere.
        """

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array of the record by name, for the fingerprint."""

    @abstractmethod
    def hide(self, positions: NDArray[np.int64]) -> Self:
        """Return the supervision with nothing known of the items at `positions` (M,) int64.

        The engine hides test items so from all that is shown to tuners and assessors: a record that keeps
        anything of them, such as votes, gives it away.
        """

    @abstractmethod
    def differs(self, other: Supervision) -> NDArray[np.bool_]:
        """Return (N,) bool: what is said of the item is not the same in the two.

        Raises:
            DataError: they are of different kinds or lengths.
        """

    def corrected(self, other: Supervision, index: NDArray[np.int64]) -> Self:
        """Return the supervision with what `other` says of the M items at `index` (M,) int64.

        Raises:
            DataError: it cannot stand in the place of this kind.
        """
        raise DataError(f"{other.word} cannot replace {self.word}", where="assess")

    def _alike(self, other: Supervision) -> Self:
        """Return `other`, which is of the same kind and of as many items."""
        if len(other) != len(self):
            raise DataError(f"{len(other)} targets for {len(self)} items")
        if type(other) is not type(self):
            theirs, mine = other.word, self.word
            if theirs == mine:
                theirs, mine = type(other).__name__, type(self).__name__
            raise DataError(f"{theirs} in the place of {mine}")
        return other

    def _weights_at(self, index: NDArray[np.int64]) -> NDArray[np.float32] | None:
        return None if self.weights is None else self.weights[index]

    def with_weights(self, weights: NDArray[np.float32] | None) -> Self:
        """Return the same supervision with other weights (N,) float32."""
        return replace(self, weights=weights)

    def fingerprint(self) -> str:
        """Return a hash of these arrays and of nothing else."""
        digest = hashlib.sha256(self.word.encode())
        arrays = self.arrays() | ({} if self.weights is None else {"weights": self.weights})
        for name, array in sorted(arrays.items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False, kw_only=True)
class Labels(Supervision):
    """One class an item.

    Attributes:
        y: (N,) int64 class columns, `UNKNOWN` (-1) where nobody labelled the item.
    """

    y: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.y.ndim != 1 or self.y.dtype != np.int64:
            raise DataError(
                f"labels are an array of shape {self.y.shape} and dtype {self.y.dtype}", possible="(N,) int64"
            )
        if len(self.y) and self.y.min() < UNKNOWN:
            row = int(np.argmin(self.y))
            raise DataError(
                f"label {self.y[row]} of item {row} is out of range", possible="0 to C - 1, or -1 for unknown"
            )
        self.y.setflags(write=False)
        self._check_weights(len(self.y))

    @property
    def word(self) -> str:
        """The word of needs and provides for this type."""
        return "labels"

    def __len__(self) -> int:
        return len(self.y)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) bool: the label is not `UNKNOWN`."""
        known: NDArray[np.bool_] = self.y != UNKNOWN
        return known

    def take(self, index: NDArray[np.int64]) -> Self:
        """Return the supervision of the M items at `index` (M,) int64."""
        return replace(self, y=self.y[index], weights=self._weights_at(index))

    def hide(self, positions: NDArray[np.int64]) -> Self:
        """Return the labels with those at `positions` unknown."""
        y = self.y.copy()
        y[positions] = UNKNOWN
        return replace(self, y=y)

    def differs(self, other: Supervision) -> NDArray[np.bool_]:
        """Return (N,) bool: the label is another one."""
        changed: NDArray[np.bool_] = self.y != self._alike(other).y
        return changed

    def corrected(self, other: Supervision, index: NDArray[np.int64]) -> Self:
        """Return the labels with those of `other` at `index`."""
        if not isinstance(other, Labels):
            return super().corrected(other, index)
        y = self.y.copy()
        y[index] = other.y
        return replace(self, y=y)

    def counts(self, classes: int) -> NDArray[np.float64]:
        """Return (C,) float64 weighted counts per class; unknown items count nowhere."""
        weights = None if self.weights is None else self.weights[self.known]
        return np.bincount(self.y[self.known], weights=weights, minlength=classes).astype(np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array of the record by name."""
        return {"y": self.y}


@dataclass(frozen=True, eq=False, kw_only=True)
class MultiLabels(Supervision):
    """Any number of classes an item; some may be unknown.

    Attributes:
        positive: (N, C) sparse bool, True where the class is present.
        observed: nothing where every entry is known, else (N, C) sparse bool: True where an entry, present or
            absent, is known.
    """

    positive: sp.csr_array
    observed: sp.csr_array | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "positive", _boolean(self.positive))
        if self.observed is not None:
            object.__setattr__(self, "observed", _boolean(self.observed))
            if self.observed.shape != self.positive.shape:
                raise DataError(
                    f"observed entries {self.observed.shape} do not match labels {self.positive.shape}"
                )
            if (self.positive > self.observed).nnz:
                raise DataError("an entry is positive but not observed")
        self._check_weights(self.positive.shape[0])

    @property
    def word(self) -> str:
        """The word of needs and provides for this type."""
        return "multi-labels"

    def __len__(self) -> int:
        return int(self.positive.shape[0])

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) bool: at least one entry is observed."""
        if self.observed is None:
            return np.ones(len(self), dtype=bool)
        known: NDArray[np.bool_] = np.diff(self.observed.indptr) > 0
        return known

    def take(self, index: NDArray[np.int64]) -> Self:
        """Return the supervision of the M items at `index` (M,) int64."""
        observed = None if self.observed is None else self.observed[index]
        return replace(
            self, positive=self.positive[index], observed=observed, weights=self._weights_at(index)
        )

    def hide(self, positions: NDArray[np.int64]) -> Self:
        """Return the labels with every entry at `positions` unknown."""
        shown = np.ones((len(self), 1), dtype=bool)
        shown[positions] = False
        keep = sp.csr_array(shown)
        observed = self._observed().multiply(keep)
        return replace(self, positive=self.positive.multiply(keep), observed=observed)

    def differs(self, other: Supervision) -> NDArray[np.bool_]:
        """Return (N,) bool: an entry is present in one alone, or known in one alone."""
        others = self._alike(other)
        changed = np.diff((self.positive != others.positive).tocsr().indptr) > 0
        if self.observed is not None or others.observed is not None:
            known = self._observed() != others._observed()
            changed |= np.diff(known.tocsr().indptr) > 0
        return np.asarray(changed)

    def _observed(self) -> sp.csr_array:
        """Return the observed entries, written out where all are."""
        if self.observed is not None:
            return self.observed
        return sp.csr_array(np.ones(self.positive.shape, dtype=bool))

    def counts(self, classes: int) -> NDArray[np.float64]:
        """Return (C,) float64 weighted counts of observed positives per class."""
        weights = np.ones(len(self)) if self.weights is None else self.weights.astype(np.float64)
        return np.asarray(weights @ self.positive.astype(np.float64)).reshape(classes)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array of the record by name."""
        parts = {"positive": self.positive} | ({} if self.observed is None else {"observed": self.observed})
        # scipy chooses the width of its indices by itself; what is said does not depend on it.
        arrays = {
            f"{name}.{kind}": getattr(part, kind).astype(np.int64)
            for name, part in parts.items()
            for kind in ("indices", "indptr")
        }
        return arrays | {"shape": np.array(self.positive.shape, dtype=np.int64)}


@dataclass(frozen=True, eq=False, kw_only=True)
class Texts(Supervision):
    """Acceptable answers of an item, each of which is right.

    For tasks whose answers are texts and not classes.

    Attributes:
        references: of N items the acceptable texts; none where nobody gave one.
    """

    references: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "references", tuple(tuple(texts) for texts in self.references))
        for row, texts in enumerate(self.references):
            if any(not isinstance(text, str) or not text.strip() for text in texts):
                raise DataError(
                    f"a reference of item {row} is empty or no text",
                    todo="Give each item texts, or nothing where none is known",
                )
        self._check_weights(len(self.references))

    @property
    def word(self) -> str:
        """The word of needs and provides for this type."""
        return "texts"

    def __len__(self) -> int:
        return len(self.references)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) bool: the item has a reference."""
        return np.array([bool(texts) for texts in self.references], dtype=bool)

    def take(self, index: NDArray[np.int64]) -> Self:
        """Return the supervision of the M items at `index` (M,) int64."""
        references = tuple(self.references[int(at)] for at in index)
        return replace(self, references=references, weights=self._weights_at(index))

    def hide(self, positions: NDArray[np.int64]) -> Self:
        """Return the texts without those at `positions`."""
        gone = set(positions.tolist())
        shown = tuple(() if row in gone else texts for row, texts in enumerate(self.references))
        return replace(self, references=shown)

    def differs(self, other: Supervision) -> NDArray[np.bool_]:
        """Return (N,) bool: the acceptable texts are others."""
        pairs = zip(self.references, self._alike(other).references, strict=True)
        return np.array([mine != theirs for mine, theirs in pairs], dtype=bool)

    def counts(self, classes: int) -> NDArray[np.float64]:
        """Return (C,) zeros: texts are no classes."""
        return np.zeros(classes, dtype=np.float64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return every array of the record by name."""
        return {"references": np.frombuffer(json.dumps(self.references).encode(), dtype=np.uint8)}


def _boolean(matrix: Any) -> sp.csr_array:
    csr = sp.csr_array(matrix, dtype=bool, copy=True)  # the given one may be read-only, or someone else's
    csr.eliminate_zeros()
    csr.sum_duplicates()
    csr.sort_indices()
    for array in (csr.data, csr.indices, csr.indptr):
        array.setflags(write=False)
    return csr
