"""The recipe's loss on batches of training items, for tuners with a training loop of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from burnish.contracts.loss import LossInput
from burnish.errors import FitError
from burnish.heads.step import reduce_loss
from burnish.heads.targets import (
    as_targets,
    class_prior,
    require_accepted,
    target_arrays,
    target_kind,
    target_tensors,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.loss import Loss
    from burnish.data import Supervision


class ItemLoss:
    """A loss, the targets of n items, and what it remembers of them.

    Args:
        loss: the recipe's loss, `burnish.contracts.tuner.Task.loss`.
        supervision: of the n items.
        classes: C.
        device: where logits will be.
        where: who trains, for messages.

    Attributes:
        rows: (m,) int64 the items that have a label and a positive weight, to train on.
        prior: (C,) float32 weighted counts of the classes.
        activation: how logits become probabilities.

    Raises:
        FitError: there is no loss, no item to train on, or the loss does not take such targets.
    """

    def __init__(
        self,
        loss: Loss | None,
        supervision: Supervision,
        classes: int,
        device: str | torch.device,
        where: str,
    ) -> None:
        targets, weights = target_arrays(supervision, classes)
        kind = target_kind(targets)
        self.rows: NDArray[np.int64] = np.flatnonzero(weights > 0)
        if not len(self.rows):
            raise FitError("no training item has a label and a positive weight", where=where)
        if loss is None:
            raise FitError(
                "the task has no loss", where=where, todo="Name one in the recipe, such as loss: ce"
            )
        require_accepted(loss, targets, where)
        self.activation = "sigmoid" if kind == "multi" else "softmax"
        self._loss, self._targets = loss, target_tensors(targets, device)
        self._weights = torch.as_tensor(weights, device=device)
        self.prior = torch.as_tensor(class_prior(targets, weights, classes), device=device)
        self._memory = {name: rows.to(device) for name, rows in loss.memory(len(weights), classes).items()}

    def __call__(
        self, logits: Tensor, rows: NDArray[Any], progress: float, *, embeddings: Tensor | None = None
    ) -> Tensor:
        """Return the 0-d loss of a batch, reduced with the items' weights.

        Args:
            logits: (B, C).
            rows: (B,) items of the n, each once.
            progress: share of training done, in [0, 1).
            embeddings: (B, E) what the last layer reads.
        """
        index = torch.as_tensor(rows, device=logits.device)
        targets = as_targets({name: tensor[index] for name, tensor in self._targets.items()})
        weights = self._weights[index]
        given = LossInput(
            logits, targets, embeddings, self.prior, index, torch.tensor(progress, device=logits.device)
        )
        value, new = self._loss(given, {name: memory[index] for name, memory in self._memory.items()})
        for name, memory in self._memory.items():
            memory[index] = new[name].detach()
        return reduce_loss(value, weights)
