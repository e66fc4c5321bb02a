"""Dropout that stacks.

Its masks are a function of a trial's own seed and step, not of a generator that the trials would share.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_MULTIPLIERS = (0x7FEB352D, 0x846CA68B - 2**32)
_MIX = 0x9E3779B9 - 2**32


class Dropout(nn.Module):
    """Sets each number to 0 with probability p and scales the rest by 1 / (1 - p), in training.

    Does nothing in evaluation.

    The mask comes from a counter: number i of step s of the trial with seed k is dropped where a 32-bit hash
    of (i, s, k) is small. So the same trial gets the same masks alone and in any stack, on any device.
    `torch.nn.Dropout` cannot be stacked.

    The seed is drawn when the module is made, under the trial's seed; two layers get two seeds.

    Args:
        p: in [0, 1).

    Raises:
        ValueError: p is outside.
    """

    seed: Tensor
    step: Tensor

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"dropout probability {p} is not in [0, 1)")
        self.p = p
        self.register_buffer("seed", torch.randint(-(2**31), 2**31 - 1, (), dtype=torch.int32))
        self.register_buffer("step", torch.zeros((), dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """Return x (...) with some of its numbers dropped."""
        if not self.training or self.p == 0:
            return x
        counter = torch.arange(x.numel(), dtype=torch.int32, device=x.device).view(x.shape)
        bits = _mixed(counter ^ _mixed(self.seed ^ _mixed(self.step + _MIX)))
        self.step.add_(1)
        keep = bits >= int(self.p * 2**32) - 2**31
        return torch.where(keep, x / (1 - self.p), torch.zeros_like(x))


def _mixed(x: Tensor) -> Tensor:
    """Return a hash (int32) of int32 numbers in which every bit depends on every bit (Wellons' lowbias32)."""
    for shift, multiplier in zip((16, 15), _MULTIPLIERS, strict=True):
        x = (x ^ _shifted(x, shift)) * multiplier
    return x ^ _shifted(x, 16)


def _shifted(x: Tensor, count: int) -> Tensor:
    """Return x shifted right, filled with zeros."""
    shifted: Tensor = (x >> count) & ((1 << (32 - count)) - 1)
    return shifted
