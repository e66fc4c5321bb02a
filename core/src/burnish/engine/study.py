"""A study: the folder that a run fills, and what can be asked of it. Light until a predictor is loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.engine.folder import PREDICTORS, REPORT, STORE, beside, claim, locked
from burnish.engine.store import Record, Store
from burnish.errors import FitError, StoreError

if TYPE_CHECKING:
    from burnish.engine.execute import Options
    from burnish.engine.predictors import LoadedPredictor
    from burnish.manager import Manager
    from burnish.plan import Plan


class Study:
    """What `burnish run` leaves in a folder.

    Args:
        folder: the study's folder.

    Raises:
        StoreError: there is no study in it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        with self._store():
            pass

    def _store(self) -> Store:
        return Store(self.folder / STORE, create=False)

    @property
    def name(self) -> str:
        """Name of the recipe."""
        with self._store() as store:
            return store.meta("name") or self.folder.name

    @property
    def complete(self) -> bool:
        """Whether every trial of the plan is finished and summarised."""
        return self.summary() is not None

    def summary(self) -> dict[str, Any] | None:
        """Return rows, panels and comparisons with intervals (see `burnish.engine.summarise`); None while trials are missing."""
        with self._store() as store:
            return store.summary(store.meta("key") or "")

    def trials(self) -> list[Record]:
        """Return the finished trials."""
        with self._store() as store:
            return list(store.records().values())

    def table(self, format: str = "text", width: int = 100) -> str:  # noqa: A002 - the word users know
        """Return the result table.

        Args:
            format: ``text``, ``markdown``, ``csv`` or ``json``.
            width: columns of a text table.

        Raises:
            StoreError: trials are missing.
        """
        from burnish.report.tables import render

        summary = self.summary()
        if summary is None:
            raise StoreError("the study is not complete", where=str(self.folder), todo="Run its recipe again to resume")
        with self._store() as store:
            return render(summary, format=format, width=width, choices=store.choices(), notes=store.notes())

    def predictor(self, trial: Record) -> LoadedPredictor:
        """Return the saved predictor of a trial.

        Raises:
            StoreError: it was not kept.
        """
        from burnish.engine.predictors import load_predictor
        from burnish.manager import get_manager

        folder = self.folder / PREDICTORS / trial.key[:16]
        if not folder.is_dir():
            todo = "Predictors of replicate 0 are kept by default; run with --save all to keep every one"
            raise StoreError(f"the predictor of replicate {trial.replicate} was not kept", where=str(self.folder), todo=todo)
        return load_predictor(folder, get_manager())


def run_study(
    plan: Plan,
    folder: Path,
    plan_text: str,
    manager: Callable[[], Manager],
    options: Callable[[], Options],
    *,
    fresh: bool = False,
    command: str = "",
) -> tuple[Study, str]:
    """Run a plan in a folder, or find that it is done, which imports neither torch nor numpy.

    Args:
        plan: the plan.
        folder: the study's folder.
        plan_text: the plan as YAML, for ``plan.yaml``.
        manager: gives the plugin manager.
        options: gives how to run; called only where something is to be done.
        fresh: start beside a folder that exists.
        command: the command line that repeats it, for the report.

    Returns:
        The study, and ``"new"``, ``"resume"``, ``"extend"`` or ``"complete"``: what was found.

    Raises:
        StoreError: the folder is in use or holds another study.
        FitError: no trial could be trained.
    """
    if fresh and folder.exists():
        folder = beside(folder)
    with locked(folder), Store(folder / STORE) as store:
        state = claim(store, plan, folder, plan_text)
        if state == "resume" and store.summary(plan.key()) is not None:
            return Study(folder), "complete"
        from burnish.engine.execute import Execution

        how = options()
        if state == "extend":
            how.progress.say(f"{folder} is extended with new rows; what is there is kept")
        if command:
            store.set_meta({"command": command})
        Execution(plan, store, folder, manager(), how).run()
        errors = [record.error for record in store.records().values()]
        if errors and all(errors):
            raise FitError(f"no trial could be trained: {errors[0]}", where=str(folder))
    return Study(folder), state


def report_is_missing(folder: Path) -> bool:
    """Return whether a study's report has to be written: it is not there or older than the store."""
    report, store = folder / REPORT, folder / STORE
    return not report.is_file() or report.stat().st_mtime < store.stat().st_mtime
