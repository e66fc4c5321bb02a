"""Zero-shot classification: the text tower's view of the class names, and nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from burnish.blocks import TextClassifier, ensemble, scale_of
from burnish.data import Labels
from burnish.errors import FitError
from burnish_basics._tuners import ZeroShotConfig

if TYPE_CHECKING:
    from torch import Tensor

    from burnish.contracts.tuner import Task
    from burnish.data import Classes


class ZeroShot:
    """Each class is the normalised mean of its normalised text features in the templates.

    After Radford et al. 2021, arXiv:2103.00020.
    """

    def __init__(self, config: ZeroShotConfig) -> None:
        self.config = config

    def fit(self, task: Task) -> TextClassifier:
        """Embed the class names; the training items play no part.

        Raises:
            FitError: an item may have several classes: similarities rank classes, and do not say how many are
                there.
            burnish.errors.ConfigError: a template has no place for the name.
            burnish.errors.DataError: the classes have no names.
        """
        if not isinstance(task.supervision, Labels):
            todo = "Take a tuner that is trained"
            raise FitError(
                f"similarities cannot be thresholded for {task.supervision.word}",
                where="tuner zero-shot",
                possible="labels",
                todo=todo,
            )
        weights = ensemble(task.class_embeddings(self.config.templates))
        task.run.progress(1, 1)
        return TextClassifier(weights, scale_of(task, self.config.scale), task.classes)

    def restore(
        self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> TextClassifier:
        """Return the predictor with this state.

        Raises:
            burnish.errors.ModelFileError: it does not fit.
        """
        return TextClassifier.restore(state, info, classes, "tuner zero-shot")
