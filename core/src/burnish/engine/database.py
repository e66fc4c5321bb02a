"""The SQLite file of a study: its tables, its version, whole transactions, and errors for people. Light."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Self

from burnish.errors import MachineError, StoreError
from burnish.files import translate_os_errors

FORMAT: Final = "3"

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE choices (
    key TEXT PRIMARY KEY, text TEXT NOT NULL, options TEXT NOT NULL, candidates TEXT NOT NULL,
    error TEXT NOT NULL
) STRICT;
CREATE TABLE candidates (key TEXT PRIMARY KEY, value REAL, better TEXT NOT NULL, error TEXT NOT NULL) STRICT;
CREATE TABLE trials (
    key TEXT PRIMARY KEY, axes TEXT NOT NULL, replicate INTEGER NOT NULL, options TEXT NOT NULL,
    versions TEXT NOT NULL, error TEXT NOT NULL
) STRICT;
CREATE TABLE measures (
    trial TEXT NOT NULL REFERENCES trials(key), position INTEGER NOT NULL, name TEXT NOT NULL,
    split TEXT NOT NULL, value REAL, unit TEXT NOT NULL, better TEXT NOT NULL, n INTEGER NOT NULL,
    how TEXT NOT NULL, terms BLOB, PRIMARY KEY (trial, position)
) STRICT;
CREATE TABLE extras (
    trial TEXT NOT NULL REFERENCES trials(key), kind TEXT NOT NULL, position INTEGER NOT NULL,
    content TEXT NOT NULL, PRIMARY KEY (trial, kind, position)
) STRICT;
CREATE TABLE costs (
    trial TEXT PRIMARY KEY REFERENCES trials(key), seconds REAL NOT NULL, stack INTEGER NOT NULL
) STRICT;
CREATE TABLE assessments (
    key TEXT PRIMARY KEY, axes TEXT NOT NULL, replicate INTEGER NOT NULL, positions BLOB NOT NULL,
    ids BLOB NOT NULL, given BLOB, clean_probability BLOB, keep BLOB, weight BLOB, corrected BLOB,
    tables TEXT NOT NULL, seconds REAL NOT NULL, error TEXT NOT NULL, classes TEXT NOT NULL,
    overview TEXT NOT NULL
) STRICT;
CREATE TABLE fits (
    key TEXT PRIMARY KEY, info TEXT NOT NULL, options TEXT NOT NULL, seconds REAL NOT NULL,
    stack INTEGER NOT NULL
) STRICT;
CREATE TABLE fit_chunks (
    fit TEXT NOT NULL REFERENCES fits(key), position INTEGER NOT NULL, chunk BLOB NOT NULL,
    PRIMARY KEY (fit, position)
) STRICT;
CREATE TABLE summaries (key TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT;
CREATE TABLE notes (
    position INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text)
) STRICT;
"""


class Database:
    """A SQLite file with the tables of a study, written in whole transactions.

    Args:
        path: the file; made where it is missing.
        create: False to refuse a missing file.

    Raises:
        StoreError: the file is no store, or of another version.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        with translate_os_errors(path):
            missing = not create and not path.is_file()
        if missing:
            raise StoreError(
                "there is no study here",
                where=str(path.parent),
                todo="Give the folder that `burnish run --out` wrote",
            )
        with self._errors():
            self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.execute("PRAGMA synchronous = FULL")
            if not self._db.execute("SELECT name FROM sqlite_master WHERE name = 'meta'").fetchone():
                with self.transaction():
                    for statement in _SCHEMA.split(";\n"):
                        if statement.strip():
                            self._db.execute(statement)
                    self._db.execute("INSERT INTO meta VALUES ('format', ?)", (FORMAT,))
        found = self.meta("format")
        if found != FORMAT:
            todo = "Use the burnish that made it, or another --out"
            raise StoreError(
                f"the store has format {found}", where=str(path), possible=f"format {FORMAT}", todo=todo
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with translate_os_errors(self.path):
                yield
        except sqlite3.OperationalError as error:
            todo = "Check disk space and permissions; what was finished is kept"
            raise MachineError(
                f"the store cannot be used: {error}", where=str(self.path), todo=todo
            ) from error
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"the file is damaged or no store: {error}",
                where=str(self.path),
                todo="Restore it, or run with --fresh",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing."""
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk makes SQLite roll back by itself
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- meta ------------------------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """Return a meta value."""
        with self._errors():
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Write meta values."""
        with self.transaction():
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))


def check_integrity(path: Path) -> str:
    """Return ``"ok"``, or what SQLite finds wrong with the file."""
    with closing(sqlite3.connect(path)) as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])
