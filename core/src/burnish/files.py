"""The one layer through which everything that is written goes: a file is there whole, or not at all.

A file is written beside its place under a temporary name, flushed to the disk and renamed. Whatever the
operating system says (full disk, read-only file system, no permission, ...) becomes a
`burnish.errors.MachineError` that names the path, the reason and what to do.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from burnish.errors import MachineError

Chunk = bytes | bytearray | memoryview
Fault = Callable[[int, str, Path], None]
"""Called before a physical operation.

Its arguments are the operation's number (0, 1, ...), its kind (``mkdir write fsync rename``) and the path.
"""

PART: Final = ".part-"
"""What the name of a temporary file begins with."""

_ABANDONED_AFTER = 60.0

_ELSEWHERE = "Free some space, or write elsewhere (--out for a study, BURNISH_CACHE for the cache)"
_PERMISSION = "Change its permissions, or write elsewhere (--out for a study, BURNISH_CACHE for the cache)"
_REASONS: Final[dict[int, tuple[str, str]]] = {
    errno.ENOSPC: ("no space is left on the disk", _ELSEWHERE),
    errno.EDQUOT: ("the disk quota is used up", _ELSEWHERE),
    errno.EROFS: (
        "the file system is read-only",
        "Write elsewhere (--out for a study, BURNISH_CACHE for the cache)",
    ),
    errno.EACCES: ("permission denied", _PERMISSION),
    errno.EPERM: ("permission denied", _PERMISSION),
    errno.ENAMETOOLONG: ("the file name is too long for this file system", "Choose a shorter path"),
    errno.ENOENT: ("a folder of this path is missing", "Make it, or mend the path"),
    errno.ENOTDIR: ("a part of this path is a file, not a folder", "Mend the path"),
    errno.EISDIR: ("a folder stands where a file is to be written", "Remove it, or choose another path"),
    errno.EEXIST: ("a file stands where a folder is needed", "Remove it, or choose another path"),
    errno.EFBIG: (
        "the file would be larger than this file system or `ulimit -f` allows",
        "Raise the limit, or write elsewhere",
    ),
    errno.ELOOP: ("symbolic links lead in a circle", "Mend the links"),
    errno.EMFILE: ("too many files are open", "Raise the limit with `ulimit -n`"),
    errno.ENFILE: ("too many files are open on this machine", "Close other programs"),
    errno.EIO: ("the disk reports an input/output error", "Check the disk, or write elsewhere"),
    errno.ENOMEM: ("the machine is out of memory", "Close other programs, or use a smaller setting"),
}
_SQLITE_REASONS: Final[dict[int, int]] = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_NOMEM: errno.ENOMEM,
}

_fault: Fault | None = None
_step = 0


@contextmanager
def faults(hook: Fault) -> Iterator[None]:
    """Call a hook before every physical operation of this layer, counted from 0.

    For tests of writes that fail.

    Args:
        hook: may raise `OSError` in the place of the operation.
    """
    global _fault, _step
    before, _fault, _step = (_fault, _step), hook, 0
    try:
        yield
    finally:
        _fault, _step = before


def _before(operation: str, path: Path) -> None:
    global _step
    if _fault is not None:
        step, _step = _step, _step + 1
        _fault(step, operation, path)


@contextmanager
def translate_os_errors(path: Path, done: str = "written") -> Iterator[None]:
    """Turn `OSError`, and SQLite's errors that have such a cause, into `MachineError` about a path.

    Args:
        path: what is being read or written, for the message.
        done: what is being done to it: ``"written"``, ``"read"``, ``"removed"``.

    Raises:
        MachineError: in the place of what the operating system raised.
    """
    try:
        yield
    except OSError as error:
        raise machine_error(error.errno, error.strerror or str(error), path, done) from error
    except sqlite3.Error as error:
        # The low byte is the primary code, the rest says more.
        code = _SQLITE_REASONS.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF)
        if code is None:
            raise
        raise machine_error(code, str(error), path, done) from error


def machine_error(code: int | None, text: str, path: Path, done: str = "written") -> MachineError:
    """Return the error for people that stands for an errno.

    Args:
        code: the errno, None where it is not known.
        text: what the operating system says, used where the errno is an unusual one.
        path: what was being read or written.
        done: what was being done to it.
    """
    reason, todo = _REASONS.get(code or 0, (text, ""))
    return MachineError(f"cannot be {done}: {reason}", where=str(path), todo=todo)


def ensure_folder(folder: Path) -> Path:
    """Make a folder and those above it where they are missing, and return it.

    Raises:
        MachineError: it cannot be made.
    """
    with translate_os_errors(folder):
        if not folder.is_dir():
            _before("mkdir", folder)
            folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_atomic(path: Path, content: Chunk | Iterable[Chunk]) -> None:
    """Write a file whole or not at all, also through a power failure.

    The temporary file lies in the same folder and is removed on any error; one left by a killed process is
    removed by `remove_leftovers`.

    Args:
        path: the file; its folder must exist. A file that is there is replaced.
        content: bytes, or chunks of bytes that are written one after another.

    Raises:
        MachineError: it cannot be written: what was there is unchanged, or the new file stands whole but may
            not survive a power failure.
    """
    part = path.with_name(PART + secrets.token_hex(8))
    chunks = (content,) if isinstance(content, bytes | bytearray | memoryview) else content
    with translate_os_errors(path):
        try:
            _write_flushed(part, chunks)
            _before("rename", path)
            part.replace(path)
        except BaseException:
            with suppress(OSError):  # the first error is the one to tell
                part.unlink()
            raise
        _flush_folder(path.parent)


def _write_flushed(path: Path, chunks: Iterable[Chunk]) -> None:
    _before("write", path)
    # Unbuffered: chunks are large, and every write that can fail passes here.
    with path.open("xb", buffering=0) as file:
        _mark_as_ours(file.fileno())
        for chunk in chunks:
            rest = memoryview(chunk).cast("B")
            while rest:
                _before("write", path)
                rest = rest[file.write(rest) :]
        _before("fsync", path)
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make a rename survive a power failure; only POSIX lets a folder be opened."""
    if os.name != "posix":
        return
    _before("fsync", folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all; raises as `write_atomic`."""
    write_atomic(path, text.encode("utf-8", "surrogateescape"))


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Write JSON (UTF-8, keys in the order given, no NaN) whole or not at all; raises as `write_atomic`."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def remove_leftovers(folder: Path) -> int:
    """Remove the temporary files that killed processes left in a folder, and return how many.

    Raises:
        MachineError: one cannot be removed.
    """
    removed = 0
    for part in folder.glob(f"{PART}*"):
        # Another process may be sweeping too, or have just renamed its file.
        with suppress(FileNotFoundError):
            if time.time() - part.stat().st_mtime > _ABANDONED_AFTER and _nobody_writes(part):
                with translate_os_errors(part, "removed"):
                    part.unlink(missing_ok=True)
                removed += 1
    return removed


def _mark_as_ours(descriptor: int) -> None:
    """Lock an open file: the lock ends with the process, however that ends."""
    with suppress(OSError):  # a file system without locks: then nothing of ours is ever swept there
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _nobody_writes(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
