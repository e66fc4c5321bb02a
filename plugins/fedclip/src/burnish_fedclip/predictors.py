"""What the tuners return."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from burnish.blocks import check_state, in_chunks
from burnish.contracts.scores import Scores
from burnish.errors import ModelFileError
from burnish_fedclip.adapter import adapted, shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Classes


class AdaptedClassifier:
    """Compares adapted image features with the text features of the class names.

    Args:
        adapter: the four tensors of an adapter for features of width D.
        texts: (C, D) float32 of length 1.
        scale: what similarities are multiplied with to be logits.
        classes: what the columns stand for.
    """

    def __init__(self, adapter: Mapping[str, Tensor], texts: Tensor, scale: float, classes: Classes) -> None:
        self.classes = classes
        self._adapter = {name: t.detach().float().cpu().contiguous() for name, t in adapter.items()}
        self._texts, self._scale = texts.detach().float().cpu().contiguous(), scale

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return logits (M, C) of features (M, D).

        Raises:
            burnish.errors.DataError: the features have another width.
        """
        classes, dim = self._texts.shape
        values = in_chunks(
            features, dim, lambda x: self._scale * adapted(self._adapter, x) @ self._texts.T, classes
        )
        return Scores("logits", values, self.classes)

    def embed(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return the adapted features (M, D), of length 1, of features (M, D).

        Raises:
            burnish.errors.DataError: the features have another width.
        """
        dim = self._texts.shape[1]
        return in_chunks(features, dim, lambda x: adapted(self._adapter, x), dim)

    def state(self) -> Mapping[str, Tensor]:
        """Return the adapter and ``texts`` (C, D)."""
        return {**self._adapter, "texts": self._texts}

    def info(self) -> Mapping[str, Any]:
        """Return the scale and the width."""
        return {"scale": self._scale, "dim": self._texts.shape[1]}

    @classmethod
    def restore(
        cls, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes, where: str
    ) -> AdaptedClassifier:
        """Return the classifier with this state.

        Raises:
            ModelFileError: names, shapes or numbers do not fit.
        """
        scale, dim = info.get("scale"), _width(info, where)
        if not isinstance(scale, int | float) or not math.isfinite(scale):
            raise ModelFileError(f"the scale is given as {scale!r}", where=where, possible="a finite number")
        check_state(state, shapes(dim) | {"texts": (len(classes), dim)}, where)
        return cls({name: state[name] for name in shapes(dim)}, state["texts"], float(scale), classes)


class LinearClassifier:
    """One linear head on features of length 1, or several clients' heads whose probabilities are averaged.

    Args:
        weight: (H, C, D) float32.
        bias: (H, C) float32.
        classes: what the columns stand for.
    """

    def __init__(self, weight: Tensor, bias: Tensor, classes: Classes) -> None:
        self.classes = classes
        self._weight, self._bias = (
            weight.detach().float().cpu().contiguous(),
            bias.detach().float().cpu().contiguous(),
        )

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return scores (M, C) of features (M, D).

        Logits of one head, or the mean of the probabilities of several.

        Raises:
            burnish.errors.DataError: the features have another width.
        """
        heads, classes, dim = self._weight.shape
        values = in_chunks(features, dim, self._logits if heads == 1 else self._probabilities, classes)
        return Scores("logits" if heads == 1 else "probabilities", values, self.classes)

    def _logits(self, x: Tensor) -> Tensor:
        return normalize(x, dim=1) @ self._weight[0].T + self._bias[0]

    def _probabilities(self, x: Tensor) -> Tensor:
        x, total = normalize(x, dim=1), torch.zeros(len(x), self._weight.shape[1])
        for weight, bias in zip(self._weight, self._bias, strict=True):
            total += torch.softmax(x @ weight.T + bias, dim=1)
        return total / len(self._weight)

    def embed(self, features: NDArray[Any]) -> None:
        """Return None: the heads read the features themselves."""
        return

    def state(self) -> Mapping[str, Tensor]:
        """Return ``weight`` (H, C, D) and ``bias`` (H, C)."""
        return {"weight": self._weight, "bias": self._bias}

    def info(self) -> Mapping[str, Any]:
        """Return the number of heads and the width."""
        return {"heads": self._weight.shape[0], "dim": self._weight.shape[2]}

    @classmethod
    def restore(
        cls, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes, where: str
    ) -> LinearClassifier:
        """Return the classifier with this state.

        Raises:
            ModelFileError: names, shapes or numbers do not fit.
        """
        heads, dim = info.get("heads"), _width(info, where)
        if not isinstance(heads, int) or isinstance(heads, bool) or heads < 1:
            raise ModelFileError(
                f"the number of heads is given as {heads!r}", where=where, possible="an integer of at least 1"
            )
        check_state(state, {"weight": (heads, len(classes), dim), "bias": (heads, len(classes))}, where)
        return cls(state["weight"], state["bias"], classes)


def _width(info: Mapping[str, Any], where: str) -> int:
    dim = info.get("dim")
    if not isinstance(dim, int) or isinstance(dim, bool) or dim < 1:
        raise ModelFileError(
            f"the width of the features is given as {dim!r}", where=where, possible="an integer of at least 1"
        )
    return dim
