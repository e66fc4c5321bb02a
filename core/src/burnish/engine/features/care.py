"""Looking after the feature cache.

What it holds, whether it is whole, what to remove, and why something is not there.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from burnish.engine.features.cache import DAMAGED, SPEC_FILE, read_spec, set_aside, spec_lock
from burnish.engine.features.shards import SUFFIX, open_shard, read_header
from burnish.errors import CacheError
from burnish.files import PART, remove_leftovers, translate_os_errors

_REMOVED: Final = "removed-"


@dataclass(frozen=True)
class EntryInfo:
    """What lies under one spec.

    Attributes:
        key: the spec's key.
        text: the backbone as a person would write it.
        view: None for the evaluation view, else the number of the fixed view.
        items: items encoded.
        dim: width of the features, 0 where nothing is there.
        shards: files.
        size: bytes on disk, also of damaged and left-over files.
        used: when it was last used, seconds since 1970.
        in_use: whether a process uses it now.
        damaged: files that were set aside or have a damaged header.
    """

    key: str
    text: str
    view: int | None
    items: int
    dim: int
    shards: int
    size: int
    used: float
    in_use: bool
    damaged: int


def list_entries(folder: Path) -> list[EntryInfo]:
    """Return what the cache in a folder holds, the last used first. Reads headers only."""
    return sorted((_info(folder, entry) for entry in _entries(folder)), key=lambda info: -info.used)


def _entries(folder: Path) -> Iterator[Path]:
    for item in _scan(folder / "features"):
        if item.is_dir(follow_symlinks=False) and not item.name.startswith(_REMOVED):
            yield Path(item.path)


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    with translate_os_errors(folder, "read"):
        try:
            with os.scandir(folder) as items:
                return sorted(items, key=lambda item: item.name)
        except FileNotFoundError:  # nothing yet, or pruned just now
            return []


def _info(folder: Path, entry: Path) -> EntryInfo:
    said = read_spec(entry)
    spec = said.get("spec") or {}
    files = list(_files(entry))
    headers, damaged = [], 0
    for path, _ in files:
        if path.name.endswith(SUFFIX):
            try:
                headers.append(read_header(path))
            except (CacheError, OSError):
                damaged += 1
        elif path.name.endswith(DAMAGED):
            damaged += 1
    used = max((stat.st_mtime for path, stat in files if path.name == SPEC_FILE), default=0.0)
    with spec_lock(folder, entry.name, exclusive=True) as free:
        in_use = not free
    return EntryInfo(
        key=entry.name,
        text=str(said.get("text", "?")),
        view=spec.get("view"),
        items=sum(header.count for header in headers),
        dim=headers[0].dim if headers else 0,
        shards=len(headers),
        size=sum(stat.st_size for _, stat in files),
        used=used,
        in_use=in_use,
        damaged=damaged,
    )


def _files(entry: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for item in _scan(entry):
        with suppress(FileNotFoundError):  # renamed or removed just now
            if item.is_file(follow_symlinks=False):
                yield Path(item.path), item.stat()


@dataclass(frozen=True)
class Damage:
    """A damaged file.

    Attributes:
        path: the file as it was called.
        reason: what is wrong with it.
    """

    path: Path
    reason: str


def verify(folder: Path) -> tuple[int, list[Damage]]:
    """Read every shard and compare checksums.

    A damaged one is set aside, so that its items are encoded again.

    Returns:
        How many shards are whole, and what is damaged.
    """
    whole, found = 0, []
    for entry in _entries(folder):
        for path, _ in _files(entry):
            if not path.name.endswith(SUFFIX):
                continue
            try:
                shard = open_shard(path)
                shard.check_features()
                if shard.header.spec != entry.name:
                    raise CacheError("it belongs to another spec")
            except CacheError as error:
                set_aside(path)
                found.append(Damage(path, error.what))
            except FileNotFoundError:  # pruned while this reads
                continue
            else:
                whole += 1
    return whole, found


def prune(
    folder: Path, *, max_bytes: int | None = None, spec: str = "", older_than: float | None = None
) -> list[EntryInfo]:
    """Remove entries that no running process uses.

    With no condition only what killed processes and damage left behind is removed.

    Args:
        folder: the cache's folder.
        max_bytes: remove the entries least recently used until the cache holds at most this.
        spec: beginning of the keys of entries to remove.
        older_than: remove entries not used for this many seconds.

    Returns:
        What was removed.

    Raises:
        MachineError: something cannot be removed.
    """
    _sweep(folder)
    entries = sorted(list_entries(folder), key=lambda info: info.used)
    total = sum(info.size for info in entries)
    removed = []
    for info in entries:
        named = bool(spec) and info.key.startswith(spec)
        old = older_than is not None and time.time() - info.used > older_than
        over = max_bytes is not None and total > max_bytes
        if (named or old or over) and _remove(folder, info.key):
            removed.append(info)
            total -= info.size
    return removed


def _remove(folder: Path, key: str) -> bool:
    entry = folder / "features" / key
    with spec_lock(folder, key, exclusive=True) as free:
        if not free:
            return False
        # First out of the way in one step, so that a kill leaves no half entry.
        gone = entry.with_name(_REMOVED + secrets.token_hex(8))
        with translate_os_errors(entry, "removed"):
            entry.rename(gone)
            shutil.rmtree(gone)
    return True


def _sweep(folder: Path) -> None:
    features = folder / "features"
    for gone in features.glob(f"{_REMOVED}*"):
        shutil.rmtree(gone, ignore_errors=True)  # another process may be removing it
    for entry in _entries(folder):
        names = [path.name for path, _ in _files(entry)]
        if any(name.startswith(PART) for name in names):
            remove_leftovers(entry)
        for name in names:
            if name.endswith(DAMAGED):
                with translate_os_errors(entry / name, "removed"):
                    (entry / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class Difference:
    """One field in which two specs differ.

    Attributes:
        field: its dotted name.
        wanted: value in the spec that is looked for, None where it has no such field.
        there: value in the spec that is there.
    """

    field: str
    wanted: Any
    there: Any


@dataclass(frozen=True)
class Why:
    """Whether features of a spec are there, and if not, what is nearest.

    Attributes:
        key: key of the spec that is looked for.
        items: items that are there under exactly this spec.
        nearest: key of the spec most like it; empty where the cache has no other.
        differences: in which fields the two differ.
    """

    key: str
    items: int
    nearest: str
    differences: tuple[Difference, ...]


def why(folder: Path, key: str, record: Mapping[str, Any]) -> Why:
    """Say whether features of a spec are there and, from the nearest other spec, why not.

    Args:
        folder: the cache's folder.
        key: the key that is looked for.
        record: its spec (`burnish.engine.features.cache.FeatureSpec.record`).
    """
    wanted = _flat(record)
    items, best = 0, ("", tuple[Difference, ...]())
    for entry in _entries(folder):
        if entry.name == key:
            items = _info(folder, entry).items
            continue
        there = _flat(read_spec(entry).get("spec") or {})
        names = [name for name in dict.fromkeys([*wanted, *there]) if wanted.get(name) != there.get(name)]
        if there and (not best[0] or len(names) < len(best[1])):
            best = entry.name, tuple(Difference(name, wanted.get(name), there.get(name)) for name in names)
    return Why(key, items, *best)


def find_entry(folder: Path, prefix: str) -> EntryInfo:
    """Return the one entry whose key begins so.

    Raises:
        CacheError: there is none, or there are several.
    """
    found = [entry for entry in _entries(folder) if entry.name.startswith(prefix)]
    if len(found) != 1:
        many = f"{len(found)} entries begin with {prefix!r}" if found else f"no entry begins with {prefix!r}"
        raise CacheError(many, where=str(folder), todo="See `burnish cache list`")
    return _info(folder, found[0])


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {
            key: v
            for name, item in value.items()
            for key, v in _flat(item, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    return {prefix: value}
