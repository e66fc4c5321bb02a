"""Features against open_clip's own loop: its transform, its tokenizer, its forward."""

import io

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from burnish.contracts import Runtime, View
from burnish.testing.data import items_of
from burnish_openclip import OpenClipConfig
from burnish_openclip.loading import load

NAMES = ["vit", "quick", "resnet", "custom", "eos", "first", "coca", "norms"]
PREPROCESS = {
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.25, 0.3],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
FLOAT32, BFLOAT16 = 1e-3, 5e-2


def _apart(one, other):
    """The largest distance of an item's features, relative to the item's distance from the middle of all."""
    return float(((one - other).norm(dim=1) / (other - other.mean(0)).norm(dim=1)).max())


def _loop(model, photographs, mode="RGB", **changes):
    """Features as a user of open_clip computes them."""
    cfg = PreprocessCfg(**PREPROCESS | {"size": model.visual.image_size} | changes)
    transform = image_transform_v2(cfg, is_train=False)
    images = [Image.open(io.BytesIO(file)) for file in photographs]
    if mode == "BGR":
        images = [Image.fromarray(np.ascontiguousarray(np.asarray(image)[:, :, ::-1])) for image in images]
    with torch.inference_mode():
        return model.encode_image(torch.stack([transform(image) for image in images]), normalize=False)


def _ours(folder, items, dtype="float32"):
    backbone = load(OpenClipConfig(weights=folder), Runtime(dtype=dtype))
    return backbone.encode(backbone.prepare(items[0], View(), items[1]))


@pytest.mark.parametrize("name", NAMES)
def test_image_features_are_open_clips_bit_for_bit(name, folders, library, items, photographs):
    assert torch.equal(_ours(folders[name], items), _loop(library(name), photographs))


@pytest.mark.parametrize(
    "changes", [{"resize_mode": "squash"}, {"resize_mode": "longest"}, {"interpolation": "bilinear"}]
)
def test_other_preprocessing_is_followed(changes, save_model, tmp_path, library, items, photographs):
    folder = save_model(tmp_path, "vit", preprocess=PREPROCESS | changes)
    assert torch.equal(_ours(folder, items), _loop(library("vit"), photographs, **changes))


def test_it_is_the_folder_that_open_clip_reads(folders, items, photographs, texts):
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folders['vit']}")
    model = model.eval().requires_grad_(False)
    with torch.inference_mode():
        expected = model.encode_image(
            torch.stack([transform(Image.open(io.BytesIO(file))) for file in photographs])
        )
        texted = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folders['vit']}")(texts))
    backbone = load(OpenClipConfig(weights=folders["vit"]), Runtime())
    assert torch.equal(_ours(folders["vit"], items), expected)
    assert torch.equal(backbone.text_tower.encode(backbone.text_tower.prepare(*_texts(texts))), texted)


@pytest.mark.parametrize("name", ["vit", "quick", "resnet", "custom", "coca"])
def test_bfloat16_is_close(name, folders, library, items, photographs):
    features = _ours(folders[name], items, "bfloat16")
    assert features.dtype == torch.float32
    assert 0 < _apart(features, _loop(library(name), photographs)) <= BFLOAT16


def test_the_bound_would_notice_wrong_preprocessing(library, photographs):
    model = library("vit")
    right = _loop(model, photographs)
    assert _apart(_loop(model, photographs, interpolation="bilinear"), right) > BFLOAT16
    assert _apart(_loop(model, photographs, mode="BGR"), right) > BFLOAT16
    assert _apart(_loop(model, photographs, mean=[0.48, 0.46, 0.41]), right) > BFLOAT16


def _texts(texts):
    given, ids = items_of("text", texts)
    return given, View(), ids


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_text_features_are_open_clips(name, dtype, folders, library, texts):
    model = library(name)
    with torch.inference_mode():
        expected = model.encode_text(open_clip.SimpleTokenizer(context_length=16)(texts), normalize=False)
    backbone = load(OpenClipConfig(weights=folders[name]), Runtime(dtype=dtype))
    tower = backbone.text_tower
    features = tower.encode(tower.prepare(*_texts(texts)))
    assert tower.dim == backbone.dim == features.shape[1]
    assert features.dtype == torch.float32
    if dtype == "float32":
        assert torch.equal(features, expected)
    else:
        assert _apart(features, expected) <= BFLOAT16
    ids = backbone.tokenise(texts)
    assert torch.equal(backbone.encode_embedded(backbone.embed_tokens(ids), ids).detach(), features)


def test_a_text_alone_has_the_features_it_has_in_a_batch(folders, texts):
    tower = load(OpenClipConfig(weights=folders["vit"]), Runtime()).text_tower
    together = tower.encode(tower.prepare(*_texts(texts)))
    alone = torch.cat([tower.encode(tower.prepare(*_texts([text]))) for text in texts])
    assert torch.allclose(together, alone, atol=1e-5, rtol=0)


def test_views_are_parts_of_the_image_at_the_models_size(folders, items):
    backbone = load(OpenClipConfig(weights=folders["vit"]), Runtime())
    one, again, other = (backbone.prepare(items[0], View(number), items[1])["image"] for number in (0, 0, 1))
    assert one.shape == (8, 48, 48, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    # A part of an image of one colour has that colour.
    plain, ids = items_of("image", [np.full((80, 60, 3), (10, 200, 30), dtype=np.uint8)])
    assert np.unique(backbone.prepare(plain, View(3), ids)["image"].reshape(-1, 3), axis=0).tolist() == [
        [10, 200, 30]
    ]
