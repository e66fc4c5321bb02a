"""The source `csv`: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from burnish.contracts.source import NewItem
from burnish.data import Dataset, Supervision, Texts
from burnish.errors import DataError
from burnish_basics._data import CsvConfig
from burnish_basics.sources import parquet
from burnish_basics.sources._light import image_root, table_files
from burnish_basics.sources._names import number_groups, printable
from burnish_basics.sources._rows import (
    PARQUET,
    Columns,
    columns_of,
    content_of,
    header_and_rows,
    header_of,
    rows_of,
)
from burnish_basics.sources.assemble import Places, classes_of
from burnish_basics.sources.collect import Collected, cell_text, collect, why_no_path, why_no_text
from burnish_basics.sources.files import ImageFiles, check_modality, checked_text, read_file
from burnish_basics.sources.labels import class_names, references_of, supervise
from burnish_basics.sources.texts import Texts as TextRows

_SHOWN_PATH: Final = 200
"""Characters of a path that a message shows: what stands there may be the picture itself."""


class Csv:
    """One item a row: a text, or the path of an image, with its label.

    Labels are in the notation of `burnish_basics.sources.labels`.

    A row that is ragged or has a bad weight, and an image that cannot be read, stay items whose reading
    fails, so that `on_bad_input` decides. A label that cannot be understood ends the loading: it would change
    what all others mean.

    Args:
        config: the files and columns.
    """

    def __init__(self, config: CsvConfig) -> None:
        self.config = config

    def load(self) -> Dataset:
        """Return the data set.

        Raises:
            DataError: a file cannot be read, a column is missing, a label or split cannot be understood, or
                no image is where it should be.
            MissingExtraError: the file is Parquet and pyarrow is not installed.
        """
        read, parts = Collected(), set()
        for split, path in table_files(self.config).items():
            parts.add(self._read(path, split, read))
        if len(parts) > 1:
            raise DataError(
                "the files have different columns for the same parts",
                where=str(self.config.path),
                todo="Name the columns",
            )
        columns = parts.pop()
        if not len(read):
            raise DataError("the table has no rows", where=str(self.config.path))
        reader = self._reader(columns, read)
        weights = np.array(read.weight, dtype=np.float32) if columns.weight else None
        splits = read.split if any(read.split) else None
        origins = Places(read.places)
        names, supervision, truth = self._supervision(columns, read, weights, origins)
        return Dataset.build(
            name=printable(self.config.path.stem),
            modality="text" if columns.text else "image",
            ids=reader.ids(),
            classes=classes_of(names, supervision, splits, self.config.new_classes),
            supervision=supervision,
            truth=truth,
            reader=reader,
            columns={"group": np.array(number_groups(read.group), dtype=np.int64)} if columns.group else {},
            splits=splits,
            origins=origins,
        )

    def items(self, modality: str, column: str = "") -> Iterator[NewItem]:
        """Yield the rows of all tables as items without labels (`burnish.contracts.GivesItems`)."""
        if modality == "features":
            todo = "Features are read from an .npz, .npy or .safetensors file"
            check_modality("texts or images", modality, str(self.config.path), todo)
        number = 0
        for table in table_files(self.config).values():
            is_parquet = _is_parquet(table)
            header, rows = (
                (parquet.header_of(table), None) if is_parquet else header_and_rows(table, self.config)
            )
            columns = content_of(header, self.config, modality, column, str(table))
            at = 0 if is_parquet else header.index(columns.content)
            root = None if columns.text else image_root(self.config, table)
            for _, cells in rows or parquet.rows_of(table, columns):
                number += 1
                reason = cells if isinstance(cells, str) else why_no_text(cells[at])
                cell = DataError(reason) if reason else cell_text(cells[at])
                yield NewItem(str(number), partial(_payload, cell, root))

    def _supervision(
        self, columns: Columns, read: Collected, weights: Any, origins: Places
    ) -> tuple[list[str], Supervision, Supervision | None]:
        def where(row: int) -> str:
            return origins[row]

        config = self.config
        if columns.references:
            return (
                [],
                Texts(
                    references=references_of(read.references, config.references_separator), weights=weights
                ),
                None,
            )
        label = supervise(read.label, config, where)
        truth = supervise(read.truth, config, where, "truth") if columns.truth else None
        if truth is not None and truth.multi != label.multi:
            raise DataError(
                "label and truth are not of one type",
                where=str(config.path),
                todo="Say labels=multi if items may have several classes",
            )
        names = class_names([part for part in (label, truth) if part], config.classes, str(config.path))
        clean = truth.supervision(names, config, where) if truth else None
        return names, label.supervision(names, config, where, weights), clean

    def _reader(self, columns: Columns, read: Collected) -> TextRows | ImageFiles:
        if columns.text:
            return read.texts
        reader = ImageFiles(Path(), read.images, read.unusable)
        usable = [row for row in range(len(read)) if row not in read.unusable]
        if usable and not any(_is_there(read.images[row]) for row in usable):
            raise DataError(
                f"none of the {len(usable)} images in column {columns.image!r} is there; the first is"
                f" {_shortened(read.images[usable[0]])!r}",
                where=str(self.config.path),
                todo="Say which folder the paths start from: root=FOLDER",
            )
        return reader

    def _read(self, path: Path, split: str, read: Collected) -> Columns:
        """Add one file's rows."""
        header = parquet.header_of(path) if _is_parquet(path) else header_of(path, self.config)
        columns = columns_of(header, self.config, str(path))
        if split and columns.split:
            raise DataError(
                "a column and separate files both fix the splits",
                where=str(path),
                todo="Say split=- or leave the other files out",
            )
        rows = parquet.rows_of(path, columns) if _is_parquet(path) else rows_of(path, self.config)
        kept = columns.used() if _is_parquet(path) else header
        root = None if columns.text else image_root(self.config, path)
        collect(rows, columns, kept, read, place=printable(f"{path}, row"), root=root, split=split)
        return columns


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET


def _is_there(path: str) -> bool:
    """Return whether there is a file; a name that is too long for the system is none."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def _shortened(path: str) -> str:
    return path if len(path) <= _SHOWN_PATH else f"{path[:_SHOWN_PATH]}..."


def _payload(cell: str | DataError, root: Path | None) -> str | bytes:
    """Return a text, or where there is a root the bytes of the image that the cell names."""
    if isinstance(cell, DataError):
        raise cell
    if root is None:
        return checked_text(cell)
    return read_file(root / cell.strip(), why_no_path(cell))
