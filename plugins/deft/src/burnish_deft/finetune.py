"""The second phase of DeFT.

Full fine-tuning of the image tower's blocks, with a linear head, on the items that were kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from burnish.blocks import ItemLoss, Lease, ModuleBatch, in_chunks, train_module
from burnish.blocks.adapters import chosen_blocks, unfrozen
from burnish.contracts.scores import Scores
from burnish.contracts.tuner import Adapted
from burnish.errors import FitError, ModelFileError
from burnish_deft import FullFineTuneConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.backbone import Encodes, Prepared, View
    from burnish.contracts.tuner import Task
    from burnish.data import Classes, Item

_WHERE = "tuner full-finetune"
_HEAD = ("parts.head.weight", "parts.head.bias")


class FullFineTune:
    """Trains the blocks of the tower in place and a new linear head, with the recipe's loss.

    The head is on the tower's pooled, unprojected features.

    Embeddings of patches, class token and positions, and the normalisation layers before and after the
    blocks, stay frozen, as in the released code.
    """

    def __init__(self, config: FullFineTuneConfig) -> None:
        self.config = config

    def fit(self, task: Task) -> FineTuned:
        """Train on the labelled training items.

        Raises:
            burnish.errors.FitError: no training item has a label, the tower has fewer blocks, or the training
                broke off.
        """
        _require_kept(task)
        train, backbone, items = task.splits["train"].index, task.backbone(), task.inputs("train")
        loss = ItemLoss(task.loss, task.supervision.take(train), len(task.classes), task.run.device, _WHERE)
        with Lease(backbone.module) as lease:
            with torch.no_grad():
                width = backbone.forward(items.prepared(loss.rows[:1]), projected=False).shape[1]
            self._unfreeze(lease, backbone)
            head = linear_head(width, len(task.classes), torch.Generator().manual_seed(task.seed)).to(
                lease.device
            )
            lease.add("head", head)

            def of_batch(batch: ModuleBatch) -> Tensor:
                pooled = backbone.forward(batch.inputs, projected=False)
                return loss(
                    head(pooled), loss.rows[batch.at], batch.epoch / self.config.epochs, embeddings=pooled
                )

            order = int(task.generator("order").integers(2**63))
            train_module(
                lease.parameters().values(),
                items,
                loss.rows,
                self.config,
                of_batch,
                order=order,
                run=task.run,
                views=backbone.views,
                where=_WHERE,
            )
            state = {name: tensor.cpu() for name, tensor in lease.state().items()}
        return FineTuned(self, state, task.classes, loss.activation)

    def _unfreeze(self, lease: Lease, backbone: Any) -> None:
        unfrozen(lease, backbone.sites, blocks=chosen_blocks(backbone.sites, self.config.blocks))

    def restore(self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes) -> FineTuned:
        """Return the predictor with this state.

        Raises:
            ModelFileError: names, shapes, types or numbers do not fit.
        """
        activation, told = info.get("activation"), info.get("tensors")
        if activation not in ("softmax", "sigmoid") or not isinstance(told, Mapping):
            raise ModelFileError("the model does not say what it holds", where=_WHERE)
        if different := sorted(state.keys() ^ told.keys()):
            what = "missing" if different[0] in told else "no part of it"
            raise ModelFileError(
                f"tensor {different[0]!r} is {what}",
                where=_WHERE,
                possible=", ".join(sorted(map(str, told))[:4]) + " ...",
            )
        for name, tensor in state.items():
            if _told(tensor) != told[name]:
                raise ModelFileError(
                    f"tensor {name!r} is {_told(tensor)}", where=_WHERE, possible=str(told[name])
                )
            if not bool(torch.isfinite(tensor).all()):
                raise ModelFileError(f"tensor {name!r} has values that are NaN or infinite", where=_WHERE)
        weight, bias = (state.get(name) for name in _HEAD)
        if (
            weight is None
            or bias is None
            or weight.ndim != 2
            or weight.shape[0] != len(classes)
            or bias.shape != weight.shape[:1]
        ):
            raise ModelFileError(f"the head is not one for {len(classes)} classes", where=_WHERE)
        return FineTuned(self, state, classes, str(activation))

    @contextmanager
    def adapted(self, backbone: Any, tuned: Mapping[str, Tensor], width: int) -> Iterator[Encodes]:
        """Put tuned parameters into a backbone for the length of the block."""
        with Lease(backbone.module) as lease:
            self._unfreeze(lease, backbone)
            lease.load(tuned)
            yield Pooled(backbone, width)


class FineTuned(Adapted):
    """Tuned blocks, and the head that reads what they make.

    Args:
        tuner: that made it.
        state: on the CPU: the head, and the parameters of the blocks by their names in the module.
        classes: what the columns of its scores stand for.
        activation: how logits become probabilities.
    """

    def __init__(
        self, tuner: FullFineTune, state: Mapping[str, Tensor], classes: Classes, activation: str
    ) -> None:
        self.classes = classes
        self._tuner, self._state, self._activation = (
            tuner,
            dict(state),
            cast("Literal['softmax', 'sigmoid']", activation),
        )
        self._weight, self._bias = (self._state[name].float() for name in _HEAD)

    @contextmanager
    def adapt(self, backbone: Any) -> Iterator[Encodes]:
        """Put the tuned blocks into a backbone; features are pooled, (B, w), before the projection.

        Raises:
            ModelFileError: the backbone has other blocks.
        """
        with self._tuner.adapted(
            backbone, {n: t for n, t in self._state.items() if n not in _HEAD}, self._weight.shape[1]
        ) as encoder:
            yield encoder

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return logits (M, C) of pooled features (M, w) of the adapted backbone.

        Raises:
            burnish.errors.DataError: the features have another width.
        """
        values = in_chunks(
            features, self._weight.shape[1], lambda x: x @ self._weight.T + self._bias, len(self.classes)
        )
        return Scores("logits", values, self.classes, self._activation)

    def embed(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return the features: the head reads them as they are."""
        return np.asarray(features, dtype=np.float32)

    def state(self) -> Mapping[str, Tensor]:
        """Return the head and the tuned parameters."""
        return self._state

    def info(self) -> Mapping[str, Any]:
        """Return the activation, and shape and type of every tensor."""
        return {
            "activation": self._activation,
            "tensors": {name: _told(tensor) for name, tensor in self._state.items()},
        }


class Pooled:
    """A backbone that gives pooled features before the projection (`burnish.contracts.backbone.Encodes`)."""

    def __init__(self, backbone: Any, width: int) -> None:
        self._backbone, self.dim = backbone, width
        self.modality, self.views = str(backbone.modality), bool(backbone.views)

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Prepare items as the backbone does."""
        prepared: Prepared = self._backbone.prepare(items, view, ids)
        return prepared

    def encode(self, inputs: Prepared) -> Tensor:
        """Return (B, w) float32."""
        with torch.inference_mode():
            features: Tensor = self._backbone.forward(inputs, projected=False)
        return features


def linear_head(width: int, classes: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with torch's own initial values, from a generator of its own.

    The values are U(-1/sqrt(w), 1/sqrt(w)).
    """
    head = nn.Linear(width, classes, device="meta").to_empty(device="cpu")
    bound = 1 / math.sqrt(width)
    for parameter in (head.weight, head.bias):
        parameter.data.copy_((torch.rand(parameter.shape, generator=generator) * 2 - 1) * bound)
    return head


def _require_kept(task: Task) -> None:
    """Say that it was the assessor where it left nothing to train on."""
    assessment, known = task.assessment, task.supervision.take(task.splits["train"].index).known
    if (
        assessment is not None
        and assessment.keep is not None
        and not assessment.keep.any()
        and not known.any()
    ):
        raise FitError(
            f"the assessor kept none of {len(assessment.keep)} items",
            where=_WHERE,
            todo="See its assessment in the report",
        )


def _told(tensor: Tensor) -> str:
    return f"{'x'.join(map(str, tensor.shape))} {str(tensor.dtype).removeprefix('torch.')}"
