"""The feature cache: what a backbone made of an item, kept under what decides it.

``<cache>/features/<spec key>/`` holds ``spec.json`` (the spec in plain words) and immutable shards
(`burnish.engine.features.shards`). The spec is everything but the item: backbone with its options, code and
weights, libraries that decode, view, numeric mode. Inside a spec an item is found by its content id, so
neither data set nor split plays a part, and a data set that grows by an item encodes one item.

What is made of given features (modality ``"features"``) is not kept: they are in the data already, where
reading them costs no more.

Several processes may use and fill one cache: readers hold a shared lock on the spec,
`burnish.engine.care.prune` takes an exclusive one; whatever two processes write twice is equal.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from burnish.engine.features.mapped import MAPPED_FROM, in_memory, mapped
from burnish.engine.features.shards import SUFFIX, IdIndex, Shard, open_shard, write_shard
from burnish.engine.features.spec import FeatureSpec
from burnish.errors import CacheError
from burnish.files import ensure_folder, remove_leftovers, translate_os_errors, write_json
from burnish.places import cache_bound, cache_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GATHERED: Final = 4096
"""Rows that are gathered from several shards at a time."""

SPEC_FILE: Final = "spec.json"
DAMAGED: Final = ".damaged"


class FeatureCache:
    """A cache in a folder; a context manager.

    Entries that were opened are safe from pruning, by this process and others, until `close`. What they hand
    out stays valid even then: a mapped file outlives its name.

    Args:
        folder: where it lies; None asks the environment (`cache_folder`).
        bound: bytes it may hold; None asks the environment (`cache_bound`). Entries in use stay in any case.
    """

    def __init__(self, folder: Path | None = None, bound: int | None = None) -> None:
        self.folder = cache_folder() if folder is None else folder
        self.bound = cache_bound() if bound is None else bound
        self._locks = ExitStack()
        self._held: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every entry."""
        self._held.clear()
        self._locks.close()

    def open(self, spec: FeatureSpec) -> Entry:
        """Return the entry of a spec with what is there now."""
        entry = Entry(self.folder, spec)
        if entry.key not in self._held:
            self._locks.enter_context(spec_lock(self.folder, entry.key, exclusive=False))
            self._held.add(entry.key)
        entry.refresh()
        entry.touch()
        return entry


@contextmanager
def spec_lock(folder: Path, key: str, *, exclusive: bool) -> Iterator[bool]:
    """Hold a lock on a spec; the operating system lets go of it however the process ends.

    Args:
        folder: the cache's folder.
        key: the spec's key.
        exclusive: to remove the entry: does not wait, and gives False where another holds it. Otherwise to
            use it.

    Yields:
        Whether the lock is held. A cache that cannot be written has no locks, and nothing prunes it either.
    """
    descriptor = _open_lock(folder / "locks" / key)
    if descriptor is None:
        yield False
        return
    try:
        yield _flock(descriptor, exclusive=exclusive)
    finally:
        os.close(descriptor)


def _open_lock(path: Path) -> int | None:
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    return None


def _flock(descriptor: int, *, exclusive: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH)
    except OSError:  # in use; or a file system without locks, where nothing may be pruned
        return False
    return True


_checked: set[tuple[str, int, int]] = set()
"""Shards whose features this process has checked: path, inode, time of change."""


