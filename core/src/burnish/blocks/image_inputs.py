"""The evaluation transform of an image library in two halves: pictures on the host, numbers on the device.

Libraries end their transforms with torchvision's ``ToTensor`` and ``Normalize``. What comes before makes a
picture of fixed size, which as uint8 is a quarter of the bytes and waits in memory; the rest is the same
arithmetic wherever it runs, so the numbers are the library's own, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import torch
from PIL import Image

from burnish.data.images import MAX_PIXELS, Interpolation, open_rgb, random_resized_crop_flip
from burnish.errors import ItemError, PluginError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import View
    from burnish.data import Item

VIEW_SCALE: Final = (0.5, 1.0)
"""Least and largest share of the area that a numbered view shows."""


class ImageInputs:
    """Prepares pictures and normalises them as a library's evaluation transform does.

    Args:
        transform: a ``Compose`` whose ``transforms`` take and give Pillow images up to the last two,
            ``ToTensor`` and ``Normalize``.
        device: where pixels are normalised.
        where: what it belongs to, for errors.

    Attributes:
        size: (height, width) of the pictures.
        interpolation: name of the resizing filter.

    Raises:
        PluginError: the transform is built in another way.
    """

    def __init__(self, transform: Any, device: str | torch.device, where: str) -> None:
        steps = tuple(getattr(transform, "transforms", ()))
        mean, std = (getattr(steps[-1], name, None) if len(steps) > 1 else None for name in ("mean", "std"))
        if mean is None or std is None:
            raise PluginError("the transform does not end with ToTensor and Normalize", where=where)
        self._steps: tuple[Callable[[Image.Image], Image.Image], ...] = steps[:-2]
        self._mean, self._std = (
            torch.as_tensor(value, dtype=torch.float32, device=device).view(-1, 1, 1) for value in (mean, std)
        )
        # A tensor: by a number, CUDA multiplies with the inverse instead, which has other last bits.
        self._levels = torch.tensor(255.0, device=device)
        self._device = torch.device(device)
        self.size = self._check(transform, where)
        self.interpolation = _interpolation(steps)

    def _check(self, transform: Any, where: str) -> tuple[int, int]:
        """Return the pictures' size, the same for any image, if both halves together are the whole."""
        sizes = set()
        for shape in ((48, 64, 3), (64, 48, 3)):
            image = Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint32).astype(np.uint8).reshape(shape))
            picture = np.array(self._evaluated(image))
            sizes.add(picture.shape)
            if not torch.equal(self.normalise(picture[None])[0].cpu(), transform(image)):
                raise PluginError(
                    "the transform is more than Pillow steps, ToTensor and Normalize", where=where
                )
        if len(sizes) > 1:
            raise PluginError("the transform gives pictures of several sizes", where=where)
        height, width, _ = sizes.pop()
        return height, width

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> NDArray[np.uint8]:
        """Return B images as uint8 pictures (B, H, W, 3).

        The evaluation view is the library's own; a numbered view shows a random part, mirrored half of the
        time (`burnish.data.images.random_resized_crop_flip`).

        Args:
            items: B images: file bytes, or uint8 (H, W, 3).
            view: the view to make.
            ids: (B, 32) uint8 content ids.

        Raises:
            ItemError: an image cannot be decoded, or is far too long for its width.
        """
        seeds = None if view.number is None else view.seeds(ids)
        pictures = np.empty((len(items), *self.size, 3), dtype=np.uint8)
        for row, item in enumerate(items):
            image = open_rgb(item)
            self._check_shape(item, image)
            pictures[row] = np.asarray(
                self._evaluated(image) if seeds is None else self._view(image, int(seeds[row]))
            )
        return pictures

    def _check_shape(self, item: Item, image: Image.Image) -> None:
        # Resizing the shorter side of a thread of an image makes the longer one too large for memory.
        if max(self.size) ** 2 * max(image.size) > MAX_PIXELS * min(image.size):
            raise ItemError(
                item.position,
                f"the image is {image.size[0]:,} x {image.size[1]:,} pixels: too long for its width",
            )

    def _evaluated(self, image: Image.Image) -> Image.Image:
        for step in self._steps:
            image = step(image)
        return image

    def _view(self, image: Image.Image, seed: int) -> Image.Image:
        height, width = self.size
        return random_resized_crop_flip(
            image, (width, height), seed, VIEW_SCALE, interpolation=self.interpolation
        )

    def normalise(self, pictures: NDArray[np.uint8]) -> Tensor:
        """Return pictures (B, H, W, 3) as the network reads them: (B, 3, H, W) float32 on the device."""
        pixels = torch.from_numpy(np.ascontiguousarray(pictures)).to(self._device).permute(0, 3, 1, 2)
        # In the order and precision of torchvision's ToTensor and Normalize.
        return (
            pixels.to(torch.float32, memory_format=torch.contiguous_format)
            .div_(self._levels)
            .sub_(self._mean)
            .div_(self._std)
        )


def _interpolation(steps: Sequence[object]) -> Interpolation:
    found = (getattr(step, "interpolation", None) for step in steps)
    return cast(
        "Interpolation",
        next((str(getattr(mode, "value", mode)) for mode in found if mode is not None), "bicubic"),
    )
