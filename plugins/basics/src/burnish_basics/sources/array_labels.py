"""Labels in arrays: numbers, names, or multi-labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from burnish.data import Labels, MultiLabels
from burnish.data.supervision import UNKNOWN
from burnish.errors import DataError, suggestion

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Part:
    """The labels of one array of items.

    Attributes:
        values: an array (N, ...) or a sparse matrix (N, C), one row per row of the items' array. Labels
            (N, 1) are what (N,) are.
        rows: the rows that are used.
        where: file and array, for messages.
    """

    values: Any
    rows: range
    where: str


@dataclass(frozen=True, eq=False)
class Single:
    """One class an item.

    Attributes:
        text: (M,) str what the labels of the M used rows say; empty where unknown.
        named: every class that the arrays name, in used rows or not.
        numbers: whether the labels are numbers, which stand for columns where class names are given.
        where: per used row, its place.
    """

    text: NDArray[Any]
    named: frozenset[str]
    numbers: bool
    where: Sequence[str]

    def supervision(self, names: Sequence[str], given: bool, weights: Any) -> Labels:
        """Return the supervision over C classes.

        Raises:
            DataError: a label is none of them.
        """
        column = {
            str(number) if self.numbers and given else name: number for number, name in enumerate(names)
        }
        distinct, code = np.unique(self.text, return_inverse=True)
        for at, label in enumerate(distinct.tolist()):
            if label and label not in column:
                row = int(np.argmax(code == at))
                if self.numbers:
                    raise DataError(
                        f"label {label} is out of range",
                        where=self.where[row],
                        possible=f"0 to {len(names) - 1}",
                    )
                hint = suggestion(label, column)
                raise DataError(
                    f"there is no class {label!r}. {hint}".strip(),
                    where=self.where[row],
                    possible=", ".join(names[:20]),
                )
        of_code = np.array(
            [column[label] if label else UNKNOWN for label in distinct.tolist()], dtype=np.int64
        )
        return Labels(y=of_code[code.reshape(-1)], weights=weights)


@dataclass(frozen=True, eq=False)
class Multi:
    """Any number of C classes an item.

    Attributes:
        positive: (M, C) sparse bool.
        observed: nothing where every entry is known, else (M, C) sparse bool.
    """

    positive: sp.csr_array
    observed: sp.csr_array | None

    def supervision(self, names: Sequence[str], given: bool, weights: Any) -> MultiLabels:
        """Return the supervision over C classes.

        Raises:
            DataError: there are not as many names as columns.
        """
        if len(names) != self.positive.shape[1]:
            raise DataError(f"{len(names)} class names for labels of {self.positive.shape[1]} columns")
        return MultiLabels(positive=self.positive, observed=self.observed, weights=weights)


Targets = Single | Multi


def read_targets(parts: Sequence[Part], unknown: int | None, where: Sequence[str]) -> Targets:
    """Return the labels of all used rows, one part after the other.

    Args:
        parts: labels by array.
        unknown: number that stands for unknown, or None.
        where: per used row, its place.

    Raises:
        DataError: labels are negative without `unknown`, no whole numbers, no 0 and 1, or of different kinds.
    """
    parts = [_in_one_row(part) for part in parts]
    dimensions = {2 if sp.issparse(part.values) else part.values.ndim for part in parts}
    if dimensions == {1}:
        return _single(parts, unknown, where)
    if dimensions == {2}:
        return _multi(parts, unknown)
    shapes = ", ".join(f"{part.where} {part.values.shape}" for part in parts)
    raise DataError(
        f"labels have shapes that do not go together: {shapes}", possible="(N,), or (N, C) of 0 and 1"
    )


def _in_one_row(part: Part) -> Part:
    """Return a column of labels (N, 1) as (N,), as scikit-learn takes it."""
    values = part.values
    is_column = not sp.issparse(values) and values.shape[1:] == (1,)
    return replace(part, values=values[:, 0]) if is_column else part


def _single(parts: Sequence[Part], unknown: int | None, where: Sequence[str]) -> Single:
    texts = [_texts(part, unknown) for part in parts]
    kinds = {numbers for _, numbers in texts}
    if len(kinds) > 1:
        raise DataError("some labels are numbers and some are names", where=parts[0].where)
    named = frozenset(str(name) for text, _ in texts for name in np.unique(text) if name)
    used = np.concatenate(
        [
            text[part.rows.start : part.rows.stop : part.rows.step]
            for (text, _), part in zip(texts, parts, strict=True)
        ]
    )
    return Single(used, named, kinds.pop(), where)


def _texts(part: Part, unknown: int | None) -> tuple[NDArray[Any], bool]:
    """Return labels as text, empty where unknown, and whether they are numbers."""
    values = np.asarray(part.values)
    if values.dtype.kind == "U":
        return np.char.strip(values), False
    if values.dtype.kind == "S":
        try:
            return np.char.strip(np.char.decode(values, "utf-8")), False
        except UnicodeDecodeError as error:
            raise DataError(f"the class names are not UTF-8: {error.reason}", where=part.where) from error
    if values.dtype.kind not in "iubf":
        raise DataError(f"labels are {values.dtype}", where=part.where, possible="numbers or names")
    known = np.ones(len(values), dtype=bool) if unknown is None else values != unknown
    bad = (
        known & ~(np.isfinite(values) & (values == np.floor(values)))
        if values.dtype.kind == "f"
        else np.zeros(len(values), dtype=bool)
    )
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"label {values[row]} is not a whole number",
            where=f"{part.where} row {row}",
            possible="numbers of classes, or their names",
        )
    if (known & (values < 0)).any():
        row = int(np.argmax(known & (values < 0)))
        todo = f"If it means that nobody labelled the item, say unknown={int(values[row])}"
        raise DataError(
            f"label {int(values[row])} is out of range",
            where=f"{part.where} row {row}",
            possible="0 or more",
            todo=todo,
        )
    whole = np.uint64 if values.dtype.kind == "u" else np.int64
    text = np.where(known, values, 0).astype(whole).astype(str)
    return np.where(known, text, ""), True


def _multi(parts: Sequence[Part], unknown: int | None) -> Multi:
    widths = {part.where: part.values.shape[1] for part in parts}
    if len(set(widths.values())) > 1:
        raise DataError(
            "label arrays differ in width: "
            + ", ".join(f"{where} {width}" for where, width in widths.items())
        )
    positive, observed = zip(*(_entries(part, unknown) for part in parts), strict=True)
    seen = None if unknown is None else sp.csr_array(sp.vstack(observed, format="csr"))
    return Multi(sp.csr_array(sp.vstack(positive, format="csr")), seen)


def _entries(part: Part, unknown: int | None) -> tuple[sp.csr_array, sp.csr_array | None]:
    """Return the positive and, where `unknown` is given, the observed entries of the used rows."""
    values = part.values[part.rows.start : part.rows.stop : part.rows.step]
    entries = values.data if sp.issparse(values) else np.asarray(values)
    if unknown == 1:
        todo = "Say unknown=0 where 1 is present and 0 is unknown"
        raise DataError(
            "unknown=1, but in multi-labels 1 says that a class is present",
            where=part.where,
            possible="any other number",
            todo=todo,
        )
    if entries.dtype.kind not in "iubf":
        raise DataError(f"multi-labels are {entries.dtype}", where=part.where, possible="0 and 1")
    fine = (
        (entries == 0) | (entries == 1)
        if unknown is None
        else (entries == 0) | (entries == 1) | (entries == unknown)
    )
    if not fine.all():
        at = np.argwhere(~np.asarray(fine))[0]
        place = (
            part.where
            if sp.issparse(values)
            else f"{part.where} row {part.rows[int(at[0])]}, column {int(at[1])}"
        )
        raise DataError(
            f"the entry {entries[tuple(at)]} is not 0 or 1",
            where=place,
            todo=(
                "Shares between 0 and 1 are not supported yet by any installed method; for a number that"
                " means unknown say unknown=NUMBER"
            ),
        )
    positive = sp.csr_array(values == 1)
    if unknown is None:
        return positive, None
    if unknown == 0:  # positive-unlabelled: only what is present was observed
        return positive, positive
    hidden = sp.csr_array(values == unknown)
    return positive, sp.csr_array(np.ones(values.shape, dtype=bool) & ~hidden.toarray())
