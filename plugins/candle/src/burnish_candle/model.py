"""Candle's model (arXiv:2406.12638, section 4).

Projections, prototypes, cross-modal attention, three similarities, and their loss.

Notation: V (B, d) features of items, U (C, d) visual prototypes, T (C, d) text features of the class names,
    all as the backbone gives them;
s the scale, kappa the weight of prototypes, n_k training items of class k, 0 for a new one.

    V' = V A_v,  U' = U A_v,  T' = T A_t
    Z0 = s norm([V'; U']) norm(T')^T
    [V''; U''; T''] = attention([V'; U'; T'])
    Zvt = s norm([V''; U'']) norm(T'')^T
    Zvv = kappa s norm([V''; U'']) norm(U'')^T

    pi_k = (n_k + 1) / sum_j (n_j + 1),  CLA(Z, y) = CE(Z + tau log pi, y)
    L = CLA(Z0, y) + CLA(Zvt, y) + CLA(Zvv, y),  prototypes are items 1 to C of the classes 1 to C; scores of
    an item: Zvt + Zvv
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from burnish.blocks import weighted_mean
from burnish_candle import CandleConfig, mask_of
from burnish_candle.attention import Among, CrossModalAttention, blocked

_SMALL = 2**18
"""Numbers in the tokens of one step up to which it is faster on one core than on several.

Far more so where other processes want the cores.
"""


def threads_for(items: int, classes: int, dim: int) -> int:
    """Return with how many threads torch computes a step over B items, C classes and d features."""
    return 1 if (items + 2 * classes) * dim <= _SMALL else torch.get_num_threads()


class Fused(NamedTuple):
    """What attention makes of items V'' (B, d), prototypes U'' (C, d) and texts T'' (C, d)."""

    items: Tensor
    prototypes: Tensor
    texts: Tensor


class Similarities(NamedTuple):
    """Z0, Zvt and Zvv, (R, C) each."""

    before: Tensor
    to_texts: Tensor
    to_prototypes: Tensor


class CandleModel(nn.Module):
    """The model of one task.

    Args:
        dim: d, a multiple of ``config.heads``.
        classes: C.
        config: options.
        scale: s.
    """

    prototypes: Tensor
    texts: Tensor

    def __init__(self, dim: int, classes: int, config: CandleConfig, scale: float) -> None:
        super().__init__()
        self.config, self.mask, self.scale = config, mask_of(config), scale
        self.project_items = nn.Parameter(torch.eye(dim))
        self.project_texts = nn.Parameter(torch.eye(dim))
        self.attention = CrossModalAttention(dim, config.heads, config.dropout, config.rho)
        self.register_buffer("prototypes", torch.zeros(classes, dim))
        self.register_buffer("texts", torch.zeros(classes, dim))

    def forward(self, features: Tensor, prototypes: Tensor) -> Similarities:
        """Return the similarities of B items and, as rows B to B + C - 1, of the prototypes themselves.

        Args:
            features: V (B, d).
            prototypes: U (C, d), with the virtual ones that are being trained.
        """
        v, u, t = (
            features @ self.project_items,
            prototypes @ self.project_items,
            self.texts @ self.project_texts,
        )
        fused = self._fuse(v, u, t)
        rows, s = torch.cat([fused.items, fused.prototypes]), self.scale
        return Similarities(
            cosines(torch.cat([v, u]), t) * s,
            cosines(rows, fused.texts) * s,
            cosines(rows, fused.prototypes) * (s * self.config.kappa),
        )

    def context(self) -> Among:
        """Return what prototypes and texts are to items that do not attend to each other.

        It depends on no item.
        """
        return self.attention.among(
            torch.cat([self.prototypes @ self.project_items, self.texts @ self.project_texts])
        )

    def fused(self, features: Tensor, context: Among | None = None) -> Fused:
        """Return what attention makes of features (B, d), of the model's prototypes and of its texts.

        Args:
            features: V.
            context: of the model, where it is known and the mask is ``queries``.
        """
        v = features @ self.project_items
        if self.mask == "queries":
            return self._towards(v, context or self.context())
        return self._fuse(v, self.prototypes @ self.project_items, self.texts @ self.project_texts)

    def scores(self, fused: Fused) -> Tensor:
        """Return the scores Zvt + Zvv (B, C) of the items."""
        s = self.scale
        return cosines(fused.items, fused.texts) * s + cosines(fused.items, fused.prototypes) * (
            s * self.config.kappa
        )

    def _fuse(self, v: Tensor, u: Tensor, t: Tensor) -> Fused:
        if self.mask == "queries":
            return self._towards(v, self.attention.among(torch.cat([u, t])))
        forbidden = blocked(
            self.mask, len(v), len(u), text_self=self.config.variant == "released", device=v.device
        )
        fused = self.attention.among(torch.cat([v, u, t]), forbidden).fused
        return Fused(fused[: len(v)], fused[len(v) : -len(t)], fused[-len(t) :])

    def _towards(self, v: Tensor, context: Among) -> Fused:
        prototypes, texts = context.fused.chunk(2)
        return Fused(self.attention.towards(v, context.keys, context.values), prototypes, texts)


def cosines(rows: Tensor, columns: Tensor) -> Tensor:
    """Return the cosine similarities (R, C) of rows (R, d) and columns (C, d)."""
    return normalize(rows, dim=-1) @ normalize(columns, dim=-1).T


def log_prior(counts: Tensor) -> Tensor:
    """Return log pi (C,) with pi_k = (n_k + 1) / sum_j (n_j + 1): finite for a class without items.

    `counts` (C,) stays as it is.
    """
    compensated = counts + 1
    return (compensated / compensated.sum()).log()


def compensated_loss(
    logits: Tensor, targets: Tensor, prior: Tensor, weights: Tensor, tau: float = 1.0
) -> Tensor:
    """Return the compensating logit-adjusted loss, sum(w l) / sum(w) over rows.

    Args:
        logits: Z (R, C).
        targets: (R,) int64.
        prior: log pi (C,).
        weights: (R,) at least 0.
        tau: strength of the adjustment.
    """
    return weighted_mean(cross_entropy(logits + tau * prior, targets, reduction="none"), weights)


def total_loss(
    found: Similarities, targets: Tensor, prior: Tensor, weights: Tensor, tau: float = 1.0
) -> Tensor:
    """Return L of B items, with targets and weights (B,), and of the C prototypes, which each weigh 1."""
    classes = found.before.shape[1]
    everything = torch.cat([targets, torch.arange(classes, device=targets.device)])
    weighed = torch.cat([weights, weights.new_ones(classes)])
    return torch.stack([compensated_loss(z, everything, prior, weighed, tau) for z in found]).sum()
