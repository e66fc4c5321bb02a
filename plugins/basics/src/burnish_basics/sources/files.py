"""Items that are files: read when they are asked for, hashed by several threads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from burnish.data import content_id
from burnish.errors import DataError
from burnish.fingerprint import of_files
from burnish.places import logical_cores
from burnish_basics.sources._light import IMAGE_IDS
from burnish_basics.sources._walk import why_unreadable

LARGEST: Final = 1 << 30
"""Files above this many bytes are not read into memory."""


@dataclass(frozen=True)
class ImageFiles:
    """Reads image files by row.

    Attributes:
        root: folder that the paths start from.
        paths: path of each row; absolute ones stand for themselves.
        unusable: rows known to be bad, with the reason.
    """

    root: Path
    paths: Sequence[str]
    unusable: dict[int, str]

    def read(self, row: int) -> bytes:
        """Return a file's bytes.

        Raises:
            DataError: the row is unusable, or there is no such regular file.
            OSError: it cannot be read.
        """
        return read_file(self.root / self.paths[row], self.unusable.get(row, ""))

    def ids(self) -> list[bytes]:
        """Return every row's content id; a file that cannot be read gets one that no content has."""
        found = of_files([self.root / path for path in self.paths], IMAGE_IDS)
        return [
            unreadable_id(path, row) if content is None or row in self.unusable else content
            for row, (path, content) in enumerate(zip(self.paths, found, strict=True))
        ]


@dataclass(frozen=True)
class TextFiles:
    """Reads text files by row; as `ImageFiles`."""

    root: Path
    paths: Sequence[str]
    encoding: str

    def read(self, row: int) -> str:
        """Return a file's text.

        Raises:
            DataError: there is no such regular file, it is empty, or it is not of this encoding.
            OSError: it cannot be read.
        """
        return checked_text(decoded(read_file(self.root / self.paths[row]), self.encoding))

    def ids(self) -> list[bytes]:
        """Return every row's content id; a file that cannot be read gets one that no content has."""
        with ThreadPoolExecutor(min(8, 2 * logical_cores())) as pool:
            return list(pool.map(self._id, range(len(self.paths)), chunksize=64))

    def _id(self, row: int) -> bytes:
        try:
            return content_id("text", self.read(row))
        except (DataError, OSError):
            return unreadable_id(self.paths[row], row)


def read_file(path: Path, unusable: str = "") -> bytes:
    """Return a file's bytes.

    Raises:
        DataError: it is unusable, not a regular file, or larger than `LARGEST`.
        OSError: it cannot be read.
    """
    if reason := unusable or why_unreadable(path):
        raise DataError(reason)
    size = path.stat().st_size
    if size > LARGEST:
        raise DataError(f"the file has {size:,} bytes", possible=f"at most {LARGEST:,}")
    return path.read_bytes()


def check_modality(has: str, wanted: str, where: str, todo: str = "") -> None:
    """Raise where the items of a source are not what a predictor reads.

    Raises:
        DataError: they are of another modality.
    """
    if has != wanted:
        raise DataError(f"its items are {has}, and the predictor reads {wanted}", where=where, todo=todo)


def decoded(raw: bytes, encoding: str) -> str:
    """Return bytes as text without a byte order mark.

    Raises:
        DataError: they are not of this encoding.
    """
    try:
        return raw.decode("utf-8-sig" if encoding.lower() in {"utf-8", "utf8"} else encoding)
    except UnicodeError as error:
        reason = getattr(error, "reason", str(error))
        raise DataError(
            f"the text is not {encoding}: {reason}", todo="Say which encoding it has, such as encoding=cp1252"
        ) from error


def checked_text(text: str) -> str:
    """Return a text that is not empty.

    Raises:
        DataError: it is.
    """
    if not text.strip():
        raise DataError("the text is empty")
    return text


def unreadable_id(name: str, row: int) -> bytes:
    """Return an id for a row without content: distinct, so that it is no copy of another."""
    return hashlib.sha256(b"burnish-unreadable\0" + os.fsencode(name) + row.to_bytes(8, "little")).digest()
