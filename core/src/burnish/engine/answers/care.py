"""Looking after kept answers: what `burnish.engine.care` asks of their files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from burnish.engine.answers.answers import ANSWERS, DAMAGED, SUFFIX, answers_whole
from burnish.engine.kept import Damage, Kept
from burnish.files import translate_os_errors

# What SQLite lays beside a database while it is written.
_BESIDE: Final = ("", "-journal", "-wal", "-shm")


def entries(folder: Path) -> Iterator[Kept]:
    """Yield whose answers the cache in a folder keeps, a file each.

    Raises:
        MachineError: the folder cannot be read.
    """
    for path in _files(folder):
        with suppress(FileNotFoundError):  # removed just now
            stat = path.stat()
            text, count = _read(path)
            yield Kept(
                "answers",
                path.name.split(".")[0],
                text,
                count or 0,
                stat.st_size,
                stat.st_mtime,
                damaged=int(path.name.endswith(DAMAGED) or count is None),
                file=path.name,
            )


def verify(folder: Path) -> tuple[int, list[Damage]]:
    """Check every file of answers, and set damaged ones aside (`burnish.engine.care.verify`)."""
    whole, found = 0, []
    for path in _files(folder):
        if path.name.endswith(DAMAGED):
            continue
        if answers_whole(path):
            whole += 1
            continue
        with translate_os_errors(path, "set aside"):
            path.rename(path.with_name(path.name + DAMAGED))
        found.append(Damage(path, "it is no whole database of answers"))
    return whole, found


def sweep(folder: Path) -> list[Kept]:
    """Remove files that were set aside, and return them.

    A file that cannot be read just now is no reason to remove it: `verify` decides that.
    """
    return [kept for kept in list(entries(folder)) if kept.file.endswith(DAMAGED) and remove(folder, kept)]


def remove(folder: Path, kept: Kept) -> bool:
    """Remove a file of answers; a study that runs asks again for those it misses.

    Raises:
        MachineError: it cannot be removed.
    """
    for end in _BESIDE:
        path = folder / ANSWERS / (kept.file + end)
        with translate_os_errors(path, "removed"):
            path.unlink(missing_ok=True)
    return True


def _files(folder: Path) -> list[Path]:
    with translate_os_errors(folder / ANSWERS, "read"):
        return sorted(
            path for path in (folder / ANSWERS).glob(f"*{SUFFIX}*") if path.name.endswith((SUFFIX, DAMAGED))
        )


def _read(path: Path) -> tuple[str, int | None]:
    """Return whose answers they are and how many; None where that cannot be read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as db:
            ((count, text),) = db.execute("SELECT (SELECT COUNT(*) FROM answers), (SELECT text FROM model)")
            return str(text or ""), int(count)
    except sqlite3.DatabaseError:
        return "", None
