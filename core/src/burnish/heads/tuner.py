"""`HeadTuner`: the base of every tuner that needs only cached features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from burnish.heads.head import ConfigT, HeadMethod
from burnish.heads.predictor import HeadPredictor
from burnish.heads.stacked import fit_task

if TYPE_CHECKING:
    from burnish.contracts.tuner import Task
    from burnish.data import Classes


class HeadTuner(HeadMethod[ConfigT]):
    """Trains a small module on cached features.

    What its author writes is described at `burnish.heads.head.HeadMethod`.
    """

    def fit(self, task: Task) -> HeadPredictor:
        """Train on a task by itself; the same code path as in a stack.

        A tuner that writes a `fit` of its own is fitted by it, and trains in no stack.

        Raises:
            burnish.errors.FitError: no usable training items, or the loss became NaN or infinite.
        """
        return fit_task(self, task)

    def restore(
        self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> HeadPredictor:
        """Return the predictor with this state.

        Raises:
            burnish.errors.ModelFileError: names or shapes of the tensors do not match what `build` gives.
        """
        return HeadPredictor.restore(self, state, info, classes)


def trains_in_stacks(tuner: object) -> bool:
    """Return whether core trains a tuner, with others where that is faster: it has no `fit` of its own."""
    return isinstance(tuner, HeadTuner) and type(tuner).fit is HeadTuner.fit
