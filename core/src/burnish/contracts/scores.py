"""Scores: what a predictor returns, and what the numbers mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Classes


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of M items over C classes.

    Attributes:
        meaning: what the values are. ``"similarities"`` order the classes but are not calibrated.
        values: (M, C) float32.
        classes: what the columns stand for.
        activation: how logits become probabilities: ``"softmax"`` over classes, or ``"sigmoid"`` for multi-label targets.
        temperature: turns similarities into logits, where one is known.
    """

    meaning: Literal["logits", "probabilities", "similarities"]
    values: NDArray[np.float32]
    classes: Classes
    activation: Literal["softmax", "sigmoid"] = "softmax"
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.classes):
            raise DataError(f"scores of shape {self.values.shape} for {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.values)

    def top(self) -> NDArray[np.int64]:
        """Return the highest-scoring column of each item, (M,) int64; the first one where several are equal."""
        top: NDArray[np.int64] = self.values.argmax(axis=1).astype(np.int64)
        return top

    def probabilities(self) -> NDArray[np.float64]:
        """Return (M, C) float64 probabilities.

        Raises:
            DataError: the scores are similarities and no temperature is known.
        """
        values = self.values.astype(np.float64)
        if self.meaning == "probabilities":
            return values
        if self.meaning == "similarities":
            if self.temperature is None:
                raise DataError("similarities without a temperature have no probabilities")
            values = values / self.temperature
        return _sigmoid(values) if self.activation == "sigmoid" else _softmax(values)


def _softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    e: NDArray[np.float64] = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    e: NDArray[np.float64] = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))
