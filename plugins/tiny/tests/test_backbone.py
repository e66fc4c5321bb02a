"""The backbone's contract: decoding, views, types, and that an item's features do not depend on its batch."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from burnish.contracts import Runtime, View
from burnish.data import Item, content_id, stack_ids
from burnish.errors import ItemError
from burnish_tiny import TinyConfig
from burnish_tiny.backbone import Tiny
from burnish_tiny.files import load_network
from burnish_tiny.inputs import jitter
from burnish_tiny.network import DIM, normalise
from burnish_tiny.weights import weight_file

EVAL = View()


def _png(array, mode="RGB"):
    file = io.BytesIO()
    Image.fromarray(array).convert(mode).save(file, "PNG")
    return file.getvalue()


def _smooth(count, side=32, seed=0):
    """Return images that look a little like photographs: random 8 x 8 enlarged."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)) for image in small]
    )


def _items(arrays):
    return [Item(position, array) for position, array in enumerate(arrays)]


def _ids(arrays):
    return stack_ids([content_id("image", np.asarray(array).tobytes()) for array in arrays])


@pytest.fixture(scope="module")
def tiny():
    return Tiny(TinyConfig(noise=0.3, seed=1), Runtime())


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("seed", [0, 1])
def test_all_weights_load_and_give_features(noise, seed):
    backbone = Tiny(TinyConfig(noise=noise, seed=seed), Runtime())
    arrays = _smooth(6)
    features = backbone.encode(backbone.prepare(_items(arrays), EVAL, _ids(arrays)))
    assert features.shape == (6, DIM) == (6, backbone.dim)
    assert features.dtype == torch.float32
    assert not features.requires_grad
    assert bool((features >= 0).all())
    assert float(features.std(dim=0).max()) > 0.01


def test_features_are_those_of_the_unfolded_network(tiny):
    arrays = _smooth(6)
    with torch.inference_mode():
        expected = load_network(weight_file(TinyConfig(noise=0.3, seed=1)))(
            normalise(torch.from_numpy(arrays), torch.float32)
        )
    got = tiny.encode({"image": arrays})
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_items_features_do_not_depend_on_its_batch(dtype):
    backbone = Tiny(TinyConfig(), Runtime(dtype=dtype))
    images = _smooth(64)
    whole = backbone.encode({"image": images})
    shuffled = backbone.encode({"image": np.ascontiguousarray(images[::-1])})
    assert torch.equal(whole, shuffled.flip(0))
    other = images.copy()
    other[1:] = 255
    assert torch.equal(backbone.encode({"image": other})[0], whole[0])


def test_the_type_is_honoured():
    backbone = Tiny(TinyConfig(), Runtime(dtype="bfloat16"))
    assert {parameter.dtype for parameter in backbone.network.parameters()} == {torch.bfloat16}
    arrays = _smooth(8)
    low, high = (b.encode({"image": arrays}) for b in (backbone, Tiny(TinyConfig(), Runtime())))
    assert low.dtype == torch.float32
    assert not torch.equal(low, high)
    assert float(torch.nn.functional.cosine_similarity(low, high).min()) > 0.999


def test_nothing_can_be_trained_and_nothing_changes(tiny):
    before = {name: tensor.clone() for name, tensor in tiny.network.state_dict().items()}
    tiny.encode({"image": _smooth(8)})
    assert not tiny.network.training
    assert not any(parameter.requires_grad for parameter in tiny.network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in tiny.network.state_dict().items())


def test_images_of_32_pass_unchanged_as_arrays_and_as_bytes(tiny):
    arrays = _smooth(3)
    items = [Item(0, arrays[0]), Item(1, _png(arrays[1])), Item(2, _png(arrays[2]))]
    prepared = tiny.prepare(items, EVAL, _ids(arrays))["image"]
    assert prepared.dtype == np.uint8
    np.testing.assert_array_equal(prepared, arrays)


def test_larger_images_are_cut_to_the_central_square(tiny):
    wide = np.zeros((64, 128, 3), dtype=np.uint8)
    wide[:, 32:96] = (200, 100, 50)
    (got,) = tiny.prepare([Item(0, _png(wide))], EVAL, _ids([wide]))["image"]
    np.testing.assert_array_equal(got, np.broadcast_to(np.array([200, 100, 50], dtype=np.uint8), (32, 32, 3)))


def test_halving_averages(tiny):
    """Antialiasing: stripes one pixel wide turn grey instead of vanishing."""
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    (got,) = tiny.prepare([Item(0, stripes)], EVAL, _ids([stripes]))["image"]
    assert got[:, 2:-2].min() > 100
    assert got[:, 2:-2].max() < 155


def test_grey_images_become_rgb(tiny):
    grey = _smooth(1)[0]
    (got,) = tiny.prepare([Item(0, _png(grey, "L"))], EVAL, _ids([grey]))["image"]
    assert got.shape == (32, 32, 3)
    np.testing.assert_array_equal(got[..., 0], got[..., 2])


@pytest.mark.parametrize("payload", [b"", b"no image", _png(np.zeros((32, 32, 3), dtype=np.uint8))[:60]])
def test_broken_images_name_their_position(tiny, payload):
    with pytest.raises(ItemError) as caught:
        tiny.prepare([Item(7, payload)], EVAL, _ids([np.zeros(1)]))
    assert caught.value.position == 7


def test_views_belong_to_the_item_and_the_number(tiny):
    arrays = _smooth(8)
    items, ids = _items(arrays), _ids(arrays)
    first = tiny.prepare(items, View(0), ids)["image"]
    np.testing.assert_array_equal(tiny.prepare(items[3:5], View(0), ids[3:5])["image"], first[3:5])
    assert not np.array_equal(tiny.prepare(items, View(1), ids)["image"], first)
    assert not np.array_equal(first, arrays)


def test_jitter_is_a_flip_and_a_cut_of_the_reflected_border():
    arrays = _smooth(4)
    seeds = np.array([0, 1, 2 * (9 * 5 + 3), 1 + 2 * (9 * 8 + 0)], dtype=np.uint64)
    places = [(False, 0, 0), (True, 0, 0), (False, 3, 5), (True, 0, 8)]
    for image, got, (flip, down, right) in zip(arrays, jitter(arrays, seeds), places, strict=True):
        source = image[:, ::-1] if flip else image
        padded = np.pad(source, ((4, 4), (4, 4), (0, 0)), mode="reflect")
        np.testing.assert_array_equal(got, padded[down : down + 32, right : right + 32])
