"""Hints: the student's patches foretell what the teacher sees there (Romero et al. 2015, arXiv:1412.6550).

A label says one thing of an image; a map says 64 things of it, which is what a transformer needs to find out
that neighbours belong together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional

from burnish_tiny_clip.training.teacher import MAPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

TAPS: Final = (2, 4)
"""Which of the student's blocks, from 0, foretell the teacher's maps."""

_LEAST = 0.1


class Hints(nn.Module):
    """A linear layer for each map, from the student's patches to the teacher's channels.

    Each channel has mean 0 and deviation about 1.

    Args:
        width: of the student's patches.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(width, channels) for channels in MAPS)
        for number, channels in enumerate(MAPS):
            self.register_buffer(f"mean_{number}", torch.zeros(channels))
            self.register_buffer(f"deviation_{number}", torch.ones(channels))

    def measure(self, maps: Sequence[Tensor]) -> None:
        """Take mean and deviation of each channel from maps (B, 64, C) of some images."""
        for number, one in enumerate(maps):
            self.get_buffer(f"mean_{number}").copy_(one.mean((0, 1)))
            self.get_buffer(f"deviation_{number}").copy_(one.std((0, 1)) + _LEAST)

    def forward(self, taps: Sequence[Tensor], maps: Sequence[Tensor], keep: Tensor | None) -> Tensor:
        """Return the mean squared error, 0-d, over images, places, channels and maps.

        Args:
            taps: the student's patches after the blocks `TAPS`, (B, K, width) each.
            maps: the teacher's, (B, 64, C) each.
            keep: (B, K) which patches the student saw; None for all.
        """
        errors = []
        for number, (tap, one) in enumerate(zip(taps, maps, strict=True)):
            target = (one - self.get_buffer(f"mean_{number}")) / self.get_buffer(f"deviation_{number}")
            if keep is not None:
                target = target.gather(1, keep[:, :, None].expand(-1, -1, target.shape[2]))
            errors.append(functional.mse_loss(self.heads[number](tap).float(), target))
        return torch.stack(errors).mean()
