"""A study: what `burnish run` leaves in a folder, read for tables, reports and Python. Light: no numpy."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.engine.folder import PREDICTORS, STORE
from burnish.engine.store import AssessmentOverview, AssessmentRecord, Record, Store
from burnish.errors import MissingExtraError, RecipeError, StoreError, suggestion
from burnish.notation.part_text import called
from burnish.report.sheet import to_html
from burnish.report.summary import Difference, Summary
from burnish.report.tables import render, sheets

if TYPE_CHECKING:
    from pandas import DataFrame

    from burnish.engine.predict.loaded import LoadedPredictor

_NUMERIC = "numeric."


@dataclass(frozen=True)
class _Contents:
    """What the store says of a study as a whole, read once for each state of the file."""

    state: tuple[int, int] | None
    meta: Mapping[str, str]
    finished: int
    summary: dict[str, Any] | None
    choices: Mapping[str, Mapping[str, Any]]
    notes: tuple[tuple[str, str], ...]
    assessments: tuple[AssessmentOverview, ...]

    @property
    def trials(self) -> list[str]:
        """Keys of the trials of the plan, in its order."""
        return list(json.loads(self.meta.get("trials", "[]")))

    @cached_property
    def results(self) -> Summary | None:
        """The summary as it is shown; None while trials are missing."""
        return None if self.summary is None else Summary.of(self.summary)


class Study:
    """What `burnish run` leaves in a folder.

    Args:
        folder: the study's folder.

    Raises:
        StoreError: there is no study in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._contents: _Contents | None = None
        self._view: Summary | None = None
        self._read()

    def _store(self) -> Store:
        return Store(self.folder / STORE, create=False)

    def _read(self) -> _Contents:
        """Return the contents, read again where the file has changed."""
        if self._contents is None or self._contents.state != _state(self.folder / STORE):
            with self._store() as store:
                self._contents = _contents(store)
        return self._contents

    # -- what it is ------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the recipe."""
        return self._read().meta.get("name") or self.folder.name

    @property
    def complete(self) -> bool:
        """Whether every trial of the plan is finished and summarised."""
        return self._read().summary is not None

    @property
    def notes(self) -> tuple[tuple[str, str], ...]:
        """(kind, line) pairs that were said during the run."""
        return self._read().notes

    @property
    def choices(self) -> Mapping[str, Mapping[str, Any]]:
        """What tuning chose, by key."""
        return self._read().choices

    @property
    def assessment_overviews(self) -> tuple[AssessmentOverview, ...]:
        """The assessments without their items."""
        return self._read().assessments

    @property
    def plan(self) -> str:
        """The resolved recipe as YAML."""
        return self._read().meta.get("plan", "")

    @property
    def numeric(self) -> dict[str, Any]:
        """The numeric mode."""
        identity = json.loads(self._read().meta.get("identity", "{}"))
        found = {key: value for key, value in identity.items() if key.startswith(_NUMERIC)}
        return {key.removeprefix(_NUMERIC): value for key, value in found.items()}

    @property
    def environment(self) -> dict[str, str]:
        """Machine and libraries, where the study recorded them."""
        return dict(json.loads(self._read().meta.get("environment", "{}")))

    @property
    def command(self) -> str:
        """The command that made it, where the study recorded it."""
        return self._read().meta.get("command", "")

    def __repr__(self) -> str:
        contents = self._read()
        done = f"{contents.finished} of {len(contents.trials)} trials"
        state = "complete" if self.complete else "not complete"
        return f"<Study {self.name!r} in {str(self.folder)!r}: {done}, {state}>"

    def _repr_html_(self) -> str:
        """Return the tables for a notebook; of a study that is not complete, how far it is."""
        if not self.complete:
            from html import escape

            return f"<p>{escape(repr(self))}</p>"
        return "\n".join(map(to_html, sheets(self.results, self.choices, self.assessment_overviews)))

    # -- what was found --------------------------------------------------------------------------------------

    def summary(self) -> dict[str, Any] | None:
        """Return rows, panels and comparisons with intervals as JSON (see `burnish.engine.jobs.summarise`).

        None while trials are missing.
        """
        return self._read().summary

    @property
    def results(self) -> Summary:
        """The summary as it is shown.

        Raises:
            StoreError: trials are missing.
        """
        contents = self._read()
        view = self._view or contents.results
        if view is None:
            found = f"{contents.finished} of {len(contents.trials)} trials are finished"
            raise StoreError(
                f"the study is not complete: {found}",
                where=str(self.folder),
                todo="Run the same command again to resume it",
            )
        return view

    def table(self, format: str = "text", width: int = 100) -> str:  # noqa: A002 - the word users know
        """Return the result table.

        Args:
            format: ``text``, ``markdown``, ``csv`` or ``json``.
            width: columns of a text table.

        Raises:
            StoreError: trials are missing.
        """
        return render(
            self.results,
            format=format,
            width=width,
            choices=self.choices,
            assessments=self.assessment_overviews,
            notes=self.notes,
            numeric=self.numeric,
            name=self.name,
        )

    def trials(self, *, terms: bool = False, extras: bool = False) -> list[Record]:
        """Return the finished trials in the order of the plan: ``study.trials()[0]["accuracy"]``.

        Where all are, their axes are those of the rows of the summary.

        Args:
            terms: with the terms of measures.
            extras: with tables and curves.
        """
        contents = self._read()
        with self._store() as store:
            found = store.records(contents.trials, terms=terms, extras=extras)
        if contents.summary is not None:
            # A trial that was there before the study got another axis has an axis less than its row.
            rows, each = contents.summary["rows"], contents.summary["replicates"]
            for number, key in enumerate(contents.trials):
                found[key] = replace(found[key], axes=rows[number // each]["axes"])
        return [found[key] for key in contents.trials if key in found]

    def to_frame(self) -> DataFrame:
        """Return a pandas frame: a line a trial, measure and split, with the trial's axes and replicate.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as missing:
            raise MissingExtraError(
                "to_frame needs the library 'pandas', which is not installed",
                where="Study.to_frame",
                todo="Install it: pip install pandas",
            ) from missing
        lines = [
            {
                **trial.axes,
                "replicate": trial.replicate,
                "measure": measure.name,
                "split": measure.split,
                "value": measure.value,
                "unit": measure.unit,
                "n": measure.n,
            }
            for trial in self.trials()
            for measure in trial.measures
        ]
        return pd.DataFrame(lines)

    def assessments(self) -> list[AssessmentRecord]:
        """Return what assessors said of the training items, item by item (`AssessmentRecord.items`)."""
        with self._store() as store:
            return store.assessments()

    def predictor(self, trial: Record | int) -> LoadedPredictor:
        """Return the saved predictor of a trial.

        Args:
            trial: one of `trials`, or its number there.

        Raises:
            StoreError: it was not kept, or there is no such trial.
        """
        from burnish.engine.predict.saved import load_predictor
        from burnish.manager import get_manager

        record = trial if isinstance(trial, Record) else self._trial(int(trial))
        folder = self.folder / PREDICTORS / record.key[:16]
        if not folder.is_dir():
            raise StoreError(
                f"the predictor of replicate {record.replicate} was not kept",
                where=str(self.folder),
                todo="Predictors of replicate 0 are kept by default; run with --save all to keep every one",
            )
        return load_predictor(folder, get_manager())

    def _trial(self, number: int) -> Record:
        trials = self.trials()
        if not 0 <= number < len(trials):
            raise StoreError(
                f"there is no trial {number}", where=str(self.folder), possible=f"0 to {len(trials) - 1}"
            )
        return trials[number]

    # -- another view ----------------------------------------------------------------------------------------

    def viewed(self, measure: str = "", places: Sequence[str] = ()) -> Study:
        """Return the study with one measure alone, or with these splits or panels alone.

        Raises:
            RecipeError: the study has no such measure, split or panel.
        """
        return self._with(self.results.viewed(measure, places))

    def against(self, baseline: str) -> Study:
        """Return the study with comparisons of its shown measure from another baseline. Imports numpy.

        Raises:
            RecipeError: no line of the study is called that, or several are.
        """
        shown = self.results
        lines = list(dict.fromkeys(row.line for row in shown.rows))
        meant = called(baseline, lines)
        if len(meant) != 1:
            none = f"is no {shown.lines} of the study. {suggestion(baseline, lines)}".strip()
            which = "may be any of them" if meant else none
            raise RecipeError(f"{baseline!r} {which}", where="results", possible=", ".join(meant or lines))
        from burnish.engine.jobs.summarise import compare_again

        panels = {name: list(splits) for name, splits in shown.panels.items()}
        content = {**(self.summary() or {}), "panels": panels}
        trials = self.trials(terms=True)
        compared = compare_again(content, trials, measure=shown.measure, baseline=baseline)
        comparisons = tuple(map(Difference.of, compared))
        return self._with(replace(shown, baseline=baseline, comparisons=comparisons))

    def _with(self, view: Summary) -> Study:
        other = copy.copy(self)
        other._view = view
        return other


def _state(path: Path) -> tuple[int, int] | None:
    """Return what tells whether a file has changed; None for a file that is not there."""
    try:
        at = path.stat()
    except OSError:
        return None
    return at.st_mtime_ns, at.st_size


def _contents(store: Store) -> _Contents:
    names = ("name", "key", "trials", "identity", "plan", "environment", "command")
    meta = {name: value for name in names if (value := store.meta(name)) is not None}
    wanted = set(json.loads(meta.get("trials", "[]")))
    return _Contents(
        state=_state(store.path),
        meta=meta,
        finished=len(wanted & store.finished()),
        summary=store.summary(meta.get("key", "")),
        choices=store.choices(),
        notes=tuple(store.notes()),
        assessments=tuple(store.assessment_overviews()),
    )
