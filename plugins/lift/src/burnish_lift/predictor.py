"""What LIFT has learnt: parts inside the model, and the classifier that reads its features."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, normalize

from burnish.blocks import Lease, in_chunks
from burnish.contracts.scores import Scores
from burnish.contracts.tuner import Adapted
from burnish.errors import ModelFileError
from burnish_lift import LiftConfig
from burnish_lift.crops import CROPS, FeaturesBeforeProjection
from burnish_lift.parts import put_parts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.backbone import Encodes
    from burnish.data import Classes

WEIGHT, BIAS = "parts.head.weight", "parts.head.bias"
_WHERE: Final = "tuner lift"


class LiftPredictor(Adapted):
    """Scores images by the model with its parts in, averaged over crops.

    Args:
        state: everything learnt, by its name in the lease.
        told: what is not in the state: ``start``, what the classifier was made from, and ``at once``, items
            that were run at once.
        config: the tuner's.
        classes: C.
    """

    def __init__(
        self, state: Mapping[str, Tensor], told: Mapping[str, Any], config: LiftConfig, classes: Classes
    ) -> None:
        self.classes = classes
        self._state, self._told, self._config = (
            {name: tensor.detach().cpu() for name, tensor in state.items()},
            dict(told),
            config,
        )
        self._width = self._state[WEIGHT].shape[1]
        self._crops = CROPS if config.crops == "five" else 1

    @contextmanager
    def adapt(self, backbone: Any) -> Iterator[Encodes]:
        """Put the learnt parts into a backbone.

        The encoder gives its features before the projection, (B, w) or (B, 5 w) of five crops.
        """
        with Lease(backbone.module) as lease:
            put_parts(lease, backbone.sites, self._config, len(self.classes), torch.Generator())
            lease.load({name: tensor for name, tensor in self._state.items() if name not in (WEIGHT, BIAS)})
            yield FeaturesBeforeProjection(backbone, self._width, self._crops, self._config.expand)

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return logits (M, C) of features (M, w) or (M, 5 w): the mean over crops.

        Raises:
            burnish.errors.DataError: the features have another width.
        """
        weight, bias = self._state[WEIGHT], self._state.get(BIAS)

        def logits(rows: Tensor) -> Tensor:
            h = rows.view(-1, self._crops, self._width)
            if self._config.head == "linear":
                return linear(h, weight, bias).mean(dim=1)
            return self._config.scale * linear(normalize(h, dim=-1), normalize(weight, dim=-1)).mean(dim=1)

        return Scores(
            "logits", in_chunks(features, self._crops * self._width, logits, len(self.classes)), self.classes
        )

    def embed(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the classifier reads, (M, w): normalised features, their mean over crops."""

        def read(rows: Tensor) -> Tensor:
            h = rows.view(-1, self._crops, self._width)
            return (normalize(h, dim=-1) if self._config.head == "cosine" else h).mean(dim=1)

        return in_chunks(features, self._crops * self._width, read, self._width)

    def state(self) -> Mapping[str, Tensor]:
        """Return the classifier and what was learnt inside the model, by name."""
        return dict(self._state)

    def info(self) -> Mapping[str, Any]:
        """Return shapes and types of the state, and how it came about."""
        tensors = {name: [_word(tensor.dtype), *tensor.shape] for name, tensor in self._state.items()}
        return {**self._told, "tensors": tensors}


def restored(
    state: Mapping[str, Tensor], info: Mapping[str, Any], config: LiftConfig, classes: Classes
) -> LiftPredictor:
    """Return the predictor with this state and info.

    Raises:
        ModelFileError: names, shapes, types or numbers do not fit; whether the parts fit the model is seen
            when they are put into it.
    """
    tensors = info.get("tensors")
    if not isinstance(tensors, Mapping) or WEIGHT not in tensors:
        raise ModelFileError("the model does not say what it holds", where=_WHERE)
    if odd := sorted(state.keys() ^ tensors.keys()):
        raise ModelFileError(f"{odd[0]} is {'missing' if odd[0] in tensors else 'unknown'}", where=_WHERE)
    for name, tensor in state.items():
        if [_word(tensor.dtype), *tensor.shape] != list(tensors[name]):
            raise ModelFileError(
                f"{name} is {tuple(tensor.shape)} of {_word(tensor.dtype)}",
                where=_WHERE,
                possible=str(tensors[name]),
            )
        if not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(f"{name} has a value that is not finite", where=_WHERE)
    wanted = {WEIGHT: 2} | ({BIAS: 1} if config.head == "linear" else {})
    for name, ndim in wanted.items():
        found = tuple(state[name].shape) if name in state else ()
        if len(found) != ndim or found[0] != len(classes) or state[name].dtype != torch.float32:
            raise ModelFileError(
                f"{name} is {found}",
                where=_WHERE,
                possible=f"a row of float32 for each of {len(classes)} classes",
            )
    told = {name: info[name] for name in ("start", "at once") if isinstance(info.get(name), str | int)}
    return LiftPredictor(state, told, config, classes)


def _word(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
