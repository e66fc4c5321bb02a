"""Evaluation transforms in two halves, against the transform as a whole."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from burnish.blocks.image_inputs import ImageInputs
from burnish.contracts import View
from burnish.errors import ItemError, PluginError
from burnish.testing.data import items_of, pictures

MEAN, STD = (0.48, 0.45, 0.4), (0.26, 0.2, 0.3)


class _Resize:
    interpolation = SimpleNamespace(value="bilinear")

    def __init__(self, size):
        self.size = size

    def __call__(self, image):
        return image.resize(self.size, Image.Resampling.BILINEAR)


class _ToTensor:
    def __call__(self, image):
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().to(torch.float32).div(255)


@dataclass
class _Normalize:
    mean: tuple = MEAN
    std: tuple = STD

    def __call__(self, x):
        return (x - torch.tensor(self.mean).view(3, 1, 1)) / torch.tensor(self.std).view(3, 1, 1)


class _Compose:
    def __init__(self, *transforms):
        self.transforms = list(transforms)

    def __call__(self, image):
        for transform in self.transforms:
            image = transform(image)
        return image


@pytest.fixture
def transform():
    return _Compose(_Resize((24, 20)), _ToTensor(), _Normalize())


def test_both_halves_are_the_whole_bit_for_bit(transform):
    inputs = ImageInputs(transform, "cpu", "test")
    items, ids = items_of("image", pictures(6))
    prepared = inputs.prepare(items, View(), ids)
    assert (prepared.shape, prepared.dtype) == ((6, 20, 24, 3), np.uint8)
    expected = torch.stack([transform(Image.fromarray(item.payload)) for item in items])
    pixels = inputs.normalise(prepared)
    assert torch.equal(pixels, expected)
    assert pixels.is_contiguous()
    assert inputs.size == (20, 24)
    assert inputs.interpolation == "bilinear"


def test_views_have_the_same_size_and_follow_from_content(transform):
    inputs = ImageInputs(transform, "cpu", "test")
    items, ids = items_of("image", pictures(6))
    first, second = inputs.prepare(items, View(0), ids), inputs.prepare(items, View(1), ids)
    assert first.shape == (6, 20, 24, 3)
    assert not np.array_equal(first, second)
    assert np.array_equal(first[::-1], inputs.prepare(items[::-1], View(0), ids[::-1].copy()))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((), "does not end with ToTensor and Normalize"),
        ((_Resize((8, 8)), _ToTensor()), "does not end with ToTensor and Normalize"),
        (
            (_Resize((8, 8)), lambda image: _ToTensor()(image) * 2, _Normalize()),
            "more than Pillow steps, ToTensor and Normalize",
        ),
        ((lambda image: image, _ToTensor(), _Normalize()), "pictures of several sizes"),
    ],
)
def test_transforms_of_another_build_are_refused(steps, message):
    with pytest.raises(PluginError, match=message):
        ImageInputs(_Compose(*steps), "cpu", "test")


def test_what_cannot_be_resized_is_an_item_error(transform):
    inputs = ImageInputs(transform, "cpu", "test")
    items, ids = items_of("image", [np.zeros((1, 200_000, 3), dtype=np.uint8), b"no image"])
    with pytest.raises(ItemError, match=r"item 0: the image is 200,000 x 1 pixels: too long for its width"):
        inputs.prepare(items[:1], View(), ids[:1])
    with pytest.raises(ItemError, match="item 1"):
        inputs.prepare(items[1:], View(), ids[1:])
