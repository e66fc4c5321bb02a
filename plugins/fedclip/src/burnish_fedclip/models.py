"""What a client can train: parameters by name, and their loss.

The same code serves one client and K clients side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from burnish_fedclip.adapter import adapted, class_cross_entropy, infonce, initial

Parameters = Mapping[str, Tensor]
"""Tensors by name; with a leading dimension K where they are those of K clients."""


class ClientModel(Protocol):
    """What clients train; its parameters are all that they send to the server."""

    @property
    def least(self) -> int:
        """Fewest items of a batch that teach it anything; smaller batches are skipped."""

    def start(self, seed: int) -> dict[str, Tensor]:
        """Return fresh parameters on the CPU."""

    def losses(
        self, parameters: Parameters, start: Parameters, x: Tensor, y: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss of each client, (K,).

        Args:
            parameters: of K clients.
            start: what the server sent, without K.
            x: features (K, B, D).
            y: labels (K, B) int64.
            weights: (K, B); 0 for rows that only fill the batch.
        """

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return (..., B, C) logits of features (..., B, D)."""


@dataclass(frozen=True, eq=False)
class AttentionAdapter:
    """FedCLIP's adapter, with the class names as the text tower sees them.

    Attributes:
        texts: (C, D) float32 of length 1, one vector a class.
        scale: what cosine similarities are multiplied with.
        loss: in-batch InfoNCE, or cross-entropy over the classes.
    """

    texts: Tensor
    scale: float
    loss: Literal["infonce", "class-ce"]

    @property
    def least(self) -> int:
        """An item alone in its batch has nothing to be told from."""
        return 2 if self.loss == "infonce" else 1

    def start(self, seed: int) -> dict[str, Tensor]:
        """Return a fresh adapter."""
        return initial(self.texts.shape[1], seed)

    def losses(
        self, parameters: Parameters, start: Parameters, x: Tensor, y: Tensor, weights: Tensor
    ) -> Tensor:
        """Return the loss of each client, (K,)."""
        if self.loss == "class-ce":
            return class_cross_entropy(self.logits(parameters, x), y, weights)
        return infonce(adapted(parameters, x), self.texts[y], weights, self.scale)

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return scaled cosine similarities (..., B, C)."""
        return self.scale * adapted(parameters, x) @ self.texts.T


@dataclass(frozen=True, eq=False)
class LinearHead:
    """A linear head on features of length 1, of FedAvg and FedProx.

    Attributes:
        dim: width D of the features.
        classes: number of classes C.
        mu: weight of FedProx's pull towards the server's parameters; 0 is FedAvg.
    """

    dim: int
    classes: int
    mu: float = 0.0

    @property
    def least(self) -> int:
        """Any item teaches it."""
        return 1

    def start(self, seed: int) -> dict[str, Tensor]:
        """Return a head of zeros: the problem is convex, and all clients begin at one point."""
        return {"weight": torch.zeros(self.classes, self.dim), "bias": torch.zeros(self.classes)}

    def losses(
        self, parameters: Parameters, start: Parameters, x: Tensor, y: Tensor, weights: Tensor
    ) -> Tensor:
        """Return cross-entropy, and with FedProx mu / 2 ||w - w_t||^2 beside it.

        For FedProx see Li et al. 2020, arXiv:1812.06127, equation 2.
        """
        loss = class_cross_entropy(self.logits(parameters, x), y, weights)
        if self.mu:
            loss = loss + sum(
                0.5 * self.mu * (parameters[name] - start[name]).square().flatten(1).sum(1) for name in start
            )
        return loss

    def logits(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return (..., B, C)."""
        return torch.nn.functional.normalize(x, dim=-1) @ parameters["weight"].mT + parameters[
            "bias"
        ].unsqueeze(-2)
