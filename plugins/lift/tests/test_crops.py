"""Test-time ensembling: where crops are cut, and what becomes of them."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from burnish.contracts.backbone import View
from burnish.data import Item
from burnish.errors import FitError, ItemError
from burnish.testing.towers import PracticeTowers
from burnish_lift.crops import FeaturesBeforeProjection, boxes

IDS = np.zeros((2, 32), dtype=np.uint8)


def test_crops_are_the_four_corners_and_the_middle():
    assert boxes(248, 248, 224 / 248) == [
        (0, 0, 224, 224),
        (24, 0, 248, 224),
        (0, 24, 224, 248),
        (24, 24, 248, 248),
        (12, 12, 236, 236),
    ]
    assert boxes(100, 50, 0.8) == [
        (0, 0, 40, 40),
        (60, 0, 100, 40),
        (0, 10, 40, 50),
        (60, 10, 100, 50),
        (30, 5, 70, 45),
    ]
    assert boxes(1, 1, 0.1) == [(0, 0, 1, 1)] * 5


def test_they_are_torchvisions_five_crops_of_a_larger_image():
    transforms = pytest.importorskip("torchvision.transforms")
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
    theirs = transforms.FiveCrop(40)(image)
    for box, crop in zip(boxes(64, 48, 40 / 48), theirs, strict=True):
        assert np.array_equal(np.asarray(image.crop(box)), np.asarray(crop))


def test_features_stand_crop_after_crop():
    towers, rng = PracticeTowers(), np.random.default_rng(0)
    images = [
        rng.integers(0, 256, (44, 60, 3), dtype=np.uint8),
        rng.integers(0, 256, (22, 22, 3), dtype=np.uint8),
    ]
    encoder = FeaturesBeforeProjection(towers, 16, 5, None)
    found = encoder.encode(encoder.prepare([Item(i, image) for i, image in enumerate(images)], View(), IDS))
    assert found.shape == (2, encoder.dim) == (2, 80)
    for row, image in enumerate(images):
        for k, (left, top, right, bottom) in enumerate(
            boxes(image.shape[1], image.shape[0], 16 / 22)
        ):  # patches of 4: e = 6 pixels
            alone = towers.prepare(
                [Item(0, np.ascontiguousarray(image[top:bottom, left:right]))], View(), IDS[:1]
            )
            assert torch.allclose(
                found[row, 16 * k : 16 * (k + 1)], towers.forward(alone, projected=False)[0], atol=1e-5
            )


def test_an_image_of_one_colour_looks_the_same_in_every_crop():
    towers = PracticeTowers()
    items = [Item(0, np.full((40, 40, 3), 90, dtype=np.uint8))]
    five, one = FeaturesBeforeProjection(towers, 16, 5, None), FeaturesBeforeProjection(towers, 16, 1, None)
    found = five.encode(five.prepare(items, View(), IDS[:1])).view(5, 16)
    plain = one.encode(one.prepare(items, View(), IDS[:1]))
    assert torch.allclose(found, plain.expand(5, -1), atol=1e-5)


def test_files_are_cut_too_and_broken_ones_are_named():
    towers, file = PracticeTowers(), io.BytesIO()
    Image.fromarray(np.full((30, 30, 3), 7, dtype=np.uint8)).save(file, "PNG")
    encoder = FeaturesBeforeProjection(towers, 16, 5, 4)
    assert encoder.prepare([Item(0, file.getvalue())], View(), IDS[:1])["pixels"].shape == (1, 5, 16, 16, 3)
    with pytest.raises(ItemError):
        encoder.prepare([Item(3, b"no image")], View(), IDS[:1])


def test_inputs_without_a_side_cannot_be_cropped():
    towers = PracticeTowers()
    towers.prepare = lambda items, view, ids: {"patches": np.zeros((len(items), 9), dtype=np.float32)}
    with pytest.raises(FitError, match="crops=none"):
        FeaturesBeforeProjection(towers, 16, 5, None)
    assert FeaturesBeforeProjection(towers, 16, 1, None).dim == 16
