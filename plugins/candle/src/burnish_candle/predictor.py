"""What `candle` returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from burnish.blocks import in_chunks, intra_op_threads
from burnish.contracts.scores import Scores
from burnish.errors import DataError
from burnish_candle import CandleConfig
from burnish_candle.model import CandleModel, threads_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from burnish.data import Classes
    from burnish_candle.model import Fused


class CandlePredictor:
    """A trained model, on the CPU.

    With the mask ``queries`` an item's scores depend on no other item. With any other they depend on the
    items of its batch: those that are predicted together, ``test_batch`` at a time in the order they come, as
    in the released code.

    Args:
        config: options.
        model: trained, in evaluation mode.
        classes: what the columns stand for.
    """

    def __init__(self, config: CandleConfig, model: CandleModel, classes: Classes) -> None:
        self.classes = classes
        self._config, self._model = config, model
        with torch.no_grad():
            self._context = model.context() if model.mask == "queries" else None

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return logits (M, C) of features (M, d): the similarities with texts and with prototypes, added.

        Raises:
            DataError: the features have another width, or a score is NaN or infinite.
        """
        values = self._apply(features, self._model.scores, len(self.classes))
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            raise DataError(
                f"the scores of row {int(np.argmin(finite))} are NaN or infinite",
                todo="Check that its features are finite",
            )
        return Scores("logits", values, self.classes)

    def embed(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return (M, d) float32 what attention makes of the items, to compare texts and prototypes with.

        Raises:
            DataError: the features have another width.
        """
        return self._apply(features, lambda fused: fused.items, self._dim)

    @property
    def _dim(self) -> int:
        return self._model.texts.shape[1]

    def _apply(
        self, features: NDArray[Any], compute: Callable[[Fused], Tensor], columns: int
    ) -> NDArray[np.float32]:
        with intra_op_threads(threads_for(self._config.test_batch, len(self.classes), self._dim)):
            return self._computed(features, compute, columns)

    def _computed(
        self, features: NDArray[Any], compute: Callable[[Fused], Tensor], columns: int
    ) -> NDArray[np.float32]:
        if self._context is not None:
            return in_chunks(
                features, self._dim, lambda x: compute(self._model.fused(x, self._context)), columns
            )
        if features.ndim != 2 or features.shape[1] != self._dim:
            raise DataError(
                f"features of shape {features.shape}",
                possible=f"(M, {self._dim})",
                todo="Use the backbone it was trained on",
            )
        size, out = self._config.test_batch, np.empty((len(features), columns), dtype=np.float32)
        for start in range(0, len(features), size):
            rows = torch.from_numpy(np.array(features[start : start + size], dtype=np.float32))
            with torch.no_grad():
                out[start : start + len(rows)] = compute(self._model.fused(rows)).numpy()
        return out

    def state(self) -> Mapping[str, Tensor]:
        """Return every tensor of the model by name, prototypes (C, d) and texts (C, d) too."""
        return {name: tensor.detach() for name, tensor in self._model.state_dict().items()}

    def info(self) -> Mapping[str, Any]:
        """Return the width d of the features and the scale s."""
        return {"dim": self._dim, "scale": self._model.scale}
