"""Per-example losses on logits. All are pure tensor code, so that they run under `torch.func.vmap`.

Notation: logits z (B, C), p = softmax(z), hard target y, soft target t (B, C) whose rows sum to 1. A hard
    target is the soft one with
t_y = 1; where a paper defines a loss for hard targets only, the soft form here is its expectation under t,
and the docstring says so.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid

from burnish import NoConfig
from burnish.blocks import PerExample, at_targets, log_likelihood
from burnish.contracts.loss import Accepts, LossInput
from burnish_basics._losses import FocalConfig, GCEConfig, LabelSmoothingConfig, SCEConfig


class ExampleLoss(PerExample):
    """A loss of one label an example, hard or soft."""

    accepts: ClassVar[frozenset[Accepts]] = frozenset({"hard", "soft"})


class ClassTermLoss(ExampleLoss):
    """A loss of the form sum_k t_k l(log p_k): hard targets pick one term, soft targets average them."""

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values."""
        if x.targets.hard is not None:
            return self.term(log_likelihood(x))
        return at_targets(self.term(log_softmax(x.logits, dim=-1)), x.targets)

    @abstractmethod
    def term(self, log_p: Tensor) -> Tensor:
        """Return l(log p), of any shape."""


class CrossEntropy(ExampleLoss):
    """Cross-entropy, -sum_k t_k log p_k."""

    def __init__(self, config: NoConfig) -> None:
        del config

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values."""
        return -log_likelihood(x)


class LabelSmoothing(ExampleLoss):
    """Cross-entropy against (1 - epsilon) t + epsilon / C (arXiv:1512.00567, section 7)."""

    def __init__(self, config: LabelSmoothingConfig) -> None:
        self.epsilon = config.epsilon

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values."""
        log_p = log_softmax(x.logits, dim=-1)
        return -(1 - self.epsilon) * at_targets(log_p, x.targets) - self.epsilon * log_p.mean(-1)


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


class SymmetricCrossEntropy(ExampleLoss):
    """Symmetric cross-entropy, alpha CE + beta RCE (arXiv:1908.06112, section 3).

    RCE = -sum_k p_k log t_k, and log 0 := A.

    For a hard target RCE = -A (1 - p_y). For soft targets log t_k is never taken below A.
    """

    def __init__(self, config: SCEConfig) -> None:
        self.alpha, self.beta, self.log_zero = config.alpha, config.beta, config.log_zero

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values."""
        log_p = log_softmax(x.logits, dim=-1)
        on_target, soft = at_targets(log_p, x.targets), x.targets.soft
        if soft is None:
            return -self.alpha * on_target + self.beta * self.log_zero * torch.expm1(on_target)
        log_t = soft.log().clamp(min=self.log_zero)
        return -self.alpha * on_target - self.beta * (log_p.exp() * log_t).sum(-1)


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
