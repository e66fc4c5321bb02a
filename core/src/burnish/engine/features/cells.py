"""Cells of the extraction grid, read and prepared ahead by threads."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from burnish.contracts.backbone import Encodes, Prepared, View
from burnish.data.dataset import Dataset, Item
from burnish.engine.features.spec import FeatureSpec
from burnish.errors import DataError, ItemError, MachineError, PluginError
from burnish.places import ahead, reading_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

AHEAD_BYTES: Final = 96 << 20
"""Prepared inputs that may wait for the device."""


@dataclass(frozen=True)
class Bad:
    """An item without features.

    Attributes:
        position: the item.
        reason: why.
        lasting: whether the reason lies in its content, so that another try is in vain.
    """

    position: int
    reason: str
    lasting: bool


@dataclass(frozen=True)
class Cell:
    """Prepared items of one cell.

    Attributes:
        positions: those that could be read.
        inputs: their inputs, the last row repeated up to the grid; None where none could be read.
        bad: the others, in order.
    """

    positions: NDArray[np.int64]
    inputs: Prepared | None
    bad: tuple[Bad, ...]


class Preparer:
    """Reads and prepares cells.

    Args:
        dataset: the items.
        backbone: prepares them.
        spec: view and grid.
        workers: threads (`burnish.places.reading_threads`).
    """

    def __init__(self, dataset: Dataset, backbone: Encodes, spec: FeatureSpec, workers: int) -> None:
        self._dataset, self._backbone, self._spec = dataset, backbone, spec
        self._view, self._grid = View(spec.view), spec.numeric.grid
        self._workers = reading_threads(workers)
        self.ahead = self._workers + 1
        """Cells that may be prepared and waiting; lowered where memory is short."""

    def prepared(self, cells: Sequence[NDArray[np.int64]]) -> Generator[Cell, None, None]:
        """Yield cells in order.

        Args:
            cells: positions (at most the grid) of each.

        Raises:
            MachineError: out of memory with one cell.
        """
        done = 0
        with closing(ahead(self.prepare, cells, self._workers, lambda: self.ahead)) as made:
            while True:
                try:
                    cell = next(made, None)
                except MemoryError as error:
                    raise MachineError(
                        f"out of memory while preparing {len(cells[done])} items",
                        where=self._dataset.origin(int(cells[done][0])),
                        todo="Close other programs",
                    ) from error
                if cell is None:
                    return
                self.ahead = min(self.ahead, max(1, AHEAD_BYTES // max(1, _size(cell.inputs))))
                done += 1
                yield cell

    def prepare(self, positions: NDArray[np.int64]) -> Cell:
        """Read and prepare one cell."""
        items, bad = [], []
        for position in map(int, positions):
            try:
                items.append(Item(position, self._dataset.read(position)))
            except (DataError, OSError) as error:
                bad.append(_bad(position, error))
        try:
            inputs = self._inputs(items)
        except DataError:
            items, more = self._sieve(items)
            bad += more
            inputs = self._inputs(items)
        good = np.array([item.position for item in items], dtype=np.int64)
        return Cell(good, inputs, tuple(sorted(bad, key=lambda item: item.position)))

    def _inputs(self, items: list[Item]) -> Prepared | None:
        if not items:
            return None
        prepared = self._backbone.prepare(
            items, self._view, self._dataset.ids[[item.position for item in items]]
        )
        for name, array in prepared.items():
            if len(array) != len(items):
                raise PluginError(
                    f"prepare returned {len(array)} rows of {name!r} for {len(items)} items",
                    where=self._spec.backbone.text,
                )
        if len(items) == self._grid:
            return prepared
        take = np.minimum(np.arange(self._grid), len(items) - 1)
        return {name: array[take] for name, array in prepared.items()}

    def _sieve(self, items: list[Item]) -> tuple[list[Item], list[Bad]]:
        """Find out one by one which items cannot be prepared."""
        good, bad = [], []
        for item in items:
            try:
                self._backbone.prepare([item], self._view, self._dataset.ids[[item.position]])
            except DataError as error:
                bad.append(_bad(item.position, error))
            else:
                good.append(item)
        return good, bad


def _size(inputs: Prepared | None) -> int:
    return sum(array.nbytes for array in inputs.values()) if inputs else 0


def _bad(position: int, error: DataError | OSError) -> Bad:
    if isinstance(error, OSError):
        return Bad(position, f"it cannot be read: {error.strerror or error}", lasting=False)
    return Bad(position, error.reason if isinstance(error, ItemError) else error.what, lasting=True)
