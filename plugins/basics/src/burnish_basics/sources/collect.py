"""From the rows of a table to columns, compactly: a table may have millions of rows."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from burnish.errors import DataError
from burnish_basics.sources._names import SPLIT_NAMES, split_of
from burnish_basics.sources._rows import Columns, Row
from burnish_basics.sources.labels import Cell
from burnish_basics.sources.texts import Texts

_LONGEST_PATH: Final = 4_096
"""Characters of a path: no system that burnish runs on opens a longer one."""

_SHOWN_KEYS: Final = 5
_SHOWN: Final = 40


class Collected:
    """The rows of one or more tables, in order.

    Lists of parts that have no column stay empty, but for labels.

    Attributes:
        unusable: rows that cannot be read, with the reason.
        texts: the items, where they are texts.
        images: paths of the items, where they are images.
        label: label of each row; empty where there is no column.
        truth: clean labels.
        references: acceptable answers.
        group: names of groups.
        weight: weights.
        split: split of each row; empty where nothing fixes it.
        places: for each table what comes before a row's number in messages, and the numbers.
    """

    def __init__(self) -> None:
        self.unusable: dict[int, str] = {}
        self.texts = Texts(self.unusable)
        self.images: list[str] = []
        self.label: list[Cell] = []
        self.truth: list[Cell] = []
        self.references: list[Cell] = []
        self.group: list[str] = []
        self.weight: array[float] = array("d")
        self.split: list[str] = []
        self.places: list[tuple[str, array[int]]] = []

    def __len__(self) -> int:
        return len(self.label)


def collect(
    rows: Iterable[Row],
    columns: Columns,
    header: Sequence[str],
    into: Collected,
    *,
    place: str,
    root: Path | None,
    split: str,
) -> None:
    """Add the rows of one table.

    Args:
        rows: the rows.
        columns: which column plays which part.
        header: the columns that the rows have.
        into: where they are added.
        place: what comes before a row's number in messages.
        root: folder that image paths start from; None for texts.
        split: split of all rows; empty where a column or nothing fixes it.

    Raises:
        DataError: a label or split that is none.
    """
    numbers: array[int] = array("q")
    into.places.append((place, numbers))
    missing = [None] * len(header)
    at = {name: column for column, name in enumerate(header)}
    same: dict[str, str] = {}
    for number, cells in rows:
        row = len(into)
        numbers.append(number)
        if isinstance(cells, str):
            into.unusable[row] = cells
        record = missing if isinstance(cells, str) else cells
        where = f"{place} {number}"
        _add_item(record[at[columns.content]], root, row, into)
        into.label.append(_label(record[at[columns.label]], same, where) if columns.label else "")
        if columns.truth:
            into.truth.append(_label(record[at[columns.truth]], same, where))
        if columns.references:
            into.references.append(_label(record[at[columns.references]], {}, where))
        if columns.group:
            into.group.append(cell_text(record[at[columns.group]], where))
        if columns.weight:
            into.weight.append(_weight(record[at[columns.weight]], row, into))
        into.split.append(_split(record[at[columns.split]], row, where, into) if columns.split else split)


def _add_item(cell: Any, root: Path | None, row: int, into: Collected) -> None:
    reason = why_no_text(cell)
    text = "" if reason else cell_text(cell)
    reason = reason or (why_no_path(text) if root is not None else "")
    if reason:
        into.unusable.setdefault(row, reason)
    if root is None:
        into.texts.append(text)
    else:
        into.images.append(str(root / ("" if reason else text.strip())))


def why_no_text(cell: Any) -> str:
    """Return why a cell is neither a text nor a number; empty where it is one."""
    if isinstance(cell, dict):
        keys = ", ".join(map(str, list(cell)[:_SHOWN_KEYS]))
        inside = "a picture's bytes" if "bytes" in cell else f"an object with {keys or 'nothing in it'}"
        return f"the cell holds {inside}, and no text"
    if isinstance(cell, (list, tuple)):
        return f"the cell is a list of {len(cell)}, and no text"
    if isinstance(cell, bytes):
        try:
            cell.decode()
        except UnicodeDecodeError as error:
            return f"the cell's bytes are no UTF-8 text: {error.reason}"
    return ""


def why_no_path(text: str) -> str:
    """Return why a cell cannot be the path of an image; empty where it can."""
    if "\0" in text:
        return "the image's path holds a zero byte"
    if len(text) > _LONGEST_PATH:
        return f"the cell has {len(text):,} characters, and is no image's path"
    return "" if text.strip() else "there is no image path"


def cell_text(cell: Any, where: str = "") -> str:
    """Return a cell as text: empty where there is none, bytes as UTF-8.

    Raises:
        DataError: it is neither text nor number.
    """
    if reason := why_no_text(cell):
        raise DataError(reason, where=where)
    if isinstance(cell, bytes):
        return cell.decode()
    return "" if cell is None else str(cell)


def _label(cell: Any, same: dict[str, str], where: str) -> Cell:
    """Return a label cell, with whole numbers that are stored as floats written without the point.

    Pandas stores them so beside missing values.

    Args:
        cell: as read.
        same: keeps one text for all equal cells.
        where: the row's place.
    """
    if isinstance(cell, (list, tuple)):
        names = [cell_text(name, where).strip() for name in cell]
        if not all(names):
            raise DataError("the list of labels holds an empty name", where=where)
        return names
    if isinstance(cell, float):
        if math.isnan(cell):
            return ""
        cell = int(cell) if cell.is_integer() else cell
    if isinstance(cell, dict):
        raise DataError("the label is an object, not a name or a list of names", where=where)
    text = cell_text(cell, where)
    return same.setdefault(text, text)


def _weight(cell: Any, row: int, into: Collected) -> float:
    if cell is None:  # a record that has no such key, or null
        return 1.0
    try:
        weight = float(cell)
    except (TypeError, ValueError):
        weight = math.nan
    if math.isfinite(weight) and 0 <= weight < 3e38:
        return weight
    into.unusable.setdefault(row, f"the weight {str(cell)[:_SHOWN]!r} is not a number of at least 0")
    return 0.0


def _split(cell: Any, row: int, where: str, into: Collected) -> str:
    if cell is None:
        return "train"
    text = cell_text(cell, where)
    name = split_of(text)
    if name is None:
        if row in into.unusable:
            return "train"  # the row cannot be read anyway, and says so when it is
        raise DataError(f"{text!r} is no split", where=where, possible=SPLIT_NAMES)
    return name
