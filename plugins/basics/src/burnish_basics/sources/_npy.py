"""What arrays a .npz, .npy or .safetensors file holds, from its headers alone. Light."""

from __future__ import annotations

import ast
import json
import math
import re
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from burnish.errors import DataError

LONE: Final = "x"
"""What the array of a .npy file, which has no name, is called."""

_MAGIC: Final = b"\x93NUMPY"
_LONGEST_HEADER: Final = 1 << 20
_SAFETENSORS: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "bfloat16",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}


@dataclass(frozen=True)
class Header:
    """One array.

    Attributes:
        dtype: numpy's word, such as ``"<f4"``, ``"|u1"``, ``"<U8"``, ``"|O"``.
        shape: its shape.
        offset: where its numbers begin in the file if they lie there uncompressed and in C order; else -1.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int = -1

    @property
    def kind(self) -> str:
        """Numpy's letter: ``f`` float, ``i`` ``u`` integer, ``b`` bool, ``U`` ``S`` text, ``O`` objects."""
        word = self.dtype.lstrip("<>=|")
        return "f" if word == "bfloat16" else word[:1]

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def headers(path: Path) -> dict[str, Header]:
    """Return every array's header by name.

    Raises:
        DataError: the file is missing, damaged or none of these.
    """
    read = {".safetensors": _safetensors, ".npy": _lone}.get(path.suffix.lower(), _npz)
    try:
        return read(path)
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=str(path), todo="Check the path") from error
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from error
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        ValueError,
        SyntaxError,
        EOFError,
        struct.error,
        NotImplementedError,
    ) as error:
        raise DataError(
            f"this is no whole .npz, .npy or .safetensors file: {error}",
            where=str(path),
            todo="Write it again, such as with numpy.savez",
        ) from error


def _lone(path: Path) -> dict[str, Header]:
    with path.open("rb") as file:
        dtype, shape, fortran, length = _npy(file, path.name)
    return {LONE: Header(dtype, shape, -1 if fortran else length)}


def _npz(path: Path) -> dict[str, Header]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            with archive.open(info) as file:
                dtype, shape, fortran, length = _npy(file, info.filename)
            stored = info.compress_type == zipfile.ZIP_STORED and not fortran
            offset = _start(path, info) + length if stored else -1
            found[info.filename[:-4]] = Header(dtype, shape, offset)
    return found


def _npy(file: IO[bytes], name: str) -> tuple[str, tuple[int, ...], bool, int]:
    """Read one header: dtype, shape, whether in Fortran order, and its length in bytes."""
    start = file.read(8)
    if start[:6] != _MAGIC:
        raise ValueError(f"{name} is no array")
    wide = start[6] > 1
    raw = file.read(4 if wide else 2)
    (length,) = struct.unpack("<I" if wide else "<H", raw)
    if length > _LONGEST_HEADER:
        raise ValueError(f"{name} has a header of {length} bytes")
    record = ast.literal_eval(file.read(length).decode("latin-1" if start[6] < 3 else "utf-8").strip())
    dtype = record["descr"] if isinstance(record["descr"], str) else "|V"
    return dtype, tuple(int(n) for n in record["shape"]), bool(record["fortran_order"]), 8 + len(raw) + length


def _start(path: Path, info: zipfile.ZipInfo) -> int:
    """Return where a stored member's bytes begin.

    After its local header, whose lengths may differ from the directory's.
    """
    with path.open("rb") as file:
        file.seek(info.header_offset + 26)
        name, extra = struct.unpack("<HH", file.read(4))
    return info.header_offset + 30 + int(name) + int(extra)


def _safetensors(path: Path) -> dict[str, Header]:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > 100 * _LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        record = json.loads(file.read(length))
    if not isinstance(record, dict):
        raise ValueError("its header is no mapping")
    tensors = {name: value for name, value in record.items() if name != "__metadata__"}
    return {
        name: Header(
            _SAFETENSORS.get(value["dtype"], "|V"),
            tuple(value["shape"]),
            8 + length + int(value["data_offsets"][0]),
        )
        for name, value in tensors.items()
    }


def rows_of(text: str, n: int, where: str) -> range:
    """Return the rows that ``"start:stop"`` or ``"start:stop:step"`` names of n; all for the empty text.

    Raises:
        DataError: it is not of this form, or names no row.
    """
    if not text.strip():
        return range(n)
    if not re.fullmatch(r"\s*\d*\s*:\s*\d*\s*(:\s*[1-9]\d*\s*)?", text):
        raise DataError(
            f"rows={text} is not of the form start:stop or start:stop:step",
            where=where,
            todo="For example rows=0:25000",
        )
    parts = [int(part) if part.strip() else None for part in text.split(":")]
    chosen = range(n)[slice(*parts)]
    if not chosen:
        raise DataError(f"rows={text} names none of the {n} rows", where=where)
    return chosen
