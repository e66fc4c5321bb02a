"""Rows of Parquet files; pyarrow is imported when one is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from burnish.errors import DataError, MissingExtraError
from burnish_basics.sources._rows import Columns, Row, check_header

_BATCH: Final = 8_192


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            "reading Parquet needs pyarrow",
            where=str(path),
            todo="Install it: pip install 'burnish-basics[parquet]'",
        ) from error
    return pa


def _parquet(path: Path) -> Any:
    arrow = _pyarrow(path)
    try:
        return arrow.parquet.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=str(path), todo="Check the path") from error
    except (OSError, arrow.ArrowException) as error:
        raise DataError(f"this is no whole Parquet file: {error}", where=str(path)) from error


def header_of(path: Path) -> list[str]:
    """Return the column names.

    Raises:
        DataError: the file is missing or damaged, or has a column twice.
        MissingExtraError: pyarrow is not installed.
    """
    with _parquet(path) as file:
        names: list[str] = file.schema_arrow.names
    check_header(names, path)
    return names


def rows_of(path: Path, columns: Columns) -> Iterator[Row]:
    """Stream the rows, with the cells of the used columns in the order of `Columns.used`.

    Raises:
        DataError: the file is damaged.
    """
    arrow, number = _pyarrow(path), 0
    with _parquet(path) as file:
        try:
            for batch in file.iter_batches(batch_size=_BATCH, columns=columns.used()):
                arrays = [batch.column(name).to_pylist() for name in columns.used()]
                for cells in zip(*arrays, strict=True):
                    number += 1
                    yield number, cells
        except (OSError, arrow.ArrowException) as error:
            raise DataError(
                f"the Parquet file is damaged: {error}", where=f"{path}, row {number + 1}"
            ) from error
