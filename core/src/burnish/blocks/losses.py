"""What losses share: a base for those with one value an example, and the log-likelihood of a label."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from burnish.contracts.loss import Accepts, LossInput, LossValue, Targets

if TYPE_CHECKING:
    from torch import Tensor


class PerExample(ABC):
    """A loss with one value an example that remembers nothing of its items: its author writes `values`."""

    accepts: ClassVar[frozenset[Accepts]] = frozenset({"hard"})

    @abstractmethod
    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values, one an example: burnish weighs and averages them."""

    def memory(self, n: int, classes: int) -> Mapping[str, Tensor]:
        """Return nothing: it remembers nothing."""
        return {}

    def __call__(self, x: LossInput, rows: Mapping[str, Tensor]) -> tuple[LossValue, Mapping[str, Tensor]]:
        """Return one value an example (B,), and the rows as they came."""
        return LossValue(self.values(x)), rows


def log_likelihood(x: LossInput) -> Tensor:
    """Return (B,) log p_y, p = softmax(logits): of each example the log-probability of its label.

    With soft targets t (B, C) it is sum_k t_k log p_k. Its negative is the cross-entropy.

    Raises:
        TypeError: the targets are multi-labels; a loss whose `accepts` leaves them out meets none.
    """
    return at_targets(x.logits.log_softmax(-1), x.targets)


def at_targets(values: Tensor, targets: Targets) -> Tensor:
    """Return (B,) of values (B, C) that at each example's label, or their mean under its soft target.

    Raises:
        TypeError: the targets are multi-labels.
    """
    if targets.hard is not None:
        return values.gather(-1, targets.hard.unsqueeze(-1)).squeeze(-1)
    if targets.soft is None:
        raise TypeError("multi-labels are not one label an example")
    return (targets.soft * values).sum(-1)
