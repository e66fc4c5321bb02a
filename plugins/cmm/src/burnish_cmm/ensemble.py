"""CPE, the prompt ensemble weighted by matching margins (arXiv:2310.03324).

The paper leaves the weights' formula open; ours is a softmax.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from burnish.blocks import TextClassifier, ensemble, scale_of
from burnish.data import Labels
from burnish.errors import FitError
from burnish_cmm import CPEConfig
from burnish_cmm.margin import class_sums, matching_margin, prompt_margins, similarity, unit, worst

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts.tuner import Task
    from burnish.data import Classes

_WHERE = "tuner cpe"


def prompt_weights(margins: NDArray[np.float64], temperature: float, each: bool) -> NDArray[np.float64]:
    """Return omega (P, C): softmax over prompts of their margin / temperature.

    Args:
        margins: CMM of every prompt and class (P, C); NaN for a class without items, whose prompts then weigh
            the same.
        temperature: of the softmax.
        each: a class's own margins decide about its weights, else their mean over the classes that have
            items.
    """
    if not each:
        there = ~np.isnan(margins)
        total, count = np.where(there, margins, 0).sum(axis=1), there.sum(axis=1)
        margins = np.repeat(
            np.divide(total, count, out=np.zeros_like(total), where=count > 0)[:, None],
            margins.shape[1],
            axis=1,
        )
    z = np.nan_to_num(margins) / temperature
    e = np.exp(z - z.max(axis=0, keepdims=True))
    weights: NDArray[np.float64] = e / e.sum(axis=0, keepdims=True)
    return weights


class WeightedPromptEnsemble:
    """t_i = normalised sum over prompts p of omega_{p,i} t_i^(p).

    The weight omega is larger where the prompt's matching margin is larger.
    """

    def __init__(self, config: CPEConfig) -> None:
        self.config = config

    def fit(self, task: Task) -> TextClassifier:
        """Weigh the prompts on unlabelled items, or on labelled ones where the option says so.

        Raises:
            FitError: there is no such split or item, or an item may have several classes.
            burnish.errors.ConfigError: a template has no place for the name.
            burnish.errors.DataError: the classes have no names, or one of the worst has no description that
                an enriched prompt asks for.
        """
        features, y = self._items(task)
        texts = unit(task.class_embeddings(self.config.templates))
        plain = ensemble(texts.astype(np.float32)).numpy()
        if self.config.labels == "pseudo":
            y = (unit(features) @ plain.T).argmax(axis=1).astype(np.int64)
        sums, counts = class_sums(features, y, len(task.classes))
        margins = prompt_margins(sums, counts, texts)
        weights = self._mixed(margins, texts)
        if self.config.worst:
            hard = worst(matching_margin(similarity(sums, counts, plain)), self.config.worst)
            more = unit(task.class_embeddings(self.config.enriched, hard))
            # An enriched prompt is for the hard classes alone: its rivals keep the texts that the classifier
            # has for them.
            asked = np.repeat(plain[None].astype(np.float64), len(more), axis=0)
            asked[:, hard] = more
            both = np.concatenate([margins, prompt_margins(sums, counts, asked)])
            weights[hard] = self._mixed(both[:, hard], np.concatenate([texts[:, hard], more]))
        task.run.progress(1, 1)
        return TextClassifier(
            torch.from_numpy(weights.astype(np.float32)), scale_of(task, self.config.scale), task.classes
        )

    def _mixed(self, margins: NDArray[np.float64], texts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (K, D) unit sums of the prompts (P, K, D) of K classes, compared on these classes."""
        if self.config.weights == "uniform":
            margins = np.zeros_like(margins)
        omega = prompt_weights(margins, self.config.temperature, self.config.weights == "class")
        return unit((omega[:, :, None] * texts).sum(axis=0))

    def _items(self, task: Task) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        if not isinstance(task.supervision, Labels):
            raise FitError(
                f"margins between {task.supervision.word} are not defined", where=_WHERE, possible="labels"
            )
        split = task.splits.get(self.config.items)
        if split is None or not len(split):
            raise FitError(
                f"there is no {self.config.items} split", where=_WHERE, possible=", ".join(task.splits)
            )
        y = task.supervision.y[split.index]
        if self.config.labels == "given" and not (y >= 0).any():
            raise FitError(
                f"no item of {self.config.items} has a label", where=_WHERE, todo="Take labels=pseudo"
            )
        return task.features(self.config.items)[:, 0], y

    def restore(
        self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> TextClassifier:
        """Return the predictor with this state.

        Raises:
            burnish.errors.ModelFileError: it does not fit.
        """
        return TextClassifier.restore(state, info, classes, _WHERE)
