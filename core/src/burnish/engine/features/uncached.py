"""Features not kept beyond the run: what `burnish.engine.features.cache.Entry` is to those that are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from burnish.engine.features.shards import IdIndex

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Uncached:
    """Features in memory, each written once to its place in the one table that is handed out.

    Args:
        ids: (M, 32) uint8 content ids of the items that are wanted.
        positions: (M,) int64 ascending, their positions in the data set.
        n: items of the data set.

    Attributes:
        warnings: none, for nothing here can be damaged.
        skipped: none: what has no features is not remembered either.
    """

    def __init__(self, ids: NDArray[np.uint8], positions: NDArray[np.int64], n: int) -> None:
        self.warnings: list[str] = []
        self.skipped: Mapping[bytes, str] = {}
        self._index, self._positions, self._n = IdIndex([ids]), positions, n
        self._made = np.zeros(len(ids), dtype=bool)
        self._table: NDArray[np.float32] | None = None

    def refresh(self) -> None:
        """Do nothing: no other process adds anything."""

    def locate(self, ids: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return (M,) int64 the row of each of the ids (M, 32), for `table`; -1 where it is missing."""
        rows = self._index.locate(ids)
        rows[~self._made[rows]] = -1
        return rows

    def add(
        self,
        ids: NDArray[np.uint8],
        features: NDArray[np.float32],
        skipped: Mapping[bytes, str] | None = None,
    ) -> None:
        """Write features to their places.

        Args:
            ids: (m, 32) uint8, some of those that are wanted.
            features: (m, D) float32.
            skipped: not used (`skipped`).
        """
        del skipped
        if self._table is None:  # no sooner, for only features tell their width
            self._table = np.empty((self._n, features.shape[1]), dtype=np.float32)
        rows = self._index.locate(ids)
        self._table[self._positions[rows]] = features
        self._made[rows] = True

    def table(
        self, rows: NDArray[np.int64], positions: NDArray[np.int64], n: int, dim: int
    ) -> NDArray[np.float32]:
        """Return features as an array (n, D) float32, read-only, and let go of it.

        Args:
            rows: (M,) int64 from `locate`, -1 where missing.
            positions: (M,) int64 ascending positions they belong to.
            n: items of the data set.
            dim: width D where nothing is there.

        Returns:
            The array; rows that are missing or whose positions were not asked for are NaN.
        """
        table = np.empty((n, dim), dtype=np.float32) if self._table is None else self._table
        self._table = None
        there, sources = rows >= 0, self._positions[rows]
        copies = np.flatnonzero(there & (sources != positions))  # items of equal content were made once
        table[positions[copies]] = table[sources[copies]]
        missing = np.ones(n, dtype=bool)
        missing[positions[there]] = False
        table[missing] = np.nan
        table.setflags(write=False)
        return table
