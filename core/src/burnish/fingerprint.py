"""Content hashes of the files and folders that options name.

Hashing a large folder takes long, so hashes are remembered in the cache folder by (device, inode, size,
mtime, ctime). Where that folder cannot be written, or its memory is damaged, everything is hashed again: only
time is lost.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from burnish.config import paths
from burnish.errors import ConfigError
from burnish.places import cache_folder, logical_cores

if TYPE_CHECKING:
    import sqlite3

_CHUNK: Final = 1 << 20
_MOST_READERS: Final = 8
_SETTLED: Final = 2_000_000_000
"""Nanoseconds: the hash of a file changed less than this ago is not remembered.

It may change again without another mtime.
"""

FileId = tuple[int, int, int, int, int]


def of_config(config: object, where: str = "") -> str:
    """Return a hash of the contents of every file and folder that a config's `Path` options name.

    Empty where there are none.

    Args:
        config: the config.
        where: what it belongs to, for errors.

    Raises:
        ConfigError: a path does not exist or cannot be read.
    """
    found = paths(config)
    if not found:
        return ""
    digest = hashlib.sha256()
    for name, value in sorted(found.items()):
        for path in value if isinstance(value, tuple) else (value,):
            digest.update(
                f"{name}:{of_path(path, f'{where}, option {name}' if where else f'option {name}')};".encode()
            )
    return digest.hexdigest()


def of_path(path: Path, where: str = "") -> str:
    """Return the SHA-256 of a file's bytes, or of a folder's relative names and contents.

    Hidden files and folders do not count.

    Raises:
        ConfigError: the path does not exist or cannot be read.
    """
    try:
        if path.is_dir():
            files = sorted(_walk(path, "", frozenset()))
        elif path.exists():
            files = [("", path)]
        else:
            raise ConfigError(
                f"there is no file or folder {str(path)!r}",
                where=where,
                todo="Relative paths start from the recipe's folder",
            )
        hashes = _hashes([file for _, file in files])
    except OSError as error:
        raise ConfigError(
            f"{str(error.filename or path)!r} cannot be read: {error.strerror or error}", where=where
        ) from error
    if not path.is_dir():
        return hashes[0].hex()
    digest = hashlib.sha256()
    for (name, _), content in zip(files, hashes, strict=True):
        digest.update(len(os.fsencode(name)).to_bytes(4, "little") + os.fsencode(name) + content)
    return digest.hexdigest()


def of_files(files: Sequence[Path], prefix: bytes = b"") -> list[bytes | None]:
    r"""Return the SHA-256 of a prefix and each file's bytes; None for a file that cannot be read.

    With the prefix ``b"image\0"`` it is the content id of an image (`burnish.data.content_id`), so that a
    source hashes its files once for its fingerprint and its items.
    """
    from concurrent.futures import ThreadPoolExecutor

    ids = [_file_id_or_none(file) for file in files]
    memory = _Memory(cache_folder() / "hashes.sqlite", prefix)
    try:
        known = memory.look_up([identity for identity in ids if identity])
        missing = {
            identity: file
            for identity, file in zip(ids, files, strict=True)
            if identity and identity not in known
        }
        now, fresh = time.time_ns(), {}
        # Hashing and reading release the interpreter.
        with ThreadPoolExecutor(min(_MOST_READERS, 2 * logical_cores())) as pool:
            digests = pool.map(lambda file: _hash_file_or_none(file, prefix), missing.values(), chunksize=16)
            for (identity, file), digest in zip(missing.items(), digests, strict=True):
                if digest is not None:
                    known[identity] = digest
                    if now - identity[3] > _SETTLED and _file_id_or_none(file) == identity:
                        fresh[identity] = digest
        memory.remember(fresh)
    finally:
        memory.close()
    return [known.get(identity) if identity else None for identity in ids]


def _file_id_or_none(file: Path) -> FileId | None:
    try:
        return _file_id(file)
    except (OSError, ValueError):  # ValueError: a path with a zero byte
        return None


def _hash_file_or_none(file: Path, prefix: bytes) -> bytes | None:
    try:
        return _hash_file(file, prefix)
    except OSError:
        return None


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]]) -> Iterator[tuple[str, Path]]:
    """Yield (relative name, path) of every file; a link to a folder that it lies in is not followed."""
    info = folder.stat()
    here = (info.st_dev, info.st_ino)
    if here in above:
        return
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/", above | {here})
        elif entry.is_file():
            yield f"{prefix}{entry.name}", entry


def _hashes(files: Sequence[Path]) -> list[bytes]:
    ids = [_file_id(file) for file in files]
    memory = _Memory(cache_folder() / "hashes.sqlite")
    try:
        known = memory.look_up(ids)
        fresh = {}
        now = time.time_ns()
        for file, identity in zip(files, ids, strict=True):
            if identity not in known:
                known[identity] = _hash_file(file)
                if now - identity[3] > _SETTLED and _file_id(file) == identity:
                    fresh[identity] = known[identity]
        memory.remember(fresh)
    finally:
        memory.close()
    return [known[identity] for identity in ids]


def _file_id(file: Path) -> FileId:
    """Return device, inode, size and times of a file's last change.

    The second time is that of the system, which programs that restore mtimes (tar, rsync) do not set.
    """
    info = file.stat()
    if not stat.S_ISREG(info.st_mode):
        raise OSError(0, "it is not a regular file", str(file))
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def _hash_file(file: Path, prefix: bytes = b"") -> bytes:
    digest = hashlib.sha256(prefix)
    with file.open("rb", buffering=0) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


class _Memory:
    """Remembered hashes. Every failure of its file means: nothing is known, nothing is remembered."""

    def __init__(self, file: Path, prefix: bytes = b"") -> None:
        import sqlite3

        self._prefix = prefix.hex()

        self._errors = (sqlite3.Error, OSError)
        self._connection: sqlite3.Connection | None = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(file, timeout=5)
            self._connection.execute(
                "create table if not exists hashes (id text primary key, digest blob not null) without rowid"
            )
        except self._errors:
            self.close()

    def look_up(self, ids: Sequence[FileId]) -> dict[FileId, bytes]:
        known: dict[FileId, bytes] = {}
        if self._connection is None:
            return known
        try:
            for identity in ids:
                row = self._connection.execute(
                    "select digest from hashes where id = ?", (self._key(identity),)
                ).fetchone()
                if row is not None and isinstance(row[0], bytes) and len(row[0]) == 32:
                    known[identity] = row[0]
        except self._errors:
            self.close()
        return known

    def remember(self, fresh: dict[FileId, bytes]) -> None:
        if self._connection is None or not fresh:
            return
        try:
            with self._connection:
                self._connection.executemany(
                    "insert or replace into hashes values (?, ?)",
                    [(self._key(i), d) for i, d in fresh.items()],
                )
        except self._errors:
            self.close()

    def _key(self, identity: FileId) -> str:
        return "-".join([*filter(None, [self._prefix]), *map(str, identity)])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
