"""New inputs for a saved predictor: read one after another, in the order they stand in, without labels.

Sources insist on supervision or classes, and load a table whole; what is to be predicted has neither, and may
be longer than memory.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from burnish.engine.parts import make
from burnish.errors import DataError, MachineError
from burnish.files import translate_os_errors
from burnish.plan.parts import read_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Dataset
    from burnish.manager import Manager

IMAGES: Final = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".jp2",
        ".avif",
    }
)
"""File endings of images."""

TABLES: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
"""File endings of tables, with what separates their columns."""

JSON_LINES: Final = frozenset({".jsonl", ".ndjson"})
"""File endings of tables with a JSON object a line."""

ARRAYS: Final = frozenset({".npy", ".npz"})
"""File endings of arrays."""

_NO_LINES: Final = ARRAYS | {".json", ".parquet", ".pq", ".safetensors"}
"""Endings of files whose lines are no texts."""

_COLUMNS: Final = {"text": ("text", "sentence", "document"), "image": ("image", "path", "file", "filename")}
_NAMES: Final = ("x", "features", "images", "X")


@dataclass(frozen=True, eq=False)
class NewItem:
    """One input.

    Attributes:
        name: its path, or the number of its row, counted from 1.
        read: gives its payload: image bytes or uint8 (H, W, 3), a text, or a float32 row; raises `DataError`
            or `OSError`.
    """

    name: str
    read: Callable[[], Any]


def new_items(data: str, modality: str, manager: Manager, *, column: str = "") -> Iterator[NewItem]:
    """Return the inputs that a command line names, lazily.

    Args:
        data: an image, or a folder with images in it or anywhere below (by name); a text file with a text a
            line; a CSV or TSV table with a header; JSON lines; an ``.npy`` or ``.npz`` file; or a source with
            its options, such as ``digits``, whose labels play no part.
        modality: what the predictor reads: ``"image"``, ``"text"`` or ``"features"``.
        manager: finds sources.
        column: the table's column or the file's array; found by its name if not given.

    Raises:
        DataError: there is nothing to read, or it cannot be read as this modality.
        BurnishError: the source is unknown or its options are wrong.
    """
    path = Path(data).expanduser()
    if not path.exists():
        dataset = make(read_part("data", data, manager, where="DATA").part, manager).load()
        if dataset.modality != modality:
            raise DataError(
                f"its items are {dataset.modality}, and the predictor reads {modality}", where=data
            )
        return items_of(dataset)
    ending = path.suffix.lower()
    if path.is_dir() and modality == "image":
        return _in_folder(path)
    if ending in TABLES and modality != "features":
        return _in_table(path, modality, column, TABLES[ending])
    if ending in JSON_LINES and modality != "features":
        return _in_json_lines(path, modality, column)
    if ending in ARRAYS and modality != "text":
        return _in_array(path, modality, column)
    if path.is_file() and modality == "text" and ending not in _NO_LINES:
        return _in_lines(path)
    if path.is_file() and modality == "image":
        return iter([NewItem(str(path), path.read_bytes)])
    readable = {
        "image": "an image, a folder of images, a .csv, .tsv or .jsonl table with paths, .npy, .npz",
        "text": "a text file, a .csv, .tsv or .jsonl table",
        "features": ".npy, .npz",
    }
    todo = (
        "Or name a source with its options, such as"
        f" {'npz:path=FILE,x=NAME' if modality == 'features' else 'csv:path=FILE'}"
    )
    raise DataError(
        f"no {modality} inputs can be read from it",
        where=data,
        possible=readable.get(modality, ""),
        todo=todo,
    )


def items_of(dataset: Dataset) -> Iterator[NewItem]:
    """Return all items of a data set in the order of its source.

    Raises:
        DataError: on reading an item that is damaged.
    """
    for position in np.argsort(dataset.rows, kind="stable"):
        yield NewItem(dataset.origin(int(position)), partial(dataset.read, int(position)))


def _in_folder(folder: Path) -> Iterator[NewItem]:
    paths = sorted(_image_files(folder))
    if not paths:
        raise DataError(
            "there is no image in it or below", where=str(folder), possible=", ".join(sorted(IMAGES))
        )
    return (NewItem(str(path), path.read_bytes) for path in paths)


def _image_files(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"cannot be read: {error.strerror}", where=str(error.filename or folder)) from error

    for inside, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (
            Path(inside, name)
            for name in names
            if Path(name).suffix.lower() in IMAGES and not name.startswith(".")
        )


def _in_lines(path: Path) -> Iterator[NewItem]:
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


def _in_table(path: Path, modality: str, column: str, delimiter: str) -> Iterator[NewItem]:
    try:
        with translate_os_errors(path, "read"), path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.reader(file, delimiter=delimiter, strict=True)
            header = next(rows, [])
            if (
                not column
                and len(header) == 1
                and (odd := next((mark for mark in (";", "\t", "|") if mark in header[0]), ""))
            ):
                todo = (
                    "Separate them by commas (.csv) or tabs (.tsv), or say --column NAME where it is one"
                    " column"
                )
                raise DataError(
                    f"the only column is {header[0]!r}: {odd!r} seems to separate its columns",
                    where=str(path),
                    todo=todo,
                )
            at = _column(header, modality, column, str(path))
            for number, row in enumerate((row for row in rows if row), start=1):
                where = f"{path}, row {number}"
                read = (
                    partial(_cell, row, at, len(header), where)
                    if modality == "text"
                    else partial(_file, row, at, len(header), path.parent, where)
                )
                yield NewItem(str(number), read)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"the table cannot be read: {error}", where=str(path), todo="Save it as UTF-8 with a header"
        ) from error


def _column(header: Sequence[str], modality: str, column: str, where: str) -> int:
    wanted = (column,) if column else _COLUMNS[modality]
    found = [at for at, name in enumerate(header) if (name if column else name.strip().lower()) in wanted]
    if not column and len(header) == 1:
        found = [0]
    if len(found) != 1:
        what = (
            f"there is no column {column!r}"
            if column
            else f"which column is the {modality} cannot be told from the names"
        )
        raise DataError(what, where=where, possible=", ".join(header), todo="Say --column NAME")
    return found[0]


def _cell(row: Sequence[str], at: int, width: int, where: str) -> str:
    if len(row) != width:
        raise DataError(f"the row has {len(row)} cells, and the header {width}", where=where)
    if not row[at].strip():
        raise DataError("the cell is empty", where=where)
    return row[at]


def _in_json_lines(path: Path, modality: str, column: str) -> Iterator[NewItem]:
    name = ""
    with translate_os_errors(path, "read"), path.open("rb") as file:
        for number, raw in enumerate((line for line in file if line.strip()), start=1):
            where = f"{path}, row {number}"
            if not name:
                try:
                    names = list(_object(raw, where))
                except DataError:
                    yield NewItem(
                        str(number), partial(_object, raw, where)
                    )  # which says what is wrong with it
                    continue
                name = names[_column(names, modality, column, str(path))]
            read = (
                partial(_member, raw, name, where)
                if modality == "text"
                else partial(_member_file, raw, name, path.parent, where)
            )
            yield NewItem(str(number), read)


def _object(raw: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(raw.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"the line is no JSON: {error}", where=where) from error
    if not isinstance(value, dict):
        raise DataError("the line is no JSON object", where=where, todo='Write for instance {"text": "..."}')
    return value


def _member(raw: bytes, name: str, where: str) -> str:
    value = _object(raw, where).get(name)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{name!r} is empty or no text", where=where)
    return value


def _member_file(raw: bytes, name: str, root: Path, where: str) -> bytes:
    return _bytes(root, _member(raw, name, where), where)


def _file(row: Sequence[str], at: int, width: int, root: Path, where: str) -> bytes:
    return _bytes(root, _cell(row, at, width, where), where)


def _bytes(root: Path, name: str, where: str) -> bytes:
    try:
        return (root / name.strip()).read_bytes()
    except ValueError as error:  # a zero byte
        raise DataError(f"{name!r} is no path", where=where) from error


def _in_array(path: Path, modality: str, name: str) -> Iterator[NewItem]:
    array = _array(path, modality, name)
    rows = "(N, D) numbers" if modality == "features" else "(N, H, W) or (N, H, W, 3) uint8"
    if not _fits(array, modality):
        raise DataError(f"the array is {array.dtype} {array.shape}", where=str(path), possible=rows)
    read = _row if modality == "features" else _pixels
    return (NewItem(str(number + 1), partial(read, array, number)) for number in range(len(array)))


def _array(path: Path, modality: str, name: str) -> NDArray[Any]:
    try:
        with translate_os_errors(path, "read"):
            loaded = np.load(path, mmap_mode="r", allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            with loaded:
                names = list(loaded.files)
                chosen = name or next(
                    (usual for usual in _NAMES if usual in names), names[0] if len(names) == 1 else ""
                )
                if chosen not in names:
                    what = (
                        f"there is no array {name!r}"
                        if name
                        else f"which array holds the {modality} inputs cannot be told from the names"
                    )
                    raise DataError(
                        what, where=str(path), possible=", ".join(names), todo="Say --column NAME"
                    )
                array: NDArray[Any] = loaded[chosen]
                return array
    except (DataError, MachineError):
        raise
    except Exception as error:  # whatever a truncated or crafted file makes numpy and zipfile raise
        raise DataError(f"the file is damaged or holds Python objects: {error}", where=str(path)) from error


def _fits(array: NDArray[Any], modality: str) -> bool:
    if modality == "features":
        return array.ndim == 2 and array.dtype.kind in "fiub"
    return array.dtype == np.uint8 and (array.ndim == 3 or (array.ndim == 4 and array.shape[3] in (1, 3)))


def _row(array: NDArray[Any], number: int) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and is refused as such
        row: NDArray[np.float32] = np.asarray(array[number], dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(row))
    if len(bad):
        raise DataError(f"feature {bad[0]} is {row[bad[0]]}")
    return row


def _pixels(array: NDArray[Any], number: int) -> NDArray[np.uint8]:
    image = array[number]
    grey = image[:, :, None] if image.ndim == 2 else image
    return np.array(np.broadcast_to(grey, (*grey.shape[:2], 3)))
