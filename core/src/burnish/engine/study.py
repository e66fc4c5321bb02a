"""Running a study in its folder.

New, resumed, extended, or found complete, which imports neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.engine.folder import REPORT, STORE, beside, claim, locked
from burnish.engine.store import Store
from burnish.errors import FitError

if TYPE_CHECKING:
    from burnish.engine.runner import RunOptions
    from burnish.manager import Manager
    from burnish.plan import Plan


def run_study(
    plan: Plan,
    folder: Path,
    plan_text: str,
    manager: Callable[[], Manager],
    options: Callable[[], RunOptions],
    *,
    fresh: bool = False,
    command: str = "",
) -> tuple[Path, str]:
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
        The study's folder, and ``"new"``, ``"resume"``, ``"extend"`` or ``"complete"``: what was found.

    Raises:
        StoreError: the folder is in use or holds another study.
        FitError: no trial could be trained.
    """
    if fresh and folder.exists():
        folder = beside(folder)
    with locked(folder), Store(folder / STORE) as store:
        state = claim(store, plan, folder, plan_text)
        if state == "resume" and store.summary(plan.key()) is not None:
            return folder, "complete"
        from burnish.engine.runner import Runner

        how = options()
        if state == "extend":
            how.display.say(f"{folder} is extended with new rows; what is there is kept")
        if command:
            store.set_meta({"command": command})
        Runner(plan, store, folder, manager(), how).run()
        errors = [record.error for record in store.records(map(plan.measure_key, plan.trials())).values()]
        if errors and all(errors):
            raise FitError(f"no trial could be trained: {errors[0]}", where=str(folder))
    return folder, state


def report_is_missing(folder: Path) -> bool:
    """Return whether a study's report has to be written: it is not there or older than the store."""
    report, store = folder / REPORT, folder / STORE
    return not report.is_file() or report.stat().st_mtime < store.stat().st_mtime
