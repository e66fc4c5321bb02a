"""Extraction: each item through a frozen backbone once, into the cache.

Afterwards features are read, never computed.

Given features are the exception: they are taken from the data each time, in the same cells and under the same
checks.

Items that are missing are put in order, cut into cells of 64 and encoded cell by cell: the *grid*. It is part
of every feature key, because a batch of another size may change the last bits. Threads read and prepare
ahead; how many there are, and how many cells are in flight, changes nothing in the result. Shards hold whole
cells, so a run that was killed goes on with the cells it would have made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from burnish.contracts.backbone import Encodes
from burnish.data.dataset import Dataset
from burnish.engine.care import keep_bound
from burnish.engine.features.cache import Entry, FeatureCache
from burnish.engine.features.cells import Bad, Preparer
from burnish.engine.features.lanes import Encoded, Lanes
from burnish.engine.features.spec import FeatureSpec
from burnish.engine.features.uncached import Uncached
from burnish.errors import BurnishError, CacheError, DataError, ItemError, MachineError, RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARD_ITEMS: Final = 4096
SHARD_BYTES: Final = 32 << 20
SHARD_SECONDS: Final = 5.0
"""A shard is written when it holds so much or the last one is so long ago: the most that a kill loses."""

_ATTEMPTS = 3
_CHECK_ROWS = 4096


@dataclass(frozen=True)
class ExtractRun:
    """How to extract: nothing here changes a feature.

    Attributes:
        workers: threads that read and prepare (`burnish.places.reading_threads`).
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
        features: (N, D) float32 over the data set's positions, read-only; NaN where a position was not asked
            for or its item is bad. Large tables of the cache are memory-mapped.
        bad: positions with the reason, ascending.
        warnings: lines for people.
        encoded: items whose features were made now; 0 where the cache had all, which it never has of given
            features.
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

    Of specs that are not cached (`FeatureSpec.cached`), encode all.

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
    entry = cache.open(spec) if spec.cached else Uncached(ids, positions, len(dataset))
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
        raise CacheError(
            "entries vanish while they are read",
            where=str(cache.folder),
            todo="Look for another process that clears the cache",
        )
    if isinstance(entry, Entry) and entry.added:
        _enforce_bound(cache, entry)
    listed = tuple((int(positions[row]), bad[ids[row].tobytes()]) for row in np.flatnonzero(rows < 0))
    if listed and len(listed) == len(positions):
        position, reason = listed[0]
        raise DataError(
            f"none of {len(listed)} items can be used; the first: {reason}", where=dataset.origin(position)
        )
    array = entry.table(rows, positions, len(dataset), backbone.dim if backbone else 0)
    return Extracted(array, listed, (*entry.warnings, *_constant(array, positions[rows >= 0], spec)), encoded)


def _known_bad(
    entry: Entry | Uncached, dataset: Dataset, missing: NDArray[np.int64], run: ExtractRun
) -> dict[bytes, str]:
    """Return what the cache knows to have no features; its content decides that, so it is not tried again."""
    known = {item: reason for item, reason in entry.skipped.items() if reason}
    if run.on_bad_input == "error" and known:
        for position in map(int, missing):
            if reason := known.get(dataset.ids[position].tobytes()):
                raise ItemError(position, reason, dataset.origin(position))
    return known


def _enforce_bound(cache: FeatureCache, entry: Entry) -> None:
    try:
        keep_bound(cache.folder, cache.bound)
    except MachineError as error:  # such as another user's entries: no reason to lose what was made here
        entry.warnings.append(f"the cache is larger than its bound: {error}")


def _checked(backbone: Encodes, dataset: Dataset, spec: FeatureSpec) -> Encodes:
    if backbone.modality != dataset.modality:
        raise RecipeError(
            f"{spec.backbone.text} reads {backbone.modality}, {dataset.name} holds {dataset.modality}",
            where="backbone",
        )
    if spec.view is not None and not backbone.views:
        raise RecipeError(f"{spec.backbone.text} makes no augmented views", where="views")
    return backbone


