"""How supervision is written in a cell: the notation, and from cells to `burnish.data.Supervision`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
import scipy.sparse as sp

from burnish.data import Labels, MultiLabels, Supervision
from burnish.data.supervision import UNKNOWN
from burnish.errors import DataError, suggestion
from burnish_basics.sources._names import check_distinct, class_order

if TYPE_CHECKING:
    from burnish_basics._data import CsvConfig

Cell = str | list[str]
"""A cell as read: text in the notation, or (JSON lines, Parquet) a list of the classes that are present."""

Where = Callable[[int], str]
"""From a row of the source to the place that a message names."""

_WORDS = {
    "all": "all of several classes",
    "one": "exactly one of several classes",
    "soft": "a probability for each class",
}


@dataclass(frozen=True, slots=True)
class Marks:
    """What one cell says.

    Attributes:
        kind: ``"unknown"``, ``"plain"`` (one class), ``"all"`` (any number of classes), ``"one"`` (exactly
            one of) or ``"soft"``.
        present: classes that are named: present, candidates, or with a share.
        absent: classes that are marked absent.
    """

    kind: Literal["unknown", "plain", "all", "one", "soft"]
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


_UNKNOWN = Marks("unknown")


def parse(cell: Cell, config: CsvConfig) -> Marks:
    """Return what a cell says.

    ``a|b`` all of, ``a?b`` exactly one of, ``a=0.7|b=0.3`` shares, ``!a`` absent, ``!`` none, empty unknown.

    A mark counts only where it stands between (or before) names, so that the class ``lost_card?`` is a name.

    Raises:
        DataError: the cell mixes types, or names a class twice.
    """
    if isinstance(cell, list):
        return Marks("all", tuple(cell))
    text = cell.strip()
    if not text:
        return _UNKNOWN
    if config.labels == "single":
        return Marks("plain", (text,))
    if config.absent and text == config.absent:
        return Marks("all")
    parts = _split(text, config.all_of)
    shares = [_share(part, config.share) for part in parts]
    candidates = _split(text, config.one_of)
    if all(shares):
        return Marks("soft", tuple(name for name in shares if name))
    if len(candidates) > 1:
        if len(parts) > 1 or any(shares) or any(_is_absent(name, config) for name in candidates):
            raise DataError(
                f"the label {text!r} mixes {_WORDS['one']} with another notation",
                todo="Say labels=single if these are plain names",
            )
        return Marks("one", tuple(candidates))
    if any(shares):
        raise DataError(
            f"the label {text!r} gives a probability to some classes only",
            todo="Say labels=single if these are plain names",
        )
    return _all_of(text, parts, config)


def _all_of(text: str, parts: list[str], config: CsvConfig) -> Marks:
    absent = [part[len(config.absent) :].strip() for part in parts if _is_absent(part, config)]
    present = [part for part in parts if not _is_absent(part, config)]
    for name in (*present, *absent):
        if (present + absent).count(name) > 1:
            raise DataError(f"the label {text!r} names the class {name!r} twice")
    if len(parts) == 1 and not absent:
        return Marks("plain", (text,))
    return Marks("all", tuple(present), tuple(absent))


def _split(text: str, mark: str) -> list[str]:
    """Split at a mark; whole where the mark is off, or does not stand between names."""
    parts = [part.strip() for part in text.split(mark)] if mark else [text]
    return parts if all(parts) else [text]


def _is_absent(part: str, config: CsvConfig) -> bool:
    return bool(config.absent) and part.startswith(config.absent) and len(part) > len(config.absent)


def _share(part: str, mark: str) -> str:
    """Return the name in ``name=0.7``; empty where the part is not of this form."""
    name, found, number = part.rpartition(mark) if mark else ("", "", "")
    try:
        return name.strip() if found and 0 <= float(number) <= 1 else ""
    except ValueError:
        return ""


def supervise(cells: Sequence[Cell], config: CsvConfig, where: Where, what: str = "label") -> Parsed:
    """Parse every cell of a column.

    Raises:
        DataError: a cell is malformed, types are mixed, or they are of a type that nothing supports yet.
    """
    seen: dict[str, Marks] = {}
    marks: list[Marks] = []
    first: dict[str, int] = {}
    for row, cell in enumerate(cells):
        mark = seen.get(cell) if isinstance(cell, str) else None
        if mark is None:
            try:
                mark = parse(cell, config)
            except DataError as error:
                raise DataError(error.what, where=where(row), todo=error.todo) from error
            if isinstance(cell, str):
                seen[cell] = mark
        first.setdefault(mark.kind, row)
        marks.append(mark)
    types = [kind for kind in ("all", "one", "soft") if kind in first]
    if len(types) > 1:
        earlier, later = sorted(types[:2], key=first.__getitem__)
        raise DataError(
            f"the {what} {cells[first[later]]!r} says {_WORDS[later]}, but {where(first[earlier])} says"
            f" {_WORDS[earlier]}",
            where=where(first[later]),
            todo="Use one notation in a table, or say labels=single if these are plain names",
        )
    if types and types[0] != "all":
        _unsupported(types[0], cells[first[types[0]]], what, where(first[types[0]]))
    return Parsed(tuple(marks), multi=bool(types) or config.labels == "multi")


def _unsupported(kind: str, cell: Cell, what: str, where: str) -> NoReturn:
    raise DataError(
        f"the {what} {cell!r} says {_WORDS[kind]}, which is not supported yet by any installed method",
        where=where,
        possible="one class; classes that are all true; nothing for unknown",
        todo="Say labels=single if these are plain names",
    )


@dataclass(frozen=True)
class Parsed:
    """A column of cells, parsed.

    Attributes:
        marks: what each row says.
        multi: whether rows may have any number of classes.
    """

    marks: tuple[Marks, ...]
    multi: bool

    def named(self) -> set[str]:
        """Return every class that is named."""
        return {name for mark in set(self.marks) for name in (*mark.present, *mark.absent)}

    def supervision(
        self, classes: Sequence[str], config: CsvConfig, where: Where, weights: Any = None
    ) -> Supervision:
        """Return the supervision over given classes.

        Raises:
            DataError: a class that is not among them.
        """
        column = {name: number for number, name in enumerate(classes)}
        for row, mark in enumerate(self.marks):
            for name in (*mark.present, *mark.absent):
                if name not in column:
                    raise DataError(
                        f"there is no class {name!r}. {suggestion(name, column)}".strip(),
                        where=where(row),
                        possible=_listed(classes),
                    )
        return self._multi(column, config, weights) if self.multi else self._single(column, weights)

    def _single(self, column: dict[str, int], weights: Any) -> Labels:
        y = [column[mark.present[0]] if mark.present else UNKNOWN for mark in self.marks]
        return Labels(y=np.array(y, dtype=np.int64), weights=weights)

    def _multi(self, column: dict[str, int], config: CsvConfig, weights: Any) -> MultiLabels:
        shape = (len(self.marks), len(column))
        positive = _entries([[column[name] for name in mark.present] for mark in self.marks], shape)
        unnamed = config.unnamed
        if unnamed == "auto":
            unnamed = "unknown" if any(mark.absent for mark in self.marks) else "absent"
        everything = list(range(len(column)))
        if unnamed == "absent":
            if all(mark.kind != "unknown" for mark in self.marks):
                return MultiLabels(positive=positive, weights=weights)
            seen = [[] if mark.kind == "unknown" else everything for mark in self.marks]
        else:
            # The lone mark for "none of the classes" says something of every class.
            none = Marks("all")
            seen = [
                everything if mark == none else [column[name] for name in (*mark.present, *mark.absent)]
                for mark in self.marks
            ]
        return MultiLabels(positive=positive, observed=_entries(seen, shape), weights=weights)


def _entries(columns: list[list[int]], shape: tuple[int, int]) -> sp.csr_array:
    """Return (N, C) sparse bool, True at the given columns of each row."""
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in columns])])
    indices = np.array([column for row in columns for column in row], dtype=np.int64)
    return sp.csr_array((np.ones(len(indices), dtype=bool), indices, indptr), shape=shape)


def references_of(cells: Sequence[Cell], separator: str) -> tuple[tuple[str, ...], ...]:
    """Return the acceptable answers of every cell of a column; none where it is empty.

    Args:
        cells: as read: a text, or a list of answers.
        separator: what stands between the answers of a text; empty where a text is one answer.
    """
    parts = (
        cell if isinstance(cell, list) else cell.split(separator) if separator else [cell] for cell in cells
    )
    return tuple(tuple(dict.fromkeys(text for part in row if (text := part.strip()))) for row in parts)


def class_names(parsed: Sequence[Parsed], given: Sequence[str], where: str) -> list[str]:
    """Return the classes in order: those given, else every class that is named, sorted.

    Raises:
        DataError: a class is given twice, or none is named anywhere.
    """
    check_distinct(given, where)
    names = list(given) or class_order(name for part in parsed for name in part.named())
    if not names:
        raise DataError(
            "no item has a label, and no classes are given",
            where=where,
            todo="Say label=COLUMN, or list them: classes=[a, b]",
        )
    return names


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(classes[:20]) + (f", ... ({len(classes)} classes)" if len(classes) > 20 else "")
