"""Per-example losses on logits. All are pure tensor code, so that they run under `torch.func.vmap`.

Notation: logits z (B, C), p = softmax(z), hard target y, soft target t (B, C) whose rows sum to 1. A hard
    target is the soft one with
t_y = 1; where a paper defines a loss for hard targets only, the soft form here is its expectation under t,
and the docstring says so.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Final

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from burnish import NoConfig
from burnish.blocks import PerExample, soft_targets, target_log_p
from burnish.contracts.loss import Accepts, LossInput
from burnish_basics._losses import FocalConfig, GCEConfig, LabelSmoothingConfig, SCEConfig

_HARD_OR_SOFT: Final[frozenset[Accepts]] = frozenset({"hard", "soft"})


class ClassTermLoss(PerExample):
    """A loss of the form sum_k t_k l(log p_k): hard targets pick one term, soft targets average them."""

    accepts: ClassVar[frozenset[Accepts]] = _HARD_OR_SOFT

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values."""
        if x.targets.hard is not None:
            return self.term(target_log_p(x))
        return (soft_targets(x) * self.term(log_softmax(x.logits, dim=-1))).sum(-1)

    @abstractmethod
    def term(self, log_p: Tensor) -> Tensor:
        """Return l(log p), of any shape."""


class CrossEntropy(ClassTermLoss):
    """Cross-entropy, -sum_k t_k log p_k."""

    def __init__(self, config: NoConfig) -> None:
        del config

    def term(self, log_p: Tensor) -> Tensor:
        """Return -log p."""
        return -log_p


class LabelSmoothing(PerExample):
    """Cross-entropy against (1 - epsilon) t + epsilon / C (arXiv:1512.00567, section 7)."""

    accepts: ClassVar[frozenset[Accepts]] = _HARD_OR_SOFT

    def __init__(self, config: LabelSmoothingConfig) -> None:
        self.epsilon = config.epsilon

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values."""
        log_p, hard = log_softmax(x.logits, dim=-1), x.targets.hard
        if hard is None:
            on_target = (soft_targets(x) * log_p).sum(-1)
        else:
            on_target = log_p.gather(-1, hard.unsqueeze(-1)).squeeze(-1)
        return -(1 - self.epsilon) * on_target - self.epsilon * log_p.mean(-1)


class GeneralisedCrossEntropy(ClassTermLoss):
    """Generalised cross-entropy, (1 - p_y^q) / q (arXiv:1805.07836, equation 6).

    Q = 0 is its limit, cross-entropy.

    Soft targets average the terms, which the paper does not define.
    """

    def __init__(self, config: GCEConfig) -> None:
        self.q = config.q

    def term(self, log_p: Tensor) -> Tensor:
        """Return (1 - p^q) / q, through expm1: exact where p is near 1 and where q is near 0."""
        return -log_p if self.q == 0 else -torch.expm1(self.q * log_p) / self.q


class SymmetricCrossEntropy(PerExample):
    """Symmetric cross-entropy, alpha CE + beta RCE (arXiv:1908.06112, section 3).

    RCE = -sum_k p_k log t_k, and log 0 := A.

    For a hard target RCE = -A (1 - p_y). For soft targets log t_k is never taken below A.
    """

    accepts: ClassVar[frozenset[Accepts]] = _HARD_OR_SOFT

    def __init__(self, config: SCEConfig) -> None:
        self.alpha, self.beta, self.log_zero = config.alpha, config.beta, config.log_zero

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values."""
        if x.targets.hard is not None:
            log_p_y = target_log_p(x)
            return -self.alpha * log_p_y + self.beta * self.log_zero * torch.expm1(log_p_y)
        log_p, soft = log_softmax(x.logits, dim=-1), soft_targets(x)
        log_t = soft.log().clamp(min=self.log_zero)
        return -self.alpha * (soft * log_p).sum(-1) - self.beta * (log_p.exp() * log_t).sum(-1)


class Focal(ClassTermLoss):
    """Focal loss, -(1 - p_y)^gamma log p_y (arXiv:1708.02002, equation 4), without class weights.

    Soft targets average the terms, which the paper does not define.
    """

    def __init__(self, config: FocalConfig) -> None:
        self.gamma = config.gamma

    def term(self, log_p: Tensor) -> Tensor:
        """Return -(1 - p)^gamma log p."""
        # Not below the smallest normal number: the gradient of a power at 0 is infinite for gamma < 1.
        wrong = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        return -(wrong**self.gamma) * log_p


class BinaryCrossEntropy(PerExample):
    """Binary cross-entropy of multi-label targets: per example the mean over its observed entries.

    0 where none is observed.
    """

    accepts: ClassVar[frozenset[Accepts]] = frozenset({"multi"})

    def __init__(self, config: NoConfig) -> None:
        del config

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values."""
        positive, observed = x.targets.multi, x.targets.observed
        if positive is None:
            raise TypeError("binary cross-entropy takes multi-label targets")
        entries = -positive * logsigmoid(x.logits) - (1 - positive) * logsigmoid(-x.logits)
        if observed is None:
            return entries.mean(-1)
        return (entries * observed).sum(-1) / observed.sum(-1).clamp(min=1)
