"""Heads on cached features that several tuners share: a linear one, and one behind a small residual MLP."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from burnish.heads.head import Outputs


def linear_head(dim: int, classes: int) -> nn.Linear:
    """Return ``Linear(dim, classes)`` with a Kaiming-uniform weight (fan in, gain of ReLU) and a zero bias.

    Source: the head of NMTune's released code, which its linear probe and its MLP baseline share.

    Args:
        dim: width D of what it reads.
        classes: number of classes C.
    """
    head = nn.Linear(dim, classes)
    nn.init.kaiming_uniform_(head.weight, nonlinearity="relu")
    nn.init.zeros_(head.bias)
    return head


class ResidualMLP(nn.Module):
    """An MLP that keeps the width of the features.

    ``z = s * mlp(f) + f`` with a learnable per-column scale s that starts at 1.

    ``mlp`` is `blocks` times (Linear, BatchNorm1d, ReLU), the first from D to H and any further from H to H,
    then Linear(H, D).

    Source: NMTune (arXiv:2309.17002), with the constants of its released code: H = 4 D, one block, residual.

    Args:
        dim: width D of features and output.
        hidden: width H of the hidden layers.
        blocks: number of hidden layers, at least 1.
        residual: False gives ``z = mlp(f)`` without scale and skip.
    """

    def __init__(self, dim: int, hidden: int, *, blocks: int = 1, residual: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in [dim] + [hidden] * (blocks - 1):
            layers += [nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
        self.mlp = nn.Sequential(*layers, nn.Linear(hidden, dim))
        self.scale = nn.Parameter(torch.ones(dim)) if residual else None

    def forward(self, features: Tensor) -> Tensor:
        """Return z (R, D) of features (R, D)."""
        z: Tensor = self.mlp(features)
        return z if self.scale is None else self.scale * z + features


class MLPHead(nn.Module):
    """`ResidualMLP` followed by `linear_head`.

    The architecture of NMTune, and so of its control without regularisers.

    Its outputs' `embeddings` are z (R, D), what the linear head reads.

    Args:
        dim: width D of the features.
        classes: number of classes C.
        ratio: hidden width over D.
        blocks: number of hidden layers.
        residual: whether z has the skip connection.
    """

    def __init__(
        self, dim: int, classes: int, *, ratio: int = 4, blocks: int = 1, residual: bool = True
    ) -> None:
        super().__init__()
        self.body = ResidualMLP(dim, ratio * dim, blocks=blocks, residual=residual)
        self.head = linear_head(dim, classes)

    def forward(self, features: Tensor) -> Outputs:
        """Return logits (R, C) and embeddings (R, D) of features (R, D)."""
        z = self.body(features)
        return Outputs(self.head(z), z)
