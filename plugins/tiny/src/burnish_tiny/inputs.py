"""Images as the network takes them: RGB, 32 x 32, uint8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.data.images import open_rgb, resize
from burnish_tiny.network import SIDE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

    from burnish.data import Item

_PAD = 4


def prepare_images(items: Sequence[Item]) -> NDArray[np.uint8]:
    """Return B items as uint8 (B, 32, 32, 3): the central square, resized (bicubic, antialiased).

    Images of 32 x 32 pass unchanged.

    Raises:
        burnish.errors.ItemError: an image cannot be decoded.
    """
    images = np.empty((len(items), SIDE, SIDE, 3), dtype=np.uint8)
    for row, item in enumerate(items):
        images[row] = np.asarray(_square(open_rgb(item)))
    return images


def _square(image: Image.Image) -> Image.Image:
    """Return the central square of an RGB image, resized to 32 x 32."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    # Cut first: the `box` of Pillow's resize lets pixels outside it take part.
    square = image if width == height else image.crop((left, top, left + side, top + side))
    return resize(square, SIDE, "bicubic")


def jitter(images: NDArray[np.uint8], seeds: NDArray[Any]) -> NDArray[np.uint8]:
    """Return images (B, 32, 32, 3) flipped and shifted, each as its seed says.

    Shifts are by up to 4 pixels within a reflected border.

    Args:
        images: uint8.
        seeds: (B,) uint64.
    """
    seeds = seeds.astype(np.uint64)
    flip = (seeds % np.uint64(2)).astype(bool)
    places = np.uint64(2 * _PAD + 1)
    down = (seeds // np.uint64(2) % places).astype(np.int64)
    right = (seeds // (np.uint64(2) * places) % places).astype(np.int64)
    flipped = np.where(flip[:, None, None, None], images[:, :, ::-1], images)
    padded = np.pad(flipped, ((0, 0), (_PAD, _PAD), (_PAD, _PAD), (0, 0)), mode="reflect")
    span = np.arange(SIDE)
    rows, columns = down[:, None] + span, right[:, None] + span
    cut: NDArray[np.uint8] = padded[
        np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return cut
