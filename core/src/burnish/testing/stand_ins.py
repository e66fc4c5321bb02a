"""What stands in for the rest of a trial, so that a plugin's tests need no other plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from burnish.contracts.loss import Accepts, LossInput, LossValue


class CrossEntropy:
    """Cross-entropy of any targets, with multi-labels a binary one: the recipe's loss in tests of tuners."""

    accepts: ClassVar[frozenset[Accepts]] = frozenset({"hard", "soft", "multi"})

    def memory(self, n: int, classes: int) -> Mapping[str, Tensor]:
        """Return nothing."""
        return {}

    def __call__(self, x: LossInput, rows: Mapping[str, Tensor]) -> tuple[LossValue, Mapping[str, Tensor]]:
        """Return (B,) values."""
        if x.targets.multi is not None:
            entries = binary_cross_entropy_with_logits(x.logits, x.targets.multi, reduction="none")
            return LossValue(
                (entries if x.targets.observed is None else entries * x.targets.observed).sum(-1)
            ), rows
        log_p = log_softmax(x.logits, dim=-1)
        if x.targets.hard is not None:
            return LossValue(-log_p.gather(-1, x.targets.hard.unsqueeze(-1)).squeeze(-1)), rows
        if x.targets.soft is None:
            raise TypeError("this loss takes hard, soft or multi-label targets")
        return LossValue(-(x.targets.soft * log_p).sum(-1)), rows
