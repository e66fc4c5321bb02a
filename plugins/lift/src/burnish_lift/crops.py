"""Test-time ensembling: five crops of an image, seen by any backbone (arXiv:2309.10019, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from burnish.contracts.backbone import View
from burnish.data import Item
from burnish.data.images import open_rgb
from burnish.errors import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image
    from torch import Tensor

    from burnish.contracts.backbone import Prepared

CROPS: Final = 5


def boxes(width: int, height: int, share: float) -> list[tuple[int, int, int, int]]:
    """Return the squares (left, top, right, bottom) in the four corners and the middle of an image.

    Their side is `share` of the image's shorter one. Resized to s pixels they are what five crops of s pixels
    are of an image whose shorter side was resized to s / share.
    """
    side = max(round(min(width, height) * share), 1)
    right, bottom = width - side, height - side
    corners = ((0, 0), (right, 0), (0, bottom), (right, bottom), (round(right / 2), round(bottom / 2)))
    return [(x, y, x + side, y + side) for x, y in corners]


class FeaturesBeforeProjection:
    """A backbone as `burnish.contracts.backbone.Encodes`, of one or five crops side by side.

    Its features are those before its projection.

    Args:
        backbone: with a module and images.
        width: w of its features before the projection.
        crops: 1 or 5.
        expand: pixels by which an image is larger than a crop; None for 1.5 patches, or 24 of 224 where there
            are none.

    Raises:
        FitError: the backbone's inputs have no side to compare crops with.
    """

    modality = "image"
    views = False

    def __init__(self, backbone: Any, width: int, crops: int, expand: int | None) -> None:
        self._backbone, self._crops = backbone, crops
        self.dim = width * crops
        self._share = 1.0 if crops == 1 else _share(backbone, expand)

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Return what the backbone makes of B images, or of their crops: arrays (B, ...) or (B, 5, ...).

        Raises:
            burnish.errors.ItemError: an image cannot be decoded.
        """
        if self._crops == 1:
            inputs: Prepared = self._backbone.prepare(items, view, ids)
            return inputs
        parts = [Item(item.position, part) for item in items for part in self._cut(open_rgb(item))]
        prepared = self._backbone.prepare(parts, view, np.repeat(ids, CROPS, axis=0))
        return {name: array.reshape(len(items), CROPS, *array.shape[1:]) for name, array in prepared.items()}

    def _cut(self, image: Image.Image) -> list[NDArray[np.uint8]]:
        return [np.asarray(image.crop(box)) for box in boxes(*image.size, self._share)]

    def encode(self, inputs: Prepared) -> Tensor:
        """Return (B, w) or (B, 5 w) float32, crop after crop: features before the projection."""
        with torch.no_grad():
            if self._crops == 1:
                features: Tensor = self._backbone.forward(inputs, projected=False)
                return features
            return torch.cat(
                [self._backbone.forward(_crop(inputs, k), projected=False) for k in range(CROPS)], dim=1
            )


def _crop(inputs: Prepared, k: int) -> Mapping[str, NDArray[Any]]:
    return {name: np.ascontiguousarray(array[:, k]) for name, array in inputs.items()}


def _share(backbone: Any, expand: int | None) -> float:
    """Return s / (s + e): the side of a crop over that of the image.

    Prepared have s x s pixels, and e = `expand`.
    """
    blank = backbone.prepare(
        [Item(0, np.zeros((64, 64, 3), dtype=np.uint8))], View(), np.zeros((1, 32), dtype=np.uint8)
    )
    sides = [max(array.shape[1:]) for array in blank.values() if array.ndim == 4]
    if not sides:
        what, todo = (
            "the backbone does not read square images, of which crops could be made",
            "Give crops=none",
        )
        raise FitError(what, where="tuner lift", todo=todo)
    patch = backbone.sites.patch
    extra = expand if expand is not None else 1.5 * patch if patch else sides[0] * 24 / 224
    return float(sides[0] / (sides[0] + extra))
