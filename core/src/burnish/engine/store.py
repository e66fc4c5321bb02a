"""The store: one SQLite file a study. A stack of trials is written in one transaction, whole or not at all.

Measures live apart from costs: a study that was killed and resumed has the same measures, byte for byte, and
other costs. Importing this module imports neither torch nor numpy, so that a finished study is shown at once.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from burnish.engine.database import Database, check_integrity
from burnish.engine.records import (
    AssessmentOverview,
    AssessmentRecord,
    Candidate,
    PendingFit,
    Record,
    StoredMeasure,
    extras_of,
    json_text,
    plain,
)
from burnish.errors import StoreError, one_line

__all__ = [
    "AssessmentOverview",
    "AssessmentRecord",
    "Candidate",
    "PendingFit",
    "Record",
    "Store",
    "StoredMeasure",
    "check_integrity",
    "extras_of",
]

_CHUNK: Final = 64 * 2**20
"""Bytes of a fit in one row: far from SQLite's limit of 1 GB a value."""
_FORGOTTEN: Final = (
    *("measures", "extras", "costs", "trials", "candidates", "choices", "summaries", "notes"),
    *("assessments", "fit_chunks", "fits"),
)
"""Tables that `Store.clear` empties, those that point to others first."""
_MEASURES = (
    "SELECT trial, name, split, value, unit, better, n, how, NULL FROM measures ORDER BY trial, position"
)
_MEASURES_WITH_TERMS = _MEASURES.replace("NULL", "terms")
_ADD_ASSESSMENT = "INSERT OR REPLACE INTO assessments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ASSESSMENT = (
    "key, axes, replicate, positions, ids, given, clean_probability, keep, weight, corrected, tables,"
    " seconds, error, classes"
)
_EXTRAS = "SELECT trial, content FROM extras WHERE kind = ? ORDER BY trial, position"


