"""The source `digits`, and the backbone `features` for which it can give features."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from burnish import NoConfig
from burnish.contracts.backbone import Runtime, View
from burnish.data import Item
from burnish.errors import ItemError
from burnish_basics._data import DigitsConfig
from burnish_basics.features import Features
from burnish_basics.sources import _light
from burnish_basics.sources.digits import Digits


def test_images():
    dataset = Digits(DigitsConfig()).load()
    assert (dataset.name, dataset.modality, len(dataset), len(dataset.classes)) == (
        "digits",
        "image",
        1797,
        10,
    )
    bunch = load_digits()
    for position in (0, 900, 1796):
        image, row = dataset.read(position), dataset.rows[position]
        assert (image.shape, image.dtype) == ((8, 8, 3), np.uint8)
        np.testing.assert_allclose(image[:, :, 1] * (16 / 255), bunch.images[row], atol=0.04)
        assert dataset.supervision.y[position] == bunch.target[row]


def test_features():
    dataset = Digits(DigitsConfig(features=True)).load()
    assert dataset.modality == "features"
    np.testing.assert_array_equal(dataset.read(5), load_digits().data[dataset.rows[5]])


def test_the_order_is_the_contents_not_the_files():
    assert Digits().load().rows[:10].tolist() != list(range(10))


def test_fingerprint_and_what_is_provided():
    assert len(_light.digits_fingerprint(DigitsConfig())) == 64
    assert _light.digits_provides(DigitsConfig()) == {"image", "labels"}
    assert _light.digits_provides(DigitsConfig(features=True)) == {"features", "labels"}


def prepared(rows, view=None):
    backbone = Features(NoConfig(), Runtime())
    items = [Item(position, np.asarray(row)) for position, row in enumerate(rows)]
    return backbone, backbone.prepare(items, view or View(), np.zeros((len(items), 32), np.uint8))


def test_rows_pass_through():
    rows = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    backbone, inputs = prepared(rows)
    out = backbone.encode(inputs)
    assert (backbone.dim, backbone.modality, backbone.views, str(out.dtype)) == (
        3,
        "features",
        False,
        "torch.float32",
    )
    np.testing.assert_array_equal(out.numpy(), rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2], [1, 2, 3]], r"item 1: its features have the shape \(3,\), those before it \(2,\)"),
        ([[[1, 2]]], r"item 0: its features have the shape \(1, 2\)"),
        ([[1, 2], [1, np.nan]], "item 1: feature 1 is nan"),
        ([[np.inf]], "item 0: feature 0 is inf"),
    ],
)
def test_a_bad_row_is_named(rows, message):
    with pytest.raises(ItemError, match=message):
        prepared(rows)


def test_there_are_no_augmented_views():
    with pytest.raises(ValueError, match="no augmented views"):
        prepared([[1.0]], View(0))
