"""The store: one SQLite file a study. A stack of trials is written in one transaction, whole or not at all.

Measures live apart from costs: a study that was killed and resumed has the same measures, byte for byte, and
other costs. Importing this module imports neither torch nor numpy, so that a finished study is shown at once.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from burnish.errors import MachineError, StoreError, one_line
from burnish.files import translate_os_errors

if TYPE_CHECKING:
    from burnish.contracts.evaluator import Curve, Measure, Table

FORMAT: Final = "2"

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
CREATE TABLE summaries (key TEXT PRIMARY KEY, content TEXT NOT NULL) STRICT;
CREATE TABLE notes (
    position INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text)
) STRICT;
"""

_MEASURES = (
    "SELECT trial, name, split, value, unit, better, n, how, NULL FROM measures ORDER BY trial, position"
)
_MEASURES_WITH_TERMS = _MEASURES.replace("NULL", "terms")
_EXTRAS = "SELECT trial, content FROM extras WHERE kind = ? ORDER BY trial, position"


@dataclass(frozen=True)
class StoredMeasure:
    """A measure as the store has it.

    `terms` are the bytes of three float64 arrays one after the other: units, numerator, denominator.
    """

    name: str
    split: str
    value: float
    unit: str
    better: str
    n: int
    how: str
    terms: bytes | None = None

    @classmethod
    def of(cls, measure: Measure) -> StoredMeasure:
        """Return the stored form of a measure."""
        terms = None
        if measure.terms is not None:
            import numpy as np

            parts = (measure.terms.units, measure.terms.numerator, measure.terms.denominator)
            terms = b"".join(np.ascontiguousarray(part, dtype="<f8").tobytes() for part in parts)
        value, n = float(measure.value), int(measure.n)
        return cls(measure.name, measure.split, value, measure.unit, measure.better, n, measure.how, terms)


@dataclass(frozen=True)
class Candidate:
    """What one trial of tuning reached on validation.

    Attributes:
        value: the selection measure; NaN where it could not be trained or measured.
        better: ``"up"`` or ``"down"``; empty where there is no value.
        error: why there is none.
    """

    value: float
    better: str = ""
    error: str = ""


@dataclass(frozen=True)
class Record:
    """Everything that is stored of one finished trial.

    Attributes:
        key: its measure key.
        axes: text of every axis.
        replicate: its replicate.
        options: the tuned options it was fitted with.
        versions: plugin and version of every part.
        error: why it could not be trained; empty where it could.
        measures: its measures, in order.
        tables: tables as JSON values.
        curves: curves as JSON values.
        seconds: its share of its stack's time.
        stack: trials in the stack.
    """

    key: str
    axes: Mapping[str, str]
    replicate: int
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    measures: tuple[StoredMeasure, ...] = ()
    tables: tuple[Mapping[str, Any], ...] = ()
    curves: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0
    stack: int = 1


def extras_of(items: Iterable[Table | Curve]) -> tuple[dict[str, Any], ...]:
    """Return tables or curves as JSON values."""
    return tuple(_plain(asdict(item)) for item in items)


