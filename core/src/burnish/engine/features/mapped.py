"""Tables that lie in a file without a name, so that the system may drop their pages when memory is short."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAPPED_FROM: Final = 16 << 20
"""Tables of fewer bytes are held in memory, which is faster."""


def mapped(
    folder: Path, shape: tuple[int, int], blocks: Iterable[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return the rows of blocks, one after the other, as one array mapped from a file, read-only.

    The file has no name: it takes room on the disk until the array is gone, however the process ends.

    Args:
        folder: where the file lies.
        shape: (N, D) of all rows.
        blocks: (n, D) float32 each, N rows together.

    Raises:
        OSError: the file cannot be written.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)
        file.flush()
        return np.memmap(file, dtype=np.float32, mode="r", shape=shape)


def in_memory(shape: tuple[int, int], blocks: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the same array as `mapped`, in memory."""
    table, at = np.empty(shape, dtype=np.float32), 0
    for block in blocks:
        table[at : at + len(block)] = block
        at += len(block)
    table.setflags(write=False)
    return table