class Store(Database):
    """The SQLite file of a study.

    Args:
        path: the file; made where it is missing.
        create: False to refuse a missing file.

    Raises:
        StoreError: the file is no store, or of another version.
    """

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
        row = (key, text, json_text(options), json_text(candidates), error)
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
            for table in _FORGOTTEN:
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608
            self._db.execute("DELETE FROM meta WHERE key != 'format'")

    def add(self, records: Iterable[Record]) -> None:
        """Write finished trials, all or none; what was kept to measure them later goes with it.

        Raises:
            StoreError: one of them is there already.
        """
        try:
            with self.transaction():
                for record in records:
                    self._add(record)
                    self._forget_fit(record.key)
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
            json_text(record.axes),
            record.replicate,
            json_text(record.options),
            json_text(record.versions),
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
                [(record.key, kind, i, json_text(item)) for i, item in enumerate(items)],
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
            measures = self._grouped(_MEASURES_WITH_TERMS if terms else _MEASURES)
            tables = self._grouped(_EXTRAS, "table") if extras else {}
            curves = self._grouped(_EXTRAS, "curve") if extras else {}
        return {
            head[0]: _record_of(head, measures, tables, curves)
            for head in heads
            if wanted is None or head[0] in wanted
        }

    def _grouped(self, query: str, *values: str) -> dict[str, list[Any]]:
        groups: dict[str, list[Any]] = {}
        for trial, *rest in self._db.execute(query, values):
            groups.setdefault(trial, []).append(rest)
        return groups

    # -- fits that wait to be measured -----------------------------------------------------------------------

    def add_fits(self, fits: Iterable[PendingFit]) -> None:
        """Write fits that are finished and not yet measured, all or none; one that is there is replaced."""
        with self.transaction():
            for fit in fits:
                self._forget_fit(fit.key)
                row = (fit.key, fit.info, fit.options, fit.seconds, fit.stack)
                self._db.execute("INSERT INTO fits VALUES (?, ?, ?, ?, ?)", row)
                state = memoryview(fit.state)
                for position, start in enumerate(range(0, len(state), _CHUNK)):
                    chunk = (fit.key, position, state[start : start + _CHUNK])
                    self._db.execute("INSERT INTO fit_chunks VALUES (?, ?, ?)", chunk)

    def pending_keys(self) -> list[str]:
        """Return the keys of fits that wait to be measured."""
        with self._errors():
            return [key for (key,) in self._db.execute("SELECT key FROM fits ORDER BY rowid")]

    def pending_fit(self, key: str) -> PendingFit | None:
        """Return a fit that waits to be measured; None where there is none."""
        query = "SELECT info, options, seconds, stack FROM fits WHERE key = ?"
        chunks = "SELECT chunk FROM fit_chunks WHERE fit = ? ORDER BY position"
        with self._errors():
            row = self._db.execute(query, (key,)).fetchone()
            if row is None:
                return None
            state = b"".join(chunk for (chunk,) in self._db.execute(chunks, (key,)))
        return PendingFit(key, state, *row)

    def _forget_fit(self, key: str) -> None:
        self._db.execute("DELETE FROM fit_chunks WHERE fit = ?", (key,))
        self._db.execute("DELETE FROM fits WHERE key = ?", (key,))

    # -- assessments -----------------------------------------------------------------------------------------

    def add_assessment(self, record: AssessmentRecord) -> None:
        """Write an assessment; one that is there is replaced."""
        row = (
            *(record.key, json_text(record.axes), record.replicate, record.positions, record.ids),
            *(record.given, record.clean_probability, record.keep, record.weight, record.corrected),
            *(json_text(record.tables), record.seconds, record.error, json_text(record.classes)),
            json_text(asdict(record.overview())),
        )
        with self.transaction():
            self._db.execute(_ADD_ASSESSMENT, row)

    def assessment(self, key: str) -> AssessmentRecord | None:
        """Return an assessment; None where there is none."""
        found = self._assessments("WHERE key = ?", key)
        return found[0] if found else None

    def assessments(self) -> list[AssessmentRecord]:
        """Return every assessment, in the order they were made."""
        return self._assessments("ORDER BY rowid")

    def assessment_overviews(self) -> list[AssessmentOverview]:
        """Return every assessment without its items, in the order they were made."""
        with self._errors():
            rows = self._db.execute("SELECT overview FROM assessments ORDER BY rowid").fetchall()
        found = [json.loads(text) for (text,) in rows]
        return [AssessmentOverview(**{**values, "tables": tuple(values["tables"])}) for values in found]

    def _assessments(self, which: str, *values: str) -> list[AssessmentRecord]:
        with self._errors():
            rows = self._db.execute(f"SELECT {_ASSESSMENT} FROM assessments {which}", values).fetchall()  # noqa: S608
        return [_assessment_of(row) for row in rows]

    # -- summaries -------------------------------------------------------------------------------------------

    def summary(self, key: str) -> dict[str, Any] | None:
        """Return a stored summary."""
        with self._errors():
            row = self._db.execute("SELECT content FROM summaries WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def set_summary(self, key: str, content: Mapping[str, Any]) -> None:
        """Write a summary; panels and measures keep their order."""
        text = json.dumps(plain(content), ensure_ascii=False)
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO summaries VALUES (?, ?)", (key, text))

    def dump(self) -> str:
        """Return everything that must be equal in two runs of one plan, as text.

        Trials, measures, tables, curves, choices and assessments; no costs.
        """
        queries = (
            "SELECT key, axes, replicate, options, error FROM trials ORDER BY key",
            (
                "SELECT trial, position, name, split, value, unit, better, n, how, hex(terms) FROM measures"
                " ORDER BY trial, position"
            ),
            "SELECT trial, kind, position, content FROM extras ORDER BY trial, kind, position",
            "SELECT key, options, error FROM choices ORDER BY key",
            (
                "SELECT key, axes, replicate, hex(positions), hex(ids), hex(given), hex(clean_probability),"
                " hex(keep), hex(weight), hex(corrected), tables, error, classes FROM assessments"
                " ORDER BY key"
            ),
        )
        with self._errors():
            return "\n".join(repr(row) for query in queries for row in self._db.execute(query))


Grouped = Mapping[str, Sequence[Sequence[Any]]]
"""Rows of a table by the trial they belong to, without its key."""


def _record_of(head: Sequence[Any], measures: Grouped, tables: Grouped, curves: Grouped) -> Record:
    """Return the record of a row of the table of trials, with what other tables have of it."""
    key, axes, replicate, options, versions, error, seconds, stack = head
    return Record(
        key=key,
        axes=json.loads(axes),
        replicate=replicate,
        options=json.loads(options),
        versions=json.loads(versions),
        error=error,
        measures=tuple(map(_measure_of, measures.get(key, ()))),
        tables=tuple(json.loads(text) for (text,) in tables.get(key, ())),
        curves=tuple(json.loads(text) for (text,) in curves.get(key, ())),
        seconds=seconds,
        stack=stack,
    )


def _measure_of(row: Sequence[Any]) -> StoredMeasure:
    name, split, value, *rest = row
    return StoredMeasure(name, split, math.nan if value is None else value, *rest)


def _assessment_of(row: Sequence[Any]) -> AssessmentRecord:
    """Return the record of a row of the table of assessments."""
    key, axes, *plain_fields, tables, seconds, error, classes = row
    replicate, positions, ids, given, clean_probability, keep, weight, corrected = plain_fields
    return AssessmentRecord(
        key=key,
        axes=json.loads(axes),
        replicate=replicate,
        positions=positions,
        ids=ids,
        given=given,
        clean_probability=clean_probability,
        keep=keep,
        weight=weight,
        corrected=corrected,
        tables=tuple(json.loads(tables)),
        seconds=seconds,
        error=error,
        classes=tuple(json.loads(classes)),
    )
