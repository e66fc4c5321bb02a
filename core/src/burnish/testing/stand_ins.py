"""What stands in for the rest of a trial, so that a plugin's tests need no other plugin."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from burnish.blocks import PerExample, target_log_p
from burnish.contracts.loss import Accepts, LossInput


class CrossEntropy(PerExample):
    """Cross-entropy of any targets, with multi-labels a binary one: the recipe's loss in tests of tuners."""

    accepts: ClassVar[frozenset[Accepts]] = frozenset({"hard", "soft", "multi"})

    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values."""
        if x.targets.multi is None:
            return -target_log_p(x)
        entries = binary_cross_entropy_with_logits(x.logits, x.targets.multi, reduction="none")
        return (entries if x.targets.observed is None else entries * x.targets.observed).sum(-1)
