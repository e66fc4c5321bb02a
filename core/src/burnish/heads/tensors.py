"""Small tensor functions that run under `torch.func.vmap`, where their usual forms do not."""

from __future__ import annotations

import torch
from torch import Tensor


def one_hot(index: Tensor, classes: int) -> Tensor:
    """Return (..., C) float32 with a 1 at each index; an index outside 0 to C - 1 gives a row of zeros."""
    return (index.unsqueeze(-1) == torch.arange(classes, device=index.device)).to(torch.float32)


def class_means(x: Tensor, index: Tensor, classes: int, weights: Tensor) -> Tensor:
    """Return the weighted mean (C, D) of the rows x (R, D) of each class; zeros for a class of no weight.

    Args:
        x: rows (R, D).
        index: class of each row (R,) int64.
        classes: C.
        weights: (R,) at least 0.
    """
    member = one_hot(index, classes).to(x.dtype) * weights.to(x.dtype).unsqueeze(-1)
    total = member.sum(0).unsqueeze(-1)
    return torch.where(
        total > 0,
        (member.T @ x) / torch.where(total > 0, total, torch.ones_like(total)),
        torch.zeros_like(total),
    )


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Return sum(w v) / sum(w), 0 where the weights sum to 0.

    Args:
        values: (R,).
        weights: (R,) at least 0, or a mask such as `Batch.real`.
    """
    weights = weights.to(values.dtype)
    total = weights.sum()
    return torch.where(
        total > 0,
        (values * weights).sum() / torch.where(total > 0, total, torch.ones_like(total)),
        torch.zeros_like(total),
    )
