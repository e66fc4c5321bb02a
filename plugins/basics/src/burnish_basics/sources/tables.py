"""The source `csv`: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from burnish.data import Dataset, Supervision, content_id
from burnish.errors import DataError, MissingExtraError

from burnish_basics._data import CsvConfig
from burnish_basics.sources._light import image_root, table_files
from burnish_basics.sources._names import SPLIT_NAMES, number_groups, printable, split_of
from burnish_basics.sources._rows import PARQUET, Columns, Row, columns_of, header_of, rows_of
from burnish_basics.sources.assemble import classes_of
from burnish_basics.sources.files import ImageFiles, checked_text, unreadable_id
from burnish_basics.sources.labels import Cell, class_names, supervise

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BATCH = 8_192


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts by row, in one run of bytes: about as large as the file.

    Attributes:
        data: UTF-8 of all texts.
        offsets: (N + 1,) int64 where each begins.
        unusable: rows known to be bad, with the reason.
    """

    data: bytes
    offsets: NDArray[np.int64]
    unusable: dict[int, str]

    @classmethod
    def of(cls, texts: Sequence[bytes], unusable: dict[int, str]) -> Texts:
        """Return texts that are already encoded as UTF-8."""
        return cls(b"".join(texts), np.concatenate([[0], np.cumsum([len(text) for text in texts])]).astype(np.int64), unusable)

    def read(self, row: int) -> str:
        """Return a text.

        Raises:
            DataError: the row is unusable or the text empty.
        """
        if row in self.unusable:
            raise DataError(self.unusable[row])
        return checked_text(self.data[self.offsets[row] : self.offsets[row + 1]].decode("utf-8", "surrogatepass"))

    def ids(self) -> list[bytes]:
        """Return every row's content id; an unusable or empty row gets one that no content has."""
        return [self._id(row) for row in range(len(self.offsets) - 1)]

    def _id(self, row: int) -> bytes:
        try:
            return content_id("text", self.read(row))
        except DataError:
            return unreadable_id("", row)


@dataclass
class _Read:
    """What is collected from the rows, in source order."""

    content: list[Any] = field(default_factory=list)
    label: list[Cell] = field(default_factory=list)
    truth: list[Cell] = field(default_factory=list)
    group: list[str] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    split: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    unusable: dict[int, str] = field(default_factory=dict)


