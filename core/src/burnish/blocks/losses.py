"""What most losses share, so that one of them is a single method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from burnish.contracts.loss import Accepts, LossInput, LossValue


class PerExample(ABC):
    """A loss that remembers nothing: an author writes `values`.

    Args:
        config: its options, kept as `config`.

    Attributes:
        accepts: the forms of targets it understands; one class an item where nothing else is said.
    """

    accepts: ClassVar[frozenset[Accepts]] = frozenset({"hard"})

    def __init__(self, config: Any = None) -> None:
        self.config = config

    @abstractmethod
    def values(self, x: LossInput) -> Tensor:
        """Return (B,) values, one an example, not reduced: pure tensor code without branching on data."""

    def memory(self, n: int, classes: int) -> Mapping[str, Tensor]:
        """Return nothing: these losses remember nothing."""
        return {}

    def __call__(self, x: LossInput, rows: Mapping[str, Tensor]) -> tuple[LossValue, Mapping[str, Tensor]]:
        """Return the values, and the rows as they came."""
        return LossValue(self.values(x)), rows


def target_log_p(x: LossInput) -> Tensor:
    """Return (B,) log-probabilities that softmax gives the targets: sum_k t_k log p_k.

    Of a hard target that is log p_y, of a soft one the mean of log p under it.

    Raises:
        TypeError: the targets are neither hard nor soft.
    """
    log_p = x.logits.log_softmax(-1)
    if x.targets.hard is not None:
        return log_p.gather(-1, x.targets.hard.unsqueeze(-1)).squeeze(-1)
    return (soft_targets(x) * log_p).sum(-1)


def soft_targets(x: LossInput) -> Tensor:
    """Return the (B, C) soft targets.

    Raises:
        TypeError: there are none.
    """
    if x.targets.soft is None:
        raise TypeError("this loss takes hard or soft targets")
    return x.targets.soft
