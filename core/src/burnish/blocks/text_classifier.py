"""A classifier made of texts.

The cosine similarity of an item's features and of what a text tower makes of the class names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from burnish.contracts.scores import Scores
from burnish.errors import DataError, ModelFileError
from burnish.heads.predictor import check_state

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.tuner import Task
    from burnish.data import Classes

CLIP_SCALE: Final = 100.0
"""What CLIP (arXiv:2103.00020) multiplies cosine similarities with, for backbones that learnt no factor."""

_CHUNK = 256


def scale_of(task: Task, given: float | None) -> float:
    """Return what cosine similarities are multiplied with to be logits.

    The number given, else what the backbone learnt, else `CLIP_SCALE`.
    """
    if given is not None:
        return given
    learnt = task.logit_scale()
    return CLIP_SCALE if learnt is None else learnt


def ensemble(embeddings: NDArray[Any]) -> Tensor:
    """Return one weight vector a class, (C, D) float32 of length 1.

    It is made from text features (P, C, D) of the class's name in P templates. Each feature is normalised,
    then their mean is (arXiv:2103.00020, section 3.1.4).
    """
    return normalize(
        normalize(torch.from_numpy(np.array(embeddings, dtype=np.float32)), dim=-1).mean(dim=0), dim=-1
    )


def in_chunks(
    rows: NDArray[Any], width: int, compute: Callable[[Tensor], Tensor], columns: int
) -> NDArray[np.float32]:
    """Return what a function makes of rows (M, D), (M, columns) float32, in padded chunks of one size.

    A row's result depends on no other row.

    Raises:
        DataError: the rows have another width than the one given.
    """
    if rows.ndim != 2 or rows.shape[1] != width:
        raise DataError(
            f"features of shape {rows.shape}",
            possible=f"(M, {width})",
            todo="Use the backbone it was trained on",
        )
    out = np.empty((len(rows), columns), dtype=np.float32)
    for start in range(0, len(rows), _CHUNK):
        part = np.asarray(rows[start : start + _CHUNK], dtype=np.float32)
        padded = np.zeros((_CHUNK, width), dtype=np.float32)
        padded[: len(part)] = part
        with torch.no_grad():
            out[start : start + len(part)] = compute(torch.from_numpy(padded)).cpu().numpy()[: len(part)]
    return out


class TextClassifier:
    """Scores features by their cosine similarity with one vector a class.

    Args:
        weights: (C, D) float32 of length 1.
        scale: what similarities are multiplied with to be logits.
        classes: what the columns stand for.
    """

    def __init__(self, weights: Tensor, scale: float, classes: Classes) -> None:
        self.classes = classes
        self._weights, self._scale = weights.float().cpu(), scale

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return logits (M, C) of features (M, D).

        Raises:
            DataError: the features have another width.
        """
        values = in_chunks(
            features,
            self._weights.shape[1],
            lambda x: self._scale * normalize(x, dim=1) @ self._weights.T,
            len(self.classes),
        )
        return Scores("logits", values, self.classes)

    def embed(self, features: NDArray[Any]) -> None:
        """Return None: features are compared as they are."""
        return

    def state(self) -> Mapping[str, Tensor]:
        """Return ``weights`` (C, D)."""
        return {"weights": self._weights}

    def info(self) -> Mapping[str, Any]:
        """Return the scale and the width."""
        return {"scale": self._scale, "dim": self._weights.shape[1]}

    @classmethod
    def restore(
        cls, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes, where: str
    ) -> TextClassifier:
        """Return the classifier with this state.

        Raises:
            ModelFileError: names, shapes or numbers do not fit.
        """
        scale, dim = info.get("scale"), info.get("dim")
        if not (isinstance(scale, int | float) and np.isfinite(scale) and isinstance(dim, int)):
            raise ModelFileError("the model does not say its scale and width", where=where)
        check_state(state, {"weights": (len(classes), dim)}, where)
        return cls(state["weights"], float(scale), classes)
