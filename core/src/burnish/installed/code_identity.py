"""Identity of code.

A key records it so that a changed method is never mistaken for the one that made a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from burnish.installed import metadata

CORE_PARTS = ("blocks", "contracts", "data", "engine", "heads")
"""Sub-packages of burnish that can change a number; the others plan, print and report."""

_DIGESTS: dict[tuple[str, int, int], bytes] = {}


def hash_sources(roots: Iterable[Path]) -> str:
    """Return a hash of the ``.py`` files at or below some files and folders: relative names and contents.

    Args:
        roots: files and folders. Hashes of files are remembered by (path, size, mtime in ns) while the
            process lives.
    """
    digest = hashlib.sha256()
    for root in roots:
        files = sorted(root.rglob("*.py")) if root.is_dir() else [root]
        for file in files:
            digest.update(
                (file.name if file == root else f"{root.name}/{file.relative_to(root).as_posix()}").encode()
            )
            digest.update(_file_digest(file))
    return f"sha256:{digest.hexdigest()}"


def _file_digest(file: Path) -> bytes:
    stat = file.stat()
    key = (str(file), stat.st_size, stat.st_mtime_ns)
    if key not in _DIGESTS:
        _DIGESTS[key] = hashlib.sha256(file.read_bytes()).digest()
    return _DIGESTS[key]


def of_package(module: str, source: str, distribution: str, version: str) -> str:
    """Return the identity of a plugin's code.

    Args:
        module: its entry-point module; the whole top-level package counts.
        source: ``"index"`` or ``"wheel"`` (the version is the identity), ``"folder"`` or ``"file"`` (the
            files are).
        distribution: name of the distribution.
        version: its version.
    """
    if source in {"index", "wheel"}:
        return f"{metadata.normal_name(distribution)} {version}"
    return hash_sources(_roots(module.partition(".")[0].partition(":")[0]))


@cache
def of_core() -> str:
    """Return the identity of those parts of burnish that can change a number."""
    try:
        version, source = metadata.version("burnish"), metadata.source("burnish")
    except metadata.NotInstalledError:
        version, source = "", "folder"
    if source != "folder":
        return f"burnish {version}"
    folder = Path(__file__).parents[1]
    return hash_sources(folder / part for part in CORE_PARTS)


def _roots(package: str) -> list[Path]:
    spec = find_spec(package)
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return [Path(location) for location in sorted(spec.submodule_search_locations)]
    return [Path(spec.origin)] if spec.origin else []