@dataclass(eq=False)
class Entry:
    """All that is known under one spec: opened by `FeatureCache.open`.

    Attributes:
        root: the cache's folder.
        spec: the spec.
        key: its key.
        warnings: lines about what was damaged and set aside.
        added: shards written by this object.
    """

    root: Path
    spec: FeatureSpec
    key: str = ""
    warnings: list[str] = field(default_factory=list)
    added: int = 0
    _shards: list[Shard] = field(default_factory=list)
    _unusable: set[str] = field(default_factory=set)
    _index: IdIndex | None = None

    def __post_init__(self) -> None:
        self.key = self.key or self.spec.key()

    @property
    def folder(self) -> Path:
        """The folder of the spec."""
        return self.root / "features" / self.key

    @property
    def dim(self) -> int | None:
        """Width D of what is there; None where nothing is."""
        return self._shards[0].header.dim if self._shards else None

    def refresh(self) -> None:
        """Open shards that have appeared since; a damaged one is set aside with a warning.

        Raises:
            MachineError: the folder cannot be read.
        """
        known = {shard.path.name for shard in self._shards} | self._unusable
        with translate_os_errors(self.folder, "read"):
            names = [name for name in _names(self.folder) if name.endswith(SUFFIX) and name not in known]
            for name in names:
                with suppress(FileNotFoundError):  # set aside by another process just now
                    self._open(self.folder / name)
        if names:
            self._shards.sort(key=lambda shard: shard.path.name)
            self._index = None

    def _open(self, path: Path) -> None:
        try:
            shard = open_shard(path)
            if shard.header.spec != self.key or (self.dim is not None and shard.header.dim != self.dim):
                raise CacheError(
                    "a cache entry that belongs to another spec", where=str(path), todo="It is set aside"
                )
        except CacheError as error:
            self._set_aside(path, error)
        else:
            self._shards.append(shard)

    def _set_aside(self, path: Path, error: CacheError) -> None:
        self._unusable.add(path.name)
        self.warnings.append(str(error))
        set_aside(path)

    @property
    def skipped(self) -> dict[bytes, str]:
        """Ids of items that have no features, with the reason; an empty reason is worth another try."""
        return {
            bytes.fromhex(text): reason
            for shard in self._shards
            for text, reason in shard.header.skipped.items()
        }

    def locate(self, ids: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Find items.

        Args:
            ids: (M, 32) uint8.

        Returns:
            (M,) int64 row of each in this entry, for `table`; -1 where it is missing. Every shard that holds
            one has been checked.
        """
        while True:
            index = self._index = self._index or IdIndex([shard.ids for shard in self._shards])
            rows = index.locate(ids)
            used = np.unique(np.searchsorted(index.starts, rows[rows >= 0], side="right") - 1)
            if all(self._whole(self._shards[number]) for number in used):
                return rows
            self._shards = [shard for shard in self._shards if shard.path.name not in self._unusable]
            self._index = None

    def _whole(self, shard: Shard) -> bool:
        try:
            stat = shard.path.stat()
            mark = (str(shard.path), stat.st_ino, stat.st_mtime_ns)
        except OSError:  # pruned or set aside meanwhile; the mapping stays whole
            mark = (str(shard.path), 0, 0)
        if mark in _checked:
            return True
        try:
            shard.check_features()
        except CacheError as error:
            self._set_aside(shard.path, error)
            return False
        _checked.add(mark)
        return True

    def table(
        self, rows: NDArray[np.int64], positions: NDArray[np.int64], n: int, dim: int
    ) -> NDArray[np.float32]:
        """Return features as an array (n, D) float32, read-only.

        Mapped from the file where it lies there so; else gathered, if large (`MAPPED_FROM`) into a file
        without a name beside the others, so that memory holds only what is in use.

        Args:
            rows: (M,) int64 from `locate`, -1 where missing.
            positions: (M,) int64 ascending positions they belong to.
            n: items of the data set.
            dim: width D where nothing is there.

        Returns:
            The array; rows that are missing or whose positions were not asked for are NaN.
        """
        starts = self._index.starts if self._index is not None else np.zeros(1, dtype=np.int64)
        shards = np.searchsorted(starts, rows, side="right") - 1
        if len(rows) == n and n and rows[0] >= 0 and shards[0] == shards[-1] and (np.diff(rows) == 1).all():
            first = int(rows[0] - starts[shards[0]])
            whole: NDArray[np.float32] = self._shards[shards[0]].features[first : first + n]
            return whole
        shape = (n, self.dim or dim)
        if 4 * shape[0] * shape[1] >= MAPPED_FROM:
            try:
                return mapped(self.folder, shape, self._blocks(rows, positions, shape))
            except OSError as error:
                held = f"the features of {self.spec.backbone.text} are held in memory"
                self.warnings.append(f"{self.folder}: {error.strerror or error}; {held}")
        return in_memory(shape, self._blocks(rows, positions, shape))

    def _blocks(
        self, rows: NDArray[np.int64], positions: NDArray[np.int64], shape: tuple[int, int]
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the rows of `table`, a few thousand at a time."""
        starts = self._index.starts if self._index is not None else np.zeros(1, dtype=np.int64)
        for start in range(0, shape[0], _GATHERED):
            stop = min(start + _GATHERED, shape[0])
            block = np.full((stop - start, shape[1]), np.nan, dtype=np.float32)
            mine = slice(*np.searchsorted(positions, [start, stop]))
            there = rows[mine] >= 0
            found, places = rows[mine][there], positions[mine][there] - start
            shards = np.searchsorted(starts, found, side="right") - 1
            for number in np.unique(shards):
                here = shards == number
                block[places[here]] = self._shards[number].features[found[here] - starts[number]]
            yield block

    def add(
        self,
        ids: NDArray[np.uint8],
        features: NDArray[np.float32],
        skipped: Mapping[bytes, str] | None = None,
    ) -> None:
        """Write a shard.

        Args:
            ids: (m, 32) uint8.
            features: (m, D) float32.
            skipped: ids of items that stood among these and have no features, with the reason (`skipped`).

        Raises:
            MachineError: it cannot be written.
        """
        if not self.added:
            ensure_folder(self.folder)
            remove_leftovers(self.folder)
            describe = {"text": self.spec.backbone.text, "key": self.key, "spec": self.spec.record()}
            if not (self.folder / SPEC_FILE).exists():
                write_json(self.folder / SPEC_FILE, describe)
        path = write_shard(
            self.folder,
            self.key,
            ids,
            features,
            {item.hex(): reason for item, reason in (skipped or {}).items()},
        )
        self._unusable.discard(path.name)
        self.added += 1

    def touch(self) -> None:
        """Note that the entry was used now, by which pruning chooses.

        In a cache that cannot be written it is not noted.
        """
        with suppress(OSError):
            os.utime(self.folder / SPEC_FILE, (time.time(), time.time()))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except FileNotFoundError:  # nothing yet
        return []


def set_aside(path: Path) -> None:
    """Rename a damaged shard out of the way; where that is not possible it is passed over each time."""
    with suppress(OSError):
        path.rename(path.with_name(path.name + DAMAGED))


def read_spec(folder: Path) -> Mapping[str, Any]:
    """Return what ``spec.json`` of an entry's folder says; empty where it is missing or damaged."""
    try:
        value = json.loads((folder / SPEC_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
