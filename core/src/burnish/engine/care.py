"""Looking after the cache: what it holds, whether it is whole, and what to remove.

Features are computed again for nothing, so the cache's bound removes them. Answers may have been paid for: a
person names them, or their age.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType
from typing import Final

from burnish.engine.answers import care as answers
from burnish.engine.features import care as features
from burnish.engine.kept import Damage, Kept
from burnish.errors import CacheError

_KEEPERS: Final[dict[str, ModuleType]] = {"features": features, "answers": answers}


def list_kept(folder: Path) -> list[Kept]:
    """Return what the cache in a folder holds: features, then answers, each the last used first.

    Raises:
        MachineError: the folder cannot be read.
    """
    return [
        kept
        for keeper in _KEEPERS.values()
        for kept in sorted(keeper.entries(folder), key=lambda kept: -kept.used)
    ]


def find_kept(folder: Path, prefix: str) -> Kept:
    """Return the one entry whose key begins so.

    Raises:
        CacheError: there is none, or there are several.
    """
    found = [kept for kept in list_kept(folder) if kept.key.startswith(prefix)]
    if len(found) != 1:
        many = f"{len(found)} entries begin with {prefix!r}" if found else f"no entry begins with {prefix!r}"
        raise CacheError(many, where=str(folder), todo="See `burnish cache list`")
    return found[0]


def verify(folder: Path) -> tuple[int, list[Damage]]:
    """Read every file; a damaged one is set aside, so that what it held is made again.

    Returns:
        How many files are whole, and what is damaged.

    Raises:
        MachineError: the folder cannot be read.
    """
    whole, found = 0, list[Damage]()
    for keeper in _KEEPERS.values():
        more, damage = keeper.verify(folder)
        whole, found = whole + more, found + damage
    return whole, found


def prune(
    folder: Path,
    *,
    max_bytes: int | None = None,
    key: str = "",
    older_than: float | None = None,
    everything: bool = False,
) -> list[Kept]:
    """Remove entries, least recently used first; features that a running process uses stay.

    With no condition only what killed processes and damage left behind is removed.

    Args:
        folder: the cache's folder.
        max_bytes: remove features until the cache holds at most this much of them.
        key: beginning of the keys of entries to remove.
        older_than: remove entries not used for this many seconds.
        everything: remove all.

    Returns:
        What was removed.

    Raises:
        MachineError: something cannot be removed.
    """
    removed = [kept for keeper in _KEEPERS.values() for kept in keeper.sweep(folder)]
    removed += keep_bound(folder, max_bytes) if max_bytes is not None else []
    for kept in sorted(list_kept(folder), key=lambda kept: kept.used):
        named = bool(key) and kept.key.startswith(key)
        old = older_than is not None and time.time() - kept.used > older_than
        if (everything or named or old) and _KEEPERS[kept.kind].remove(folder, kept):
            removed.append(kept)
    return removed


def keep_bound(folder: Path, bound: int) -> list[Kept]:
    """Remove features, least recently used first, until the cache holds at most so many bytes of them.

    Returns:
        What was removed; nothing that a running process uses.

    Raises:
        MachineError: something cannot be removed.
    """
    features.sweep(folder)
    entries = sorted(features.entries(folder), key=lambda kept: kept.used)
    total, removed = sum(kept.size for kept in entries), []
    for kept in entries:
        if total > bound and features.remove(folder, kept):
            removed.append(kept)
            total -= kept.size
    return removed
