"""Extraction: each item through a frozen backbone once, into the cache; afterwards features are read, never computed.

Items that are missing are put in order, cut into cells of 64 and encoded cell by cell: the *grid*. It is part of every feature
key, because a batch of another size may change the last bits. Threads read and prepare ahead; how many there are, and how
many cells are in flight, changes nothing in the result. Shards hold whole cells, so a run that was killed goes on with the cells
it would have made.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from burnish.contracts.backbone import Encodes, Inputs
from burnish.data.dataset import Dataset
from burnish.engine.cache import Entry, FeatureCache, FeatureSpec
from burnish.engine.cells import Bad, Cell, Preparer
from burnish.errors import BurnishError, CacheError, DataError, ItemError, MachineError, PluginError, RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

SHARD_ITEMS: Final = 4096
SHARD_BYTES: Final = 32 << 20
SHARD_SECONDS: Final = 5.0
"""A shard is written when it holds so much or the last one is so long ago: the most that a kill loses."""

_ATTEMPTS = 3
_CELLS_IN_FLIGHT_ON_A_GPU = 4
_CHECK_ROWS = 4096


@dataclass(frozen=True)
class ExtractRun:
    """How to extract: nothing here changes a feature.

    Attributes:
        workers: threads that read and prepare; 0 for one per core.
        on_bad_input: an unreadable item ends the run, or is set aside and listed.
        progress: called with (items done, items to do) after every cell; not called where nothing is missing.
    """

    workers: int = 0
    on_bad_input: Literal["error", "skip"] = "error"
    progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True, eq=False)
class Extracted:
    """Features of a data set.

    Attributes:
        features: (N, D) float32 over the data set's positions, read-only, perhaps memory-mapped; NaN where a position was not asked for
            or its item is bad.
        bad: positions with the reason, ascending.
        warnings: lines for people.
        encoded: items that went through the backbone now; 0 where the cache had all.
    """

    features: NDArray[np.float32]
    bad: tuple[tuple[int, str], ...] = ()
    warnings: tuple[str, ...] = ()
    encoded: int = 0


def extract(
    dataset: Dataset,
    positions: NDArray[np.int64],
    spec: FeatureSpec,
    make_backbone: Callable[[], Encodes],
    cache: FeatureCache,
    run: ExtractRun = ExtractRun(),
) -> Extracted:
    """Return features from the cache, and encode first what is not there.

    Args:
        dataset: the items.
        positions: (M,) int64 positions whose features are wanted, in any order.
        spec: what decides the features.
        make_backbone: makes the backbone; called only where something is missing.
        cache: where features are kept.
        run: how to go about it.

    Raises:
        ItemError: an item cannot be read or has no finite features, and `run.on_bad_input` is ``"error"``.
        DataError: no item at all can be used.
        MachineError: out of memory with a single cell, or the cache cannot be written.
        PluginError: the backbone returns something else than it says.
        RecipeError: the backbone does not read this modality, or makes no views.
    """
    positions = np.unique(np.asarray(positions, dtype=np.int64))
    ids = dataset.ids[positions]
    entry = cache.open(spec)
    rows = entry.locate(ids)
    bad = _known_bad(entry, dataset, positions[rows < 0], run)
    encoded, backbone = 0, None
    for _ in range(_ATTEMPTS):
        missing = _missing(positions, ids, rows, bad)
        if not len(missing):
            break
        backbone = backbone or _checked(make_backbone(), dataset, spec)
        encoding = _Encoding(dataset, missing, spec, backbone, entry, run)
        encoding.run()
        encoded += encoding.done
        bad |= encoding.bad
        entry.refresh()
        rows = entry.locate(ids)
    else:
        raise CacheError("entries vanish while they are read", where=str(entry.folder), todo="Look for another process that clears the cache")
    if entry.added:
        cache.enforce_bound()
    listed = tuple((int(positions[row]), bad[ids[row].tobytes()]) for row in np.flatnonzero(rows < 0))
    if listed and len(listed) == len(positions):
        position, reason = listed[0]
        raise DataError(f"none of {len(listed)} items can be used; the first: {reason}", where=dataset.origin(position))
    array = entry.table(rows, positions, len(dataset), backbone.dim if backbone else 0)
    return Extracted(array, listed, (*entry.warnings, *_constant(array, positions[rows >= 0], spec)), encoded)


def _known_bad(entry: Entry, dataset: Dataset, missing: NDArray[np.int64], run: ExtractRun) -> dict[bytes, str]:
    """Return what the cache knows to have no features; its content decides that, so it is not tried again."""
    known = {item: reason for item, reason in entry.skipped.items() if reason}
    if run.on_bad_input == "error" and known:
        for position in map(int, missing):
            if reason := known.get(dataset.ids[position].tobytes()):
                raise ItemError(position, reason, dataset.origin(position))
    return known


def _checked(backbone: Encodes, dataset: Dataset, spec: FeatureSpec) -> Encodes:
    if backbone.modality != dataset.modality:
        raise RecipeError(f"{spec.backbone.label} reads {backbone.modality}, {dataset.name} holds {dataset.modality}", where="backbone")
    if spec.view is not None and not backbone.views:
        raise RecipeError(f"{spec.backbone.label} makes no augmented views", where="views")
    return backbone


def _missing(positions: NDArray[np.int64], ids: NDArray[np.uint8], rows: NDArray[np.int64], bad: Mapping[bytes, str]) -> NDArray[np.int64]:
    """Return the positions to encode, ascending, one for each id."""
    wanted = np.flatnonzero(rows < 0)
    if bad:
        wanted = wanted[np.array([ids[row].tobytes() not in bad for row in wanted], dtype=bool)]
    _, first = np.unique(np.ascontiguousarray(ids[wanted]).view("V32").reshape(-1), return_index=True)
    return positions[wanted[np.sort(first)]]


def _constant(array: NDArray[np.float32], positions: NDArray[np.int64], spec: FeatureSpec) -> tuple[str, ...]:
    """Return a warning where all items have the same features, or most columns are constant."""
    if len(positions) < 2:
        return ()
    first = array[positions[0]]
    constant = np.ones(len(first), dtype=bool)
    for start in range(1, len(positions), _CHECK_ROWS):
        constant &= (array[positions[start : start + _CHECK_ROWS]] == first).all(axis=0)
        if not constant.any():
            return ()
    if constant.all():
        return (f"{spec.backbone.label}: all {len(positions)} items have the same features; nothing can be learnt from them",)
    if constant.mean() > 0.5:
        return (f"{spec.backbone.label}: {int(constant.sum())} of {len(first)} features are the same for all {len(positions)} items",)
    return ()


class _Encoding:
    """One pass over missing items."""

    def __init__(self, dataset: Dataset, missing: NDArray[np.int64], spec: FeatureSpec, backbone: Encodes, entry: Entry, run: ExtractRun) -> None:
        self._dataset, self._missing, self._spec, self._backbone, self._entry, self._run = dataset, missing, spec, backbone, entry, run
        self._preparer = Preparer(dataset, backbone, spec, run.workers)
        self._depth = 1 if spec.numeric.device == "cpu" else _CELLS_IN_FLIGHT_ON_A_GPU
        self._in_flight: deque[tuple[Cell, Tensor]] = deque()
        self._rows: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []
        self._skipped: dict[bytes, str] = {}
        self._seen = 0
        self._flushed = time.monotonic()
        self.bad: dict[bytes, str] = {}
        self.done = 0

    def run(self) -> None:
        """Encode what is missing; what is encoded is kept even where this ends with an error or Ctrl-C."""
        try:
            for cell in self._preparer.prepared(self._cells()):
                self._set_aside(cell.bad)
                self._encode(cell)
            self._collect(0)
        except BaseException:
            with suppress(BurnishError):  # the first error is the one to tell
                self._flush()
            raise
        self._flush()

    def _cells(self) -> list[NDArray[np.int64]]:
        known = self._entry.skipped
        late = np.array([self._id(position) in known for position in self._missing] if known else [False] * len(self._missing))
        # What could not be read before comes last, so that the others fall into the cells they would have had without interruption.
        order = np.concatenate([self._missing[~late], self._missing[late]])
        grid = self._spec.numeric.grid
        return [order[start : start + grid] for start in range(0, len(order), grid)]

    def _id(self, position: int) -> bytes:
        key: bytes = self._dataset.ids[position].tobytes()
        return key

    def _encode(self, cell: Cell) -> None:
        if cell.inputs is not None:
            try:
                features = self._forward(cell.inputs)
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                features = self._forward_alone(cell.inputs)
            self._in_flight.append((cell, features))
        self._collect(self._depth - 1)
        self._seen += len(cell.positions) + len(cell.bad)
        if self._run.progress is not None:
            self._run.progress(self._seen, len(self._missing))

    def _forward(self, inputs: Inputs) -> Tensor:
        import torch

        with torch.inference_mode():
            features = self._backbone.encode(inputs)
        wanted = (self._spec.numeric.grid, self._backbone.dim)
        if tuple(features.shape) != wanted or features.dtype != torch.float32:
            raise PluginError(
                f"encode returned {features.dtype} {tuple(features.shape)}", where=self._spec.backbone.label, possible=f"torch.float32 {wanted}"
            )
        return features

    def _forward_alone(self, inputs: Inputs) -> Tensor:
        """Encode a cell with no other in flight: the cells stay what they are, for their size is part of the numbers."""
        self._depth = self._preparer.ahead = 1
        self._collect(0)
        torch: Any = sys.modules["torch"]
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        try:
            return self._forward(inputs)
        except Exception as error:
            if not _out_of_memory(error):
                raise
            raise MachineError(
                f"out of memory with a single cell of {self._spec.numeric.grid} items on {self._spec.numeric.device}",
                where=self._spec.backbone.label, todo="Choose a smaller backbone, or close other programs on the device",
            ) from error  # fmt: skip

    def _collect(self, leave: int) -> None:
        """Fetch results from the device until so many cells are left in flight."""
        while len(self._in_flight) > leave:
            cell, tensor = self._in_flight.popleft()
            features = tensor.cpu().numpy()[: len(cell.positions)]
            finite = np.isfinite(features).all(axis=1)
            for row in np.flatnonzero(~finite):
                column = int(np.flatnonzero(~np.isfinite(features[row]))[0])
                self._set_aside([Bad(int(cell.positions[row]), f"feature {column} is {features[row, column]}", lasting=True)])
            # A copy, for the backbone may write into the same memory again.
            self._rows.append((cell.positions[finite], features[finite]))
            self.done += len(cell.positions)
            self._flush_if_due()

    def _set_aside(self, bad: Iterable[Bad]) -> None:
        for item in bad:
            if self._run.on_bad_input == "error":
                raise ItemError(item.position, item.reason, self._dataset.origin(item.position))
            self.bad[self._id(item.position)] = item.reason
            self._skipped[self._id(item.position)] = item.reason if item.lasting else ""

    def _flush_if_due(self) -> None:
        items = sum(len(positions) for positions, _ in self._rows)
        full = items >= SHARD_ITEMS or items * self._backbone.dim * 4 >= SHARD_BYTES
        if full or time.monotonic() - self._flushed > SHARD_SECONDS:
            self._flush()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        skipped, self._skipped = self._skipped, {}
        self._flushed = time.monotonic()
        if any(len(positions) for positions, _ in rows) or skipped:
            none: tuple[NDArray[np.int64], NDArray[np.float32]] = (np.empty(0, np.int64), np.empty((0, self._backbone.dim), np.float32))
            positions, features = (np.concatenate(parts) for parts in zip(*rows, none, strict=True))
            self._entry.add(self._dataset.ids[positions.astype(np.int64)], features, skipped)


def _out_of_memory(error: Exception) -> bool:
    """Return whether an exception says that memory ran out, of the host or of a device."""
    torch: Any = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    # torch's CPU allocator raises a bare RuntimeError.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
