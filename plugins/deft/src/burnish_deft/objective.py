"""The formulas of DeFT (arXiv:2409.19696).

B items, C classes, z+ and z- (B, C) the logits of the positive and the negative prompts.

Two things are learnt at once, each from its own loss: the dual prompt loss moves the negative prompts alone,
the similarity loss positive prompts and visual ones. What keeps them apart are z+ in the former, and the
image feature in z-, both without gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, log_softmax, normalize

from burnish.blocks import one_hot, weighted_mean

FLOOR = 1e-5
"""Logarithms are taken of probabilities of at least this."""


def logits(image: Tensor, positive: Tensor, negative: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Return z+ = s I T+' and z- = s sg(I) T-', (B, C) each, with all features normalised.

    Sg stops the gradient.

    Args:
        image: features of the images (B, D).
        positive: of the positive prompts (C, D).
        negative: of the negative ones (C, D).
        scale: s.
    """
    unit = normalize(image, dim=-1)
    return scale * unit @ normalize(positive, dim=-1).T, scale * unit.detach() @ normalize(negative, dim=-1).T


def yes(positive: Tensor, negative: Tensor) -> Tensor:
    """Return p_yes (B, C), for each class by itself: exp(z+) / (exp(z+) + exp(z-)) = sigmoid(sg(z+) - z-)."""
    return torch.sigmoid(positive.detach() - negative)


def clean(positive: Tensor, negative: Tensor, y: Tensor, agree: bool) -> Tensor:
    """Return (B,) bool, which labels are taken to be right: p_yes of the label is above 1/2.

    It is decided by z+ - z-, of which p_yes is the sigmoid: p_yes in float32 is 1 from a difference of 17 on,
    whatever the class.

    Args:
        positive: z+ (B, C).
        negative: z- (B, C).
        y: labels (B,).
        agree: the rule for real noise: no class may have a larger p_yes than the label.
    """
    margin = positive.detach() - negative.detach()
    of_label = margin.gather(1, y[:, None])[:, 0]
    return (of_label > 0) & (of_label >= margin.amax(dim=1)) if agree else of_label > 0


def dual_prompt_loss(p_yes: Tensor, target: Tensor, complementary: Tensor, weights: Tensor) -> Tensor:
    """Return L_dp = mean(-log p_no[complementary]) + mean(-log p_yes[target]), 0-d.

    Args:
        p_yes: (B, C).
        target: (B,) the class each item is taken to be of.
        complementary: (B,) a class it is taken not to be of.
        weights: (B,) of the means.
    """
    no = (1 - p_yes).gather(1, complementary[:, None])[:, 0]
    of_target = p_yes.gather(1, target[:, None])[:, 0]
    return weighted_mean(-no.clamp(FLOOR, 1).log(), weights) + weighted_mean(
        -of_target.clamp(FLOOR, 1).log(), weights
    )


def similarity_loss(positive: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Return L_sim, the weighted mean of the cross-entropy of z+ and the labels: 0 where the weights are."""
    return weighted_mean(cross_entropy(positive, y, reduction="none"), weights)


def symmetric_cross_entropy(positive: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean of cross-entropy plus reverse cross-entropy (arXiv:1908.06112).

    The weights of the two are 1 and 1.

    In the reverse one probabilities are at least 1e-7, and log 0 of the label is log 1e-4.
    """
    p = log_softmax(positive, dim=1).exp().clamp(1e-7, 1)
    label = one_hot(y, positive.shape[1]).clamp(1e-4, 1)
    reverse = -(p * label.log()).sum(dim=1)
    return weighted_mean(cross_entropy(positive, y, reduction="none") + reverse, weights)


def forget_rate(epoch: int, rate: float, warmup: int) -> float:
    """Return R(e), the share of a batch that small-loss selection leaves out in epoch e from 0.

    It is 0 in the first epoch of the warm-up and `rate` in its last one, in equal steps, and `rate` from then
    on; a warm-up of one epoch is 0.
    """
    return rate if epoch >= warmup else rate * epoch / max(1, warmup - 1)


def small_losses(losses: Tensor, share: float) -> Tensor:
    """Return (B,) bool, the smallest losses: that share of them, rounded down, and at least one."""
    chosen = torch.zeros_like(losses, dtype=torch.bool)
    chosen[losses.argsort(stable=True)[: max(1, int(share * len(losses)))]] = True
    return chosen
