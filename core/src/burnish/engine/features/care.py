"""Looking after cached features: what `burnish.engine.care` asks of them, and why some are not there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from burnish.engine.features.cache import DAMAGED, SPEC_FILE, read_spec, set_aside, spec_lock
from burnish.engine.features.shards import SUFFIX, open_shard, read_header
from burnish.engine.kept import Damage, Kept
from burnish.errors import CacheError
from burnish.files import PART, remove_leftovers, translate_os_errors

_REMOVED: Final = "removed-"


def entries(folder: Path) -> Iterator[Kept]:
    """Yield what the cache in a folder holds, a spec each. Reads headers only.

    Raises:
        MachineError: the folder cannot be read.
    """
    return (_kept(folder, entry) for entry in _entries(folder))


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


def _kept(folder: Path, entry: Path) -> Kept:
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
    return Kept(
        kind="features",
        key=entry.name,
        text=str(said.get("text", "?")),
        view=spec.get("view"),
        items=sum(header.count for header in headers),
        dim=headers[0].dim if headers else 0,
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


def verify(folder: Path) -> tuple[int, list[Damage]]:
    """Read every shard, compare checksums, and set damaged ones aside (`burnish.engine.care.verify`)."""
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


def remove(folder: Path, kept: Kept) -> bool:
    """Remove features unless a running process uses them, and return whether they are gone.

    Raises:
        MachineError: something cannot be removed.
    """
    entry = folder / "features" / kept.key
    with spec_lock(folder, kept.key, exclusive=True) as free:
        if not free:
            return False
        # First out of the way in one step, so that a kill leaves no half entry.
        gone = entry.with_name(_REMOVED + secrets.token_hex(8))
        with translate_os_errors(entry, "removed"):
            entry.rename(gone)
            shutil.rmtree(gone)
    return True


def sweep(folder: Path) -> list[Kept]:
    """Remove what killed processes and damage left behind; no entry is among it.

    Raises:
        MachineError: something cannot be removed.
    """
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
    return []


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
            items = _kept(folder, entry).items
            continue
        there = _flat(read_spec(entry).get("spec") or {})
        names = [name for name in dict.fromkeys([*wanted, *there]) if wanted.get(name) != there.get(name)]
        if there and (not best[0] or len(names) < len(best[1])):
            best = entry.name, tuple(Difference(name, wanted.get(name), there.get(name)) for name in names)
    return Why(key, items, *best)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {
            key: v
            for name, item in value.items()
            for key, v in _flat(item, f"{prefix}.{name}" if prefix else str(name)).items()
        }
    return {prefix: value}
