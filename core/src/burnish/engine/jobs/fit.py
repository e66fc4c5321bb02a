"""The fit job: from a task to a predictor. Heads that can be trained together are, one stack at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burnish.contracts.tuner import Predictor, Run, Task
from burnish.engine.blame import blamed
from burnish.errors import FitError
from burnish.heads.stacked import fit_heads, head_job
from burnish.heads.tuner import trains_in_stacks

if TYPE_CHECKING:
    from burnish.engine.jobs.shown import Shown
    from burnish.engine.tools import Tools
    from burnish.heads.head import HeadJob
    from burnish.plan import Row


@dataclass(frozen=True, eq=False)
class Fitted:
    """What became of one fit.

    Attributes:
        predictor: the result; None where it could not be trained.
        error: why not.
        seconds: its share of the time of its stack.
        stack: trials in its stack.
    """

    predictor: Predictor | None = None
    error: str = ""
    seconds: float = 0.0
    stack: int = 1


def fit(tools: Tools, row: Row, task: Task) -> Fitted:
    """Return what a tuner makes of a task by itself."""
    who = f"tuner {row.tuner.text}"
    try:
        with blamed(row.tuner, tools.manager):
            return Fitted(tools.made(row.tuner).fit(task))
    except FitError as error:
        return Fitted(error=str(error))
    finally:
        tools.backbones.require_frozen(who)


def as_head(tools: Tools, row: Row, task: Task, name: str) -> HeadJob | FitError | None:
    """Return the head job that fitting a row's tuner is; None where the tuner trains by itself.

    Args:
        tools: what jobs work with.
        row: names the tuner.
        task: what it is fitted to.
        name: of the data, for messages.
    """
    tuner = tools.made(row.tuner)
    if not trains_in_stacks(tuner):
        return None
    where = f"{name}, replicate {task.replicate}"
    index = task.splits["train"].index
    if not len(index) and row.assess is not None:
        return FitError(f"{row.assess.text} keeps no training item", where=where)
    if not task.supervision.take(index).known.any():
        return FitError("no training item has a label", where=where)
    try:
        return head_job(tuner, task)
    except FitError as error:
        return error


def fit_stack(jobs: Sequence[HeadJob], run: Run) -> list[Fitted]:
    """Return what became of heads that are trained together."""
    try:
        results = fit_heads(jobs, run)
    except FitError as error:
        return [Fitted(error=str(error), stack=len(jobs)) for _ in jobs]
    return [Fitted(result.predictor, result.error, stack=len(jobs)) for result in results]


def lost(shown: Shown) -> Fitted | None:
    """Return what becomes of a fit that has nothing to be trained on; None where it has."""
    return Fitted(error=str(shown.error)) if shown.error is not None else None


def loss_of(tools: Tools, row: Row) -> Any:
    """Return the loss of a row, or None."""
    return tools.made(row.loss) if row.loss else None
