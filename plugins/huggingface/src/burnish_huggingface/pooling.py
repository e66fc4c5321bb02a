"""One feature a text out of its tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from torch import Tensor


def pool(tokens: Tensor, mask: Tensor, pooling: Literal["cls", "mean", "last"]) -> Tensor:
    """Return (B, w) float32 out of tokens (B, T, w) padded on the right.

    Args:
        tokens: last hidden states.
        mask: (B, T), 1 where there is a token, at least one a row.
        pooling: the first token, the mean of all, or the last one.
    """
    tokens = tokens.float()
    if pooling == "cls":
        return tokens[:, 0]
    if pooling == "last":
        return tokens[torch.arange(len(tokens), device=tokens.device), mask.sum(1) - 1]
    weights = mask.to(tokens.dtype)
    return (tokens * weights[:, :, None]).sum(1) / weights.sum(1, keepdim=True)