class Csv:
    """One item a row: a text, or the path of an image, with its label in the notation of `burnish_basics.sources.labels`.

    A row that is ragged or has a bad weight, and an image that cannot be read, stay items whose reading fails, so that
    `on_bad_input` decides. A label that cannot be understood ends the loading: it would change what all others mean.

    Args:
        config: the files and columns.
    """

    def __init__(self, config: CsvConfig) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Return the data set.

        Raises:
            DataError: a file cannot be read, a column is missing, a label or split cannot be understood, or no image is where it should be.
            MissingExtraError: the file is Parquet and pyarrow is not installed.
        """
        read, parts = _Read(), set()
        for split, path in table_files(self.config).items():
            parts.add(self._read(path, split, read))
        if len(parts) > 1:
            raise DataError("the files have different columns for the same parts", where=str(self.config.path), todo="Name the columns")
        columns = parts.pop()
        if not read.content:
            raise DataError("the table has no rows", where=str(self.config.path))
        reader = self._reader(columns, read)
        weights = np.array(read.weight, dtype=np.float32) if columns.weight else None
        splits = read.split if any(read.split) else None
        names, supervision, truth = self._supervision(columns, read, weights)
        return Dataset.build(
            name=printable(self.config.path.stem),
            modality="text" if columns.text else "image",
            ids=reader.ids(),
            classes=classes_of(names, supervision, splits),
            supervision=supervision,
            truth=truth,
            reader=reader,
            columns={"group": np.array(number_groups(read.group), dtype=np.int64)} if columns.group else {},
            splits=splits,
            origins=read.origins,
        )

    def _supervision(self, columns: Columns, read: _Read, weights: Any) -> tuple[list[str], Supervision, Supervision | None]:
        def where(row: int) -> str:
            return read.origins[row]

        config = self.config
        label = supervise(read.label, config, where)
        truth = supervise(read.truth, config, where, "truth") if columns.truth else None
        if truth is not None and truth.multi != label.multi:
            raise DataError("label and truth are not of one type", where=str(config.path), todo="Say labels=multi if items may have several classes")
        names = class_names([part for part in (label, truth) if part], config.classes, str(config.path))
        clean = truth.supervision(names, config, where) if truth else None
        return names, label.supervision(names, config, where, weights), clean

    def _reader(self, columns: Columns, read: _Read) -> Texts | ImageFiles:
        if columns.text:
            return Texts.of(read.content, read.unusable)
        reader = ImageFiles(Path(), read.content, read.unusable)
        usable = [row for row in range(len(read.content)) if row not in read.unusable]
        if usable and not any(Path(read.content[row]).exists() for row in usable):
            raise DataError(
                f"none of the {len(usable)} images in column {columns.image!r} is there; the first is {read.content[usable[0]]!r}",
                where=str(self.config.path), todo="Say which folder the paths start from: root=FOLDER",
            )  # fmt: skip
        return reader

    def _read(self, path: Path, split: str, read: _Read) -> Columns:
        """Add one file's rows."""
        header = _parquet_header(path) if path.suffix.lower() in PARQUET else header_of(path, self.config)
        columns = columns_of(header, self.config, str(path))
        if split and columns.split:
            raise DataError("a column and separate files both fix the splits", where=str(path), todo="Say split=- or leave the other files out")
        rows = _parquet_rows(path, columns) if path.suffix.lower() in PARQUET else rows_of(path, self.config)
        kept = columns.used() if path.suffix.lower() in PARQUET else header
        at = {part: kept.index(name) for part in ("label", "truth", "group", "weight", "split") if (name := getattr(columns, part))}
        content_at, root = kept.index(columns.content), image_root(self.config, path)
        interned: dict[str, str] = {}
        for number, cells in rows:
            origin, row = printable(f"{path}, row {number}"), len(read.content)
            read.origins.append(origin)
            if isinstance(cells, str):
                read.unusable[row] = cells
                cells = [None] * len(kept)
            record = {part: cells[column] for part, column in at.items()}
            self._content(cells[content_at], columns, root, row, read)
            for part in ("label", "truth"):
                getattr(read, part).append(_label(record.get(part), interned, origin))
            read.group.append(_text(record.get("group")))
            read.weight.append(_weight(record.get("weight", 1), row, read) if columns.weight else 1.0)
            read.split.append(_split(record["split"], row, origin, read) if columns.split else split)
        return columns

    @staticmethod
    def _content(cell: Any, columns: Columns, root: Path, row: int, read: _Read) -> None:
        text = _text(cell)
        if columns.text:
            read.content.append(text.encode("utf-8", "surrogatepass"))
            return
        if "\0" in text:
            read.unusable.setdefault(row, "the image's path holds a zero byte")
        elif not text.strip():
            read.unusable.setdefault(row, "there is no image path")
        read.content.append(str(root / text.strip()))


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _label(cell: Any, interned: dict[str, str], origin: str) -> Cell:
    """Return a label cell; whole numbers stored as floats (as pandas does beside missing values) are written without the point."""
    if isinstance(cell, (list, tuple)):
        names = [_text(name).strip() for name in cell]
        if not all(names):
            raise DataError("the list of labels holds an empty name", where=origin)
        return names
    if isinstance(cell, float):
        if math.isnan(cell):
            return ""
        cell = int(cell) if cell.is_integer() else cell
    if isinstance(cell, dict):
        raise DataError("the label is an object, not a name or a list of names", where=origin)
    text = _text(cell)
    return interned.setdefault(text, text)


def _weight(cell: Any, row: int, read: _Read) -> float:
    try:
        weight = float(cell)
    except (TypeError, ValueError):
        weight = math.nan
    if math.isfinite(weight) and 0 <= weight < 3e38:
        return weight
    read.unusable.setdefault(row, f"the weight {_text(cell)!r} is not a number of at least 0")
    return 0.0


def _split(cell: Any, row: int, origin: str, read: _Read) -> str:
    name = split_of(_text(cell))
    if name is None:
        if row in read.unusable:
            return "train"  # the row cannot be read anyway, and says so when it is
        raise DataError(f"{_text(cell)!r} is no split", where=origin, possible=SPLIT_NAMES)
    return name


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("reading Parquet needs pyarrow", where=str(path), todo="Install it: pip install 'burnish-basics[parquet]'") from error
    return pa


def _parquet(path: Path) -> Any:
    arrow = _pyarrow(path)
    try:
        return arrow.parquet.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=str(path), todo="Check the path") from error
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"this is no whole Parquet file: {error}", where=str(path)) from error


def _parquet_header(path: Path) -> list[str]:
    with _parquet(path) as file:
        names: list[str] = file.schema_arrow.names
        return names


def _parquet_rows(path: Path, columns: Columns) -> Iterator[Row]:
    arrow, number = _pyarrow(path), 0
    with _parquet(path) as file:
        try:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns.used()):
                arrays = [batch.column(name).to_pylist() for name in columns.used()]
                for cells in zip(*arrays, strict=True):
                    number += 1
                    yield number, cells
        except (OSError, arrow.ArrowException) as error:
            raise DataError(f"the Parquet file is damaged: {error}", where=f"{path}, row {number + 1}") from error
