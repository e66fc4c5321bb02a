"""A study folder, read for its tables and its report. Light: no numpy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from burnish.engine.folder import STORE
from burnish.engine.store import Record, Store
from burnish.errors import RecipeError, StoreError, suggestion
from burnish.notation.part_text import called
from burnish.report.summary import Difference, Summary
from burnish.report.tables import render


@dataclass(frozen=True)
class OpenedStudy:
    """A finished study.

    Attributes:
        folder: its folder.
        name: name of its recipe.
        content: its summary as JSON, as stored.
        summary: the summary as it is shown.
        choices: what tuning chose, by key.
        notes: (kind, line) pairs.
        plan: the resolved recipe as YAML.
        numeric: the numeric mode.
        environment: machine and libraries, where the study recorded them.
        command: the command that made it, where the study recorded it.
    """

    folder: Path
    name: str
    content: Mapping[str, Any]
    summary: Summary
    choices: Mapping[str, Mapping[str, Any]]
    notes: tuple[tuple[str, str], ...]
    plan: str
    numeric: Mapping[str, Any]
    environment: Mapping[str, str]
    command: str

    def table(self, form: str = "text", width: int = 100) -> str:
        """Return the tables as ``text``, ``markdown``, ``csv`` or ``json``.

        See `burnish.report.tables.render`.
        """
        return render(
            self.summary,
            format=form,
            width=width,
            choices=self.choices,
            notes=self.notes,
            numeric=self.numeric,
            name=self.name,
        )

    def records(self, *, terms: bool = False, extras: bool = False) -> list[Record]:
        """Return the trials of the plan, labelled as the rows of the summary are.

        With the terms of measures, or with tables and curves, where asked.
        """
        with Store(self.folder / STORE, create=False) as store:
            keys = json.loads(store.meta("trials") or "[]")
            found = store.records(keys, terms=terms, extras=extras)
        # A trial that was there before the study got another axis has a label less than its row.
        rows, each = self.content["rows"], self.content["replicates"]
        return [
            replace(found[key], axes=rows[i // each]["axes"]) for i, key in enumerate(keys) if key in found
        ]

    def against(self, baseline: str) -> OpenedStudy:
        """Return the study with comparisons of its shown measure from another baseline. Imports numpy.

        Raises:
            RecipeError: no line of the study is called that, or several are.
        """
        shown = self.summary
        lines = list(dict.fromkeys(row.line for row in shown.rows))
        meant = called(baseline, lines)
        if len(meant) != 1:
            which = (
                "may be any of them"
                if meant
                else f"is no {shown.lines} of the study. {suggestion(baseline, lines)}".strip()
            )
            raise RecipeError(f"{baseline!r} {which}", where="results", possible=", ".join(meant or lines))
        from burnish.engine.jobs.summarise import compare_again

        panels = {name: list(splits) for name, splits in shown.panels.items()}
        content = {**self.content, "panels": panels}
        compared = compare_again(content, self.records(terms=True), measure=shown.measure, baseline=baseline)
        return replace(
            self, summary=replace(shown, baseline=baseline, comparisons=tuple(map(Difference.of, compared)))
        )


def open_study(folder: Path) -> OpenedStudy:
    """Return a finished study.

    Raises:
        StoreError: there is no study in the folder, or trials of it are missing.
    """
    with Store(folder / STORE, create=False) as store:
        summary = store.summary(store.meta("key") or "")
        if summary is None:
            wanted, done = json.loads(store.meta("trials") or "[]"), store.finished()
            found = f"{len(done & set(wanted))} of {len(wanted)} trials are finished"
            raise StoreError(
                f"the study is not complete: {found}",
                where=str(folder),
                todo="Run the same command again to resume it",
            )
        identity = json.loads(store.meta("identity") or "{}")
        return OpenedStudy(
            folder=folder,
            name=store.meta("name") or folder.name,
            content=summary,
            summary=Summary.of(summary),
            choices=store.choices(),
            notes=tuple(store.notes()),
            plan=store.meta("plan") or "",
            numeric={
                name.removeprefix("numeric."): value
                for name, value in identity.items()
                if name.startswith("numeric.")
            },
            environment=json.loads(store.meta("environment") or "{}"),
            command=store.meta("command") or "",
        )
