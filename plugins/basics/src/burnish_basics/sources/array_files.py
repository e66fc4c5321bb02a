"""Reading arrays out of .npz, .npy and .safetensors files: mapped if uncompressed, never unpickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import scipy.sparse as sp

from burnish.errors import DataError, suggestion
from burnish_basics.sources._npy import Header, headers
from burnish_basics.sources._roles import SPARSE, is_sparse, refuse_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAPPED_FROM: Final = 1 << 20
"""Arrays of fewer bytes are read at once."""


class Arrays:
    """The arrays of a file, and behind them those of another one.

    Args:
        path: the file.
        behind: where to look for arrays that it does not have.

    Raises:
        DataError: the file is missing or damaged.
    """

    def __init__(self, path: Path, behind: Arrays | None = None) -> None:
        self.path, self.behind = path, behind
        self.headers = headers(path)

    def where(self, name: str) -> str:
        """Return the file and array, for messages."""
        has = name in self.headers or is_sparse(name, self.headers)
        return f"{self.path}, {name}" if has or self.behind is None else self.behind.where(name)

    def get(self, name: str) -> NDArray[Any]:
        """Return an array, read-only.

        Raises:
            DataError: there is none of this name, it holds Python objects, or is damaged.
        """
        if name not in self.headers:
            if self.behind is not None:
                return self.behind.get(name)
            hint = suggestion(name, self.headers)
            raise DataError(
                f"there is no array {name!r}. {hint}".strip(),
                where=str(self.path),
                possible=", ".join(self.headers),
            )
        header = self.headers[name]
        refuse_objects(name, header, str(self.path))
        array = self._read(name, header)
        array.setflags(write=False)
        return array

    def _read(self, name: str, header: Header) -> NDArray[Any]:
        try:
            if header.dtype == "bfloat16":
                half = np.fromfile(self.path, dtype="<u2", count=header.size, offset=header.offset).reshape(
                    header.shape
                )
                return (half.astype(np.uint32) << 16).view(np.float32)
            if header.offset >= 0 and header.size * np.dtype(header.dtype).itemsize >= _MAPPED_FROM:
                self._verify(name)
                return np.memmap(
                    self.path, dtype=header.dtype, mode="r", offset=header.offset, shape=header.shape
                )
            if self.path.suffix.lower() == ".safetensors":
                return np.fromfile(
                    self.path, dtype=header.dtype, count=header.size, offset=header.offset
                ).reshape(header.shape)
            loaded = np.load(self.path, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            with loaded as archive:
                array: NDArray[Any] = archive[name]
                return array
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, MemoryError) as error:
            raise DataError(
                f"the array cannot be read: {error or type(error).__name__}", where=f"{self.path}, {name}"
            ) from error

    def _verify(self, name: str) -> None:
        """Read a member of a .npz file to its end, which compares its checksum: mapping would not."""
        if self.path.suffix.lower() not in {".safetensors", ".npy"}:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{name}.npy") as member:
                while member.read(_MAPPED_FROM):
                    pass

    def is_sparse(self, name: str) -> bool:
        """Whether a sparse matrix goes by this prefix."""
        return name not in self.headers and (
            is_sparse(name, self.headers) or (self.behind is not None and self.behind.is_sparse(name))
        )

    def sparse(self, name: str) -> sp.csr_array:
        """Return a matrix (N, C) in compressed rows.

        Raises:
            DataError: its parts do not fit together.
        """
        data, indices, indptr, shape = (self.get(f"{name}_{part}") for part in SPARSE)
        if (
            shape.shape != (2,)
            or data.ndim != 1
            or data.shape != indices.shape
            or indptr.shape != (int(shape[0]) + 1,)
        ):
            raise DataError("the parts of the sparse matrix do not fit together", where=self.where(name))
        ascending = (
            len(indptr) > 0
            and indptr[0] == 0
            and indptr[-1] == len(data)
            and bool((np.diff(indptr.astype(np.int64)) >= 0).all())
        )
        if not ascending or (
            len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= int(shape[1]))
        ):
            raise DataError("the parts of the sparse matrix point outside of it", where=self.where(name))
        return sp.csr_array((data, indices, indptr), shape=(int(shape[0]), int(shape[1])))
