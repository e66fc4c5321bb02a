"""Heads that are trained by gradient descent with the recipe's loss."""

from __future__ import annotations

from torch import nn

from burnish.blocks import HeadTuner, MLPHead, linear_head
from burnish_basics._tuners import LinearConfig, MLPConfig


class Linear(HeadTuner[LinearConfig]):
    """Linear probe, logits = W f + b, with the initialisation and defaults of NMTune's.

    Kaiming-uniform W, zero b, AdamW at 1e-2.
    """

    def build(self, dim: int, classes: int) -> nn.Module:
        """Return the linear layer."""
        return linear_head(dim, classes)


class MLP(HeadTuner[MLPConfig]):
    """Residual MLP and linear head.

    With its defaults it is the architecture of NMTune (arXiv:2309.17002) trained without regularisers:
    NMTune's control.
    """

    def build(self, dim: int, classes: int) -> nn.Module:
        """Return the MLP and its head; `embeddings` are what the head reads."""
        return MLPHead(
            dim, classes, ratio=self.config.ratio, blocks=self.config.blocks, residual=self.config.residual
        )
