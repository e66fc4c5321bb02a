"""What stands in for the rest of a trial, so that a plugin's tests need no other plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import log_softmax

from burnish.contracts.loss import Accepts, LossInput, LossValue


class CrossEntropy:
    """Cross-entropy with hard or soft targets: the recipe's loss in tests of tuners."""

    accepts: ClassVar[frozenset[Accepts]] = frozenset({"hard", "soft"})

    def memory(self, n: int, classes: int) -> Mapping[str, Tensor]:
        """Return nothing."""
        return {}

    def __call__(self, x: LossInput, rows: Mapping[str, Tensor]) -> tuple[LossValue, Mapping[str, Tensor]]:
        """Return (B,) values."""
        log_p = log_softmax(x.logits, dim=-1)
        if x.targets.hard is not None:
            return LossValue(-log_p.gather(-1, x.targets.hard.unsqueeze(-1)).squeeze(-1)), rows
        if x.targets.soft is None:
            raise TypeError("this loss takes hard or soft targets")
        return LossValue(-(x.targets.soft * log_p).sum(-1)), rows