def _missing(
    positions: NDArray[np.int64], ids: NDArray[np.uint8], rows: NDArray[np.int64], bad: Mapping[bytes, str]
) -> NDArray[np.int64]:
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
        return (
            (
                f"{spec.backbone.text}: all {len(positions)} items have the same features; nothing can be"
                " learnt from them"
            ),
        )
    if constant.mean() > 0.5:
        return (
            (
                f"{spec.backbone.text}: {int(constant.sum())} of {len(first)} features are the same for all"
                f" {len(positions)} items"
            ),
        )
    return ()


class _Encoding:
    """One pass over missing items."""

    def __init__(
        self,
        dataset: Dataset,
        missing: NDArray[np.int64],
        spec: FeatureSpec,
        backbone: Encodes,
        entry: Entry | Uncached,
        run: ExtractRun,
    ) -> None:
        self._dataset, self._missing, self._spec, self._backbone, self._entry, self._run = (
            dataset,
            missing,
            spec,
            backbone,
            entry,
            run,
        )
        self._kept: list[tuple[NDArray[np.int64], NDArray[np.float32], dict[bytes, Bad]]] = []
        self._flushed = time.monotonic()
        self.bad: dict[bytes, str] = {}
        self.done = 0

    def run(self) -> None:
        """Encode what is missing; what is encoded is kept even where this ends with an error or Ctrl-C."""
        preparer = Preparer(self._dataset, self._backbone, self._spec, self._run.workers)
        try:
            with (
                closing(preparer.prepared(self._cells())) as cells,
                Lanes(self._backbone, self._spec) as lanes,
            ):
                for cell in cells:
                    self._keep(lanes.add(cell))
                    if lanes.short_of_memory:
                        preparer.ahead = 1
                self._keep(lanes.rest())
        except BaseException:
            with suppress(BurnishError):  # the first error is the one to tell
                self._flush()
            raise
        self._flush()

    def _cells(self) -> list[NDArray[np.int64]]:
        known = self._entry.skipped
        late = np.array(
            [self._id(position) in known for position in self._missing]
            if known
            else [False] * len(self._missing)
        )
        # What could not be read before comes last, so that the others fall into the cells they would have had
        # without interruption.
        order = np.concatenate([self._missing[~late], self._missing[late]])
        grid = self._spec.numeric.grid
        return [order[start : start + grid] for start in range(0, len(order), grid)]

    def _id(self, position: int) -> bytes:
        key: bytes = self._dataset.ids[position].tobytes()
        return key

    def _keep(self, encoded: Iterable[Encoded]) -> None:
        for cell, features in encoded:
            finite = np.isfinite(features).all(axis=1)
            odd = [_odd(int(cell.positions[row]), features[row]) for row in np.flatnonzero(~finite)]
            bad = sorted([*cell.bad, *odd], key=lambda item: item.position)
            if bad and self._run.on_bad_input == "error":
                raise ItemError(bad[0].position, bad[0].reason, self._dataset.origin(bad[0].position))
            # A copy, for the backbone may write into the same memory again. In one step, so that an interrupt
            # splits no cell.
            self._kept.append(
                (cell.positions[finite], features[finite], {self._id(item.position): item for item in bad})
            )
            self.done += int(finite.sum())
            self.bad |= {self._id(item.position): item.reason for item in bad}
            self._flush_if_due()
            if self._run.progress is not None:
                self._run.progress(self.done + len(self.bad), len(self._missing))

    def _flush_if_due(self) -> None:
        items = sum(len(positions) for positions, _, _ in self._kept)
        full = items >= SHARD_ITEMS or items * self._backbone.dim * 4 >= SHARD_BYTES
        if full or time.monotonic() - self._flushed > SHARD_SECONDS:
            self._flush()

    def _flush(self) -> None:
        kept, self._kept = self._kept, []
        self._flushed = time.monotonic()
        if not kept:
            return
        positions, features, bad = zip(*kept, strict=True)
        skipped = {key: item.reason if item.lasting else "" for part in bad for key, item in part.items()}
        self._entry.add(self._dataset.ids[np.concatenate(positions)], np.concatenate(features), skipped)


def _odd(position: int, features: NDArray[np.float32]) -> Bad:
    column = int(np.flatnonzero(~np.isfinite(features))[0])
    return Bad(position, f"feature {column} is {features[column]}", lasting=True)
