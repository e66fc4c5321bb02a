"""Cross-modal attention.

One self-attention layer over items, prototypes and texts, and what may not attend to what.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from burnish.blocks import Dropout
from burnish_candle import Mask


class Among(NamedTuple):
    """What attention among tokens (S, d) gives, and what others attend to.

    Attributes:
        fused: (S, d).
        keys: (h, S, d / h).
        values: (h, S, d / h).
    """

    fused: Tensor
    keys: Tensor
    values: Tensor


class CrossModalAttention(nn.Module):
    """``out = LN(X) + rho * MHA(LN(X), LN(X), LN(X))``; the residual is the *normalised* input, as released.

    The layers start as those of `torch.nn.MultiheadAttention` do, and compute the same.

    Args:
        dim: width d of a token, a multiple of `heads`.
        heads: h.
        dropout: share of attention weights dropped in training.
        rho: start of the learnt weight rho.
    """

    def __init__(self, dim: int, heads: int, dropout: float, rho: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.rho = nn.Parameter(torch.tensor(float(rho)))
        self.dropout = Dropout(dropout)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.out.bias)

    def among(self, tokens: Tensor, blocked: Tensor | None = None) -> Among:
        """Let tokens attend to each other.

        Args:
            tokens: (S, d).
            blocked: (S, S) bool, True where the token of a row may not attend to that of a column; no row is
                True throughout.
        """
        x = self.norm(tokens)
        q, k, v = self._heads(x)
        scores = q @ k.transpose(-1, -2)
        if blocked is not None:
            scores = scores.masked_fill(blocked, -torch.inf)
        return Among(self._added(x, self.dropout(scores.softmax(dim=-1)) @ v), k, v)

    def towards(self, tokens: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Let each token (B, d) attend to itself and to others, and to no other of its batch.

        The others are given by their keys and values (h, S, d / h).
        """
        x = self.norm(tokens)
        q, k, v = self._heads(x)
        scores = torch.cat([q @ keys.transpose(-1, -2), (q * k).sum(dim=-1, keepdim=True)], dim=-1)
        weights = self.dropout(scores.softmax(dim=-1))
        return self._added(x, weights[..., :-1] @ values + weights[..., -1:] * v)

    def _heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, already divided by sqrt(d / h), keys and values, (h, S, d / h) each."""
        q, k, v = self.qkv(x).view(len(x), 3, self.heads, -1).permute(1, 2, 0, 3)
        return q / q.shape[-1] ** 0.5, k, v

    def _added(self, x: Tensor, attended: Tensor) -> Tensor:
        joined = attended.transpose(0, 1).reshape(x.shape)
        added: Tensor = x + self.rho * self.out(joined)
        return added


def blocked(
    mask: Mask, items: int, classes: int, *, text_self: bool = False, device: torch.device | None = None
) -> Tensor:
    """Return (S, S) bool over S = B + 2C tokens, B items, C prototypes, C texts.

    True where the row's may not attend to the column's.

    ``queries``: items attend to themselves, prototypes and texts, which attend to each other and to no item.
    ``in-visual``: items and prototypes not to each other. ``in-text``: texts not to each other. ``between``:
    neither across. ``none``: everything to everything.

    Args:
        mask: which.
        items: B.
        classes: C.
        text_self: with ``in-text``, a text may not attend to itself either: the released code, by mistake.
        device: where.
    """
    size = items + 2 * classes
    place = torch.arange(size, device=device)
    item, text, itself = (
        place < items,
        place >= items + classes,
        torch.eye(size, dtype=torch.bool, device=device),
    )
    rows: dict[Mask, Tensor] = {
        "none": torch.zeros(size, size, dtype=torch.bool, device=device),
        "queries": item & ~itself,
        "in-visual": (~text[:, None] & ~text) & ~itself,
        "in-text": (text[:, None] & text) & (~itself | text_self),
        "between": text[:, None] != text,
    }
    return rows[mask].expand(size, size)
