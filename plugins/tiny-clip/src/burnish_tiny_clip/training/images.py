"""Images as the networks take them, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from burnish_tiny_clip.training.model import MEAN, SIDE, STD

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_PAD = 4


def normalise(pixels: NDArray[np.uint8]) -> Tensor:
    """Return images (B, 32, 32, 3) uint8 as (B, 3, 32, 32) float32, normalised.

    Each channel is less its mean, over its standard deviation.
    """
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    return (x - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def jitter(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return images (B, 32, 32, 3), half of them flipped, each shifted within a reflected border.

    The shifts are by up to 4 pixels.
    """
    count = len(pixels)
    flip, shift = rng.random(count) < 0.5, rng.integers(0, 2 * _PAD + 1, (count, 2))
    flipped = np.where(flip[:, None, None, None], pixels[:, :, ::-1], pixels)
    padded = np.pad(flipped, ((0, 0), (_PAD, _PAD), (_PAD, _PAD), (0, 0)), mode="reflect")
    span = np.arange(SIDE)
    rows, columns = shift[:, :1] + span, shift[:, 1:] + span
    cut: NDArray[np.uint8] = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cut


class Order:
    """Rows of batches: passes over the data, each in a new order that follows from the seed.

    The orders are the same wherever training was interrupted.

    Args:
        count: rows.
        batch: rows in a batch; what does not fill one is left out of the pass.
        seed: of the orders.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        self._count, self._batch, self._seed = count, batch, seed
        self._pass, self._rows = -1, np.empty(0, dtype=np.int64)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the rows of a batch by its number."""
        which, at = divmod(step, self._count // self._batch)
        if which != self._pass:
            self._pass, self._rows = (
                which,
                np.random.default_rng([self._seed, self._count, which]).permutation(self._count),
            )
        return self._rows[at * self._batch : (at + 1) * self._batch]
