"""Features not kept beyond the run: what `burnish.engine.features.cache.Entry` is to those that are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from burnish.engine.features.shards import IdIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Uncached:
    """Features in memory, by content id.

    Attributes:
        warnings: none, for nothing here can be damaged.
        skipped: none: what has no features is not remembered either.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.skipped: Mapping[bytes, str] = {}
        self._ids: list[NDArray[np.uint8]] = []
        self._features: list[NDArray[np.float32]] = []

    def refresh(self) -> None:
        """Do nothing: no other process adds anything."""

    def locate(self, ids: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return (M,) int64 the row of each of the ids (M, 32), for `table`; -1 where it is missing."""
        return IdIndex(self._ids).locate(ids)

    def add(
        self,
        ids: NDArray[np.uint8],
        features: NDArray[np.float32],
        skipped: Mapping[bytes, str] | None = None,
    ) -> None:
        """Add features.

        Args:
            ids: (m, 32) uint8.
            features: (m, D) float32.
            skipped: not used (`skipped`).
        """
        del skipped
        self._ids.append(ids)
        self._features.append(features)

    def table(
        self, rows: NDArray[np.int64], positions: NDArray[np.int64], n: int, dim: int
    ) -> NDArray[np.float32]:
        """Return features as an array (n, D) float32, read-only, and let go of what was added.

        Args:
            rows: (M,) int64 from `locate`, -1 where missing.
            positions: (M,) int64 ascending positions they belong to.
            n: items of the data set.
            dim: width D.

        Returns:
            The array; rows that are missing or whose positions were not asked for are NaN.
        """
        table = np.empty((n, dim), dtype=np.float32)
        if len(rows) < n or (rows < 0).any():
            table.fill(np.nan)
        start = 0
        while self._features:  # one after the other out of memory, of which there is then never twice as much
            part = self._features.pop(0)
            mine = np.flatnonzero((rows >= start) & (rows < start + len(part)))
            table[positions[mine]] = part[rows[mine] - start]
            start += len(part)
        self._ids.clear()
        table.setflags(write=False)
        return table
