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
        meaning: what the values are. ``"similarities"`` order the classes but are not calibrated; ``"texts"``
            are answers in words.
        values: (M, C) float32; of texts 1 in the column of the class that the answer names and 0 elsewhere.
        classes: what the columns stand for.
        activation: how logits become probabilities: ``"softmax"`` over classes, or ``"sigmoid"`` for
            multi-label targets.
        temperature: turns similarities into logits, where one is known.
        texts: the M answers, of texts alone.
    """

    meaning: Literal["logits", "probabilities", "similarities", "texts"]
    values: NDArray[np.float32]
    classes: Classes
    activation: Literal["softmax", "sigmoid"] = "softmax"
    temperature: float | None = None
    texts: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.classes):
            raise DataError(f"scores of shape {self.values.shape} for {len(self.classes)} classes")
        if (self.meaning == "texts") != (self.texts is not None) or (
            self.texts is not None and len(self.texts) != len(self.values)
        ):
            raise DataError(
                f"{self.meaning} with {'no' if self.texts is None else len(self.texts)} texts for"
                f" {len(self.values)} items"
            )

    def __len__(self) -> int:
        return len(self.values)

    def top(self) -> NDArray[np.int64]:
        """Return the highest-scoring column of each item, (M,) int64; the first one where several are equal.

        -1 for a text that names no class.
        """
        if self.meaning == "texts":
            named = self.values.any(axis=1) if len(self.classes) else np.zeros(len(self), dtype=bool)
            return np.where(named, self.values.argmax(axis=1) if len(self.classes) else -1, -1).astype(
                np.int64
            )
        top: NDArray[np.int64] = self.values.argmax(axis=1).astype(np.int64)
        return top

    def probabilities(self) -> NDArray[np.float64]:
        """Return (M, C) float64 probabilities.

        Raises:
            DataError: the scores are similarities and no temperature is known, or they are texts.
        """
        if self.meaning == "texts":
            raise DataError("answers in words have no probabilities")
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
