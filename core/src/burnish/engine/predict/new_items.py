"""New inputs for a saved predictor: read one after another, in the order they stand in, without labels.

Sources read them, the same ones as for training. Only what no source reads, for nobody trains on it, is read
here: a single image, and a file with a text a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from burnish.contracts.source import GivesItems, NewItem
from burnish.errors import DataError, RecipeError
from burnish.files import translate_os_errors
from burnish.plan.parts import guess_source, read_source

if TYPE_CHECKING:
    from burnish.data import Dataset
    from burnish.manager import Manager

_NO_LINES: Final = frozenset(
    {".csv", ".tsv", ".tab", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", ".npy", ".npz", ".safetensors"}
    | {".gz", ".zip", ".xlsx"}
)
"""Endings of files whose lines are no texts."""


def new_items(data: str, modality: str, manager: Manager, *, column: str = "") -> Iterator[NewItem]:
    """Return the inputs that a command line names, lazily.

    Args:
        data: what ``--data`` takes: a path, or a source with its options, whose labels play no part; also an
            image, or a file with a text a line.
        modality: what the predictor reads: ``"image"``, ``"text"`` or ``"features"``.
        manager: finds sources.
        column: the table's column or the file's array; found by its name if not given.

    Raises:
        DataError: there is nothing to read, or it cannot be read as this modality.
        BurnishError: the source is unknown or its options are wrong.
    """
    path = Path(data).expanduser()
    if path.is_file() and not _has_source(data, manager):
        return _of_file(path, modality, data)
    source = read_source(data, manager, where="DATA")
    if isinstance(source, GivesItems):
        items = _begun(source.items(modality, column))
        # As it was typed, which the source does not know.
        return (replace(item, name=str(path / item.name)) for item in items) if path.is_dir() else items
    if column:
        raise DataError("this source has no columns to choose from", where=data, todo="Leave out --column")
    dataset = source.load()
    if dataset.modality != modality:
        raise DataError(f"its items are {dataset.modality}, and the predictor reads {modality}", where=data)
    return items_of(dataset)


def items_of(dataset: Dataset) -> Iterator[NewItem]:
    """Return all items of a data set in the order of its source.

    Raises:
        DataError: on reading an item that is damaged.
    """
    for position in np.argsort(dataset.rows, kind="stable"):
        yield NewItem(dataset.origin(int(position)), partial(dataset.read, int(position)))


def _begun(items: Iterator[NewItem]) -> Iterator[NewItem]:
    """Return items of which the first is there: what is wrong with all of them is told before any answer."""
    return chain(list(islice(items, 1)), items)


def _has_source(data: str, manager: Manager) -> bool:
    """Return whether a source reads this file."""
    try:
        return guess_source(data, Path(), manager, "DATA") is not None
    except RecipeError:
        return False


def _of_file(path: Path, modality: str, data: str) -> Iterator[NewItem]:
    if modality == "image":
        return iter([NewItem(str(path), path.read_bytes)])
    if modality == "text" and path.suffix.lower() not in _NO_LINES:
        return _lines(path)
    raise DataError(
        f"no {modality} inputs can be read from it",
        where=data,
        possible="what a source reads" + (", or a file with a text a line" if modality == "text" else ""),
        todo="Name a source with its options, such as csv:path=FILE",
    )


def _lines(path: Path) -> Iterator[NewItem]:
    with translate_os_errors(path, "read"), path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            raw = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            yield NewItem(str(number), partial(_line, raw.rstrip(b"\r\n"), f"{path}, line {number}"))


def _line(raw: bytes, where: str) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"the line is no UTF-8: {error.reason}", where=where) from error
    if not text.strip():
        raise DataError("the line is empty", where=where)
    return text