class Store:
    """The SQLite file of a study.

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

    def note(self, kind: str, texts: Iterable[str]) -> None:
        """Keep lines for the report, each once: kind is such as ``"bad item"`` or ``"warning"``."""
        with self.transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO notes (kind, text) VALUES (?, ?)",
                [(kind, one_line(text)) for text in texts],
            )

    def notes(self) -> list[tuple[str, str]]:
        """Return (kind, line) pairs."""
        with self._errors():
            return list(self._db.execute("SELECT kind, text FROM notes ORDER BY kind, text"))

    # -- tuning ----------------------------------------------------------------------------------------------

    def candidates(self) -> dict[str, Candidate]:
        """Return what every candidate trial that was tried reached, by validation key."""
        with self._errors():
            rows = self._db.execute("SELECT key, value, better, error FROM candidates").fetchall()
        return {
            key: Candidate(math.nan if value is None else value, better, error)
            for key, value, better, error in rows
        }

    def add_candidates(self, tried: Mapping[str, Candidate]) -> None:
        """Write candidates, all or none."""
        rows = [
            (key, None if math.isnan(c.value) else c.value, c.better, c.error) for key, c in tried.items()
        ]
        with self.transaction():
            self._db.executemany("INSERT OR IGNORE INTO candidates VALUES (?, ?, ?, ?)", rows)

    def choices(self) -> dict[str, dict[str, Any]]:
        """Return what was chosen, by choice key: ``{text, options, candidates, error}``.

        An error where no candidate could be trained.
        """
        with self._errors():
            rows = self._db.execute(
                "SELECT key, text, options, candidates, error FROM choices ORDER BY rowid"
            ).fetchall()
        return {
            key: {
                "text": text,
                "options": json.loads(options),
                "candidates": json.loads(tried),
                "error": error,
            }
            for key, text, options, tried, error in rows
        }

    def add_choice(
        self,
        key: str,
        text: str,
        options: Mapping[str, Any],
        candidates: Sequence[Mapping[str, Any]],
        error: str = "",
    ) -> None:
        """Write what was chosen, or why nothing could be."""
        row = (key, text, _json(options), _json(candidates), error)
        with self.transaction():
            self._db.execute("INSERT OR IGNORE INTO choices VALUES (?, ?, ?, ?, ?)", row)

    # -- trials ----------------------------------------------------------------------------------------------

    def finished(self) -> set[str]:
        """Return the keys of finished trials."""
        with self._errors():
            return {key for (key,) in self._db.execute("SELECT key FROM trials")}

    def holds_results(self) -> bool:
        """Return whether anything was trained without an error.

        A candidate of tuning, a choice or a trial.
        """
        tables = ("candidates", "choices", "trials")
        with self._errors():
            return any(
                self._db.execute(f"SELECT 1 FROM {table} WHERE error = '' LIMIT 1").fetchone()  # noqa: S608
                for table in tables
            )

    def clear(self) -> None:
        """Forget everything: what a plan left of which nothing could be trained."""
        with self.transaction():
            for table in (
                "measures",
                "extras",
                "costs",
                "trials",
                "candidates",
                "choices",
                "summaries",
                "notes",
            ):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608
            self._db.execute("DELETE FROM meta WHERE key != 'format'")

    def add(self, records: Iterable[Record]) -> None:
        """Write finished trials, all or none.

        Raises:
            StoreError: one of them is there already.
        """
        try:
            with self.transaction():
                for record in records:
                    self._add(record)
        except StoreError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise StoreError(
                    "a finished trial would be written twice",
                    where=str(self.path),
                    todo="Report this as a bug",
                ) from error
            raise

    def _add(self, record: Record) -> None:
        row = (
            record.key,
            _json(record.axes),
            record.replicate,
            _json(record.options),
            _json(record.versions),
            record.error,
        )
        self._db.execute("INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?)", row)
        self._db.executemany(
            "INSERT INTO measures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    record.key,
                    i,
                    m.name,
                    m.split,
                    None if math.isnan(m.value) else m.value,
                    m.unit,
                    m.better,
                    m.n,
                    m.how,
                    m.terms,
                )
                for i, m in enumerate(record.measures)
            ],
        )
        for kind, items in (("table", record.tables), ("curve", record.curves)):
            self._db.executemany(
                "INSERT INTO extras VALUES (?, ?, ?, ?)",
                [(record.key, kind, i, _json(item)) for i, item in enumerate(items)],
            )
        self._db.execute("INSERT INTO costs VALUES (?, ?, ?)", (record.key, record.seconds, record.stack))

    def records(
        self, keys: Iterable[str] | None = None, *, terms: bool = False, extras: bool = False
    ) -> dict[str, Record]:
        """Return finished trials by key.

        Args:
            keys: which; None for all.
            terms: with the terms of measures.
            extras: with tables and curves.
        """
        wanted = None if keys is None else set(keys)
        with self._errors():
            heads = self._db.execute(
                "SELECT key, axes, replicate, options, versions, error, seconds, stack FROM trials JOIN"
                " costs ON trial = key ORDER BY trials.rowid"
            ).fetchall()
            heads = [head for head in heads if wanted is None or head[0] in wanted]
            measures = self._grouped(_MEASURES_WITH_TERMS if terms else _MEASURES)
            tables = self._grouped(_EXTRAS, "table") if extras else {}
            curves = self._grouped(_EXTRAS, "curve") if extras else {}
        return {
            key: Record(
                key,
                json.loads(axes),
                replicate,
                json.loads(options),
                json.loads(versions),
                error,
                tuple(
                    StoredMeasure(a, b, math.nan if v is None else v, *rest)
                    for a, b, v, *rest in measures.get(key, ())
                ),
                tuple(json.loads(text) for (text,) in tables.get(key, ())),
                tuple(json.loads(text) for (text,) in curves.get(key, ())),
                seconds,
                stack,
            )
            for key, axes, replicate, options, versions, error, seconds, stack in heads
        }

    def _grouped(self, query: str, *values: str) -> dict[str, list[Any]]:
        groups: dict[str, list[Any]] = {}
        for trial, *rest in self._db.execute(query, values):
            groups.setdefault(trial, []).append(rest)
        return groups

    # -- summaries -------------------------------------------------------------------------------------------

    def summary(self, key: str) -> dict[str, Any] | None:
        """Return a stored summary."""
        with self._errors():
            row = self._db.execute("SELECT content FROM summaries WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def set_summary(self, key: str, content: Mapping[str, Any]) -> None:
        """Write a summary; panels and measures keep their order."""
        text = json.dumps(_plain(content), ensure_ascii=False)
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO summaries VALUES (?, ?)", (key, text))

    def dump(self) -> str:
        """Return everything that must be equal in two runs of one plan, as text.

        Trials, measures, tables, curves and choices; no costs.
        """
        queries = (
            "SELECT key, axes, replicate, options, error FROM trials ORDER BY key",
            (
                "SELECT trial, position, name, split, value, unit, better, n, how, hex(terms) FROM measures"
                " ORDER BY trial, position"
            ),
            "SELECT trial, kind, position, content FROM extras ORDER BY trial, kind, position",
            "SELECT key, options, error FROM choices ORDER BY key",
        )
        with self._errors():
            return "\n".join(repr(row) for query in queries for row in self._db.execute(query))

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_integrity(path: Path) -> str:
    """Return ``"ok"``, or what SQLite finds wrong with the file."""
    with closing(sqlite3.connect(path)) as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])


def _json(value: object) -> str:
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Return JSON values: numpy scalars and arrays become numbers and lists, NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value
    return [_plain(item) for item in value]
