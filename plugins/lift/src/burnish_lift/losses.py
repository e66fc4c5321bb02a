"""Losses for long-tailed labels, each a mean over items with weights.

Notation: logits z (B, C), labels y (B,), n (C,) weighted counts of the training classes, pi = n / sum n. A
    class without items has n_k = 0; no
label names it, and no loss below divides by its count.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from burnish_lift import LossName

LDAM_MARGIN = 0.5
CB_BETA = 0.9999
FOCAL_GAMMA = 2.0


class LongTailLoss:
    """One of the losses, bound to the counts of a training set.

    Args:
        name: which.
        counts: n, (C,) at least 0.
        tau: strength of the logit adjustment.
        scale: of the cosine similarities; LDAM's margins are on the similarities themselves.

    Attributes:
        class_weights: (C,) what the weight of an item of each class is multiplied with: 1, except for
            ``"cb"`` and ``"grw"``.
    """

    def __init__(self, name: LossName, counts: Tensor, *, tau: float = 1.0, scale: float = 1.0) -> None:
        self.name, self._adjustment, self._margins = (
            name,
            tau * (counts / counts.sum()).log(),
            scale * ldam_margins(counts),
        )
        self._adjustment = self._adjustment if tau else torch.zeros_like(counts)
        self.class_weights = {"cb": class_balanced_weights, "grw": inverse_weights}.get(
            name, torch.ones_like
        )(counts)

    def values(self, z: Tensor, y: Tensor) -> Tensor:
        """Return (B,) losses, without class weights."""
        if self.name == "la":  # logit adjustment (arXiv:2007.07314, equation 10)
            return cross_entropy(z + self._adjustment, y, reduction="none")
        if self.name == "ldam":  # LDAM (arXiv:1906.07413, equation 13)
            return cross_entropy(
                z - self._margins * torch.zeros_like(z).scatter(1, y[:, None], 1.0), y, reduction="none"
            )
        ce = cross_entropy(z, y, reduction="none")
        # Focal loss (arXiv:1708.02002, equation 4): (1 - p_y)^gamma CE, with p_y = exp(-CE).
        return (-torch.expm1(-ce)) ** FOCAL_GAMMA * ce if self.name == "focal" else ce


def ldam_margins(counts: Tensor) -> Tensor:
    """Return m_k = 0.5 n_k^(-1/4) / max_j n_j^(-1/4), (C,): the rarest class has 0.5.

    Classes without items have 0.
    """
    quarter = _inverse(counts) ** 0.25
    return LDAM_MARGIN * quarter / quarter.max()


def class_balanced_weights(counts: Tensor) -> Tensor:
    """Return (1 - beta) / (1 - beta^n_k), beta = 0.9999, with mean 1 over the classes that have items.

    See arXiv:1901.05555, equation 10.
    """
    effective = -torch.expm1(counts.double() * torch.tensor(CB_BETA, dtype=torch.float64).log())
    return _mean_one(torch.where(counts > 0, (1 - CB_BETA) / effective, 0.0).to(counts.dtype))


def inverse_weights(counts: Tensor) -> Tensor:
    """Return 1 / pi_k with mean 1 over the classes that have items."""
    return _mean_one(_inverse(counts))


def _inverse(counts: Tensor) -> Tensor:
    return torch.where(counts > 0, 1 / counts, 0.0)


def _mean_one(weights: Tensor) -> Tensor:
    return weights * (weights > 0).sum() / weights.sum()
