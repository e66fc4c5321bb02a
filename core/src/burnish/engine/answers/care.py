"""Looking after kept answers: which models gave how many, whether they are whole, and removing them.

Features are computed again for nothing; answers may have been paid for. So the cache's bound never removes
any: a person names them, or their age.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from burnish.engine.answers.answers import ANSWERS, DAMAGED, SUFFIX, answers_whole
from burnish.engine.features.care import Damage
from burnish.files import translate_os_errors

# What SQLite lays beside a database while it is written.
_BESIDE: Final = ("-journal", "-wal", "-shm")


@dataclass(frozen=True)
class AnswersInfo:
    """The kept answers of one model.

    Attributes:
        file: name of the file.
        key: the spec's key.
        text: the model as a person would write it; empty where the file does not say.
        answers: how many there are; 0 where the file is damaged.
        size: bytes on disk.
        used: when an answer was last added, seconds since 1970.
        damaged: whether the file is one that was set aside, or cannot be read.
    """

    file: str
    key: str
    text: str
    answers: int
    size: int
    used: float
    damaged: bool


def list_answers(folder: Path) -> list[AnswersInfo]:
    """Return whose answers the cache in a folder keeps, the last used first.

    Raises:
        MachineError: the folder cannot be read.
    """
    found = []
    for path in _files(folder):
        with suppress(FileNotFoundError):  # removed just now
            stat = path.stat()
            text, count = _read(path)
            damaged = path.name.endswith(DAMAGED) or count is None
            found.append(
                AnswersInfo(
                    path.name,
                    path.name.split(".")[0],
                    text,
                    count or 0,
                    stat.st_size,
                    stat.st_mtime,
                    damaged,
                )
            )
    return sorted(found, key=lambda info: -info.used)


def verify_answers(folder: Path) -> tuple[int, list[Damage]]:
    """Check every file of answers; a damaged one is set aside, so that its model is asked again.

    Returns:
        How many files are whole, and what is damaged.

    Raises:
        MachineError: the folder cannot be read, or a file not be renamed.
    """
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


def prune_answers(
    folder: Path, *, everything: bool = False, key: str = "", older_than: float | None = None
) -> list[AnswersInfo]:
    """Remove answers, and files that were set aside; a study that runs asks again for those it misses.

    A file that cannot be read just now is no reason to remove it: `verify_answers` decides that.

    Args:
        folder: the cache's folder.
        everything: remove all.
        key: beginning of the keys of those to remove.
        older_than: remove those to which nothing was added for this many seconds.

    Returns:
        What was removed.

    Raises:
        MachineError: a file cannot be removed.
    """
    removed = []
    for info in list_answers(folder):
        old = older_than is not None and time.time() - info.used > older_than
        if not (everything or old or info.file.endswith(DAMAGED) or (key and info.key.startswith(key))):
            continue
        for name in (info.file, *(info.file + end for end in _BESIDE)):
            path = folder / ANSWERS / name
            with translate_os_errors(path, "removed"):
                path.unlink(missing_ok=True)
        removed.append(info)
    return removed


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
