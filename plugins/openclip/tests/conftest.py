"""Small open_clip models with random weights in open_clip's own files, and photographs."""

import io
import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images

from burnish.testing.data import items_of

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VIT = {"image_size": 48, "layers": 2, "width": 64, "head_width": 32, "patch_size": 12}
RESNET = {"image_size": 64, "layers": [1, 1, 1, 1], "width": 16, "head_width": 32}
COCA = VIT | {
    "attentional_pool": True,
    "attn_pooler_heads": 2,
    "attn_pooler_queries": 4,
    "output_tokens": True,
}
DECODER = {"width": 32, "context_length": 16, "heads": 2, "layers": 1}
_NORMS = {"qk_norm": True, "scale_attn": True, "scale_fc": True, "norm_kwargs": {"eps": 1e-6}}


def _cfg(vision, text=None, **further):
    return {"embed_dim": 32, "vision_cfg": VIT | vision, "text_cfg": TEXT | (text or {}), **further}


MODELS = {
    "vit": _cfg({}),
    "quick": _cfg({"pool_type": "avg"}, quick_gelu=True),
    "resnet": {"embed_dim": 32, "vision_cfg": RESNET, "text_cfg": TEXT},
    "custom": _cfg({}, {"pool_type": "last", "no_causal_mask": True, "proj_bias": True}, custom_text=True),
    "eos": _cfg({}, {"pool_type": "eos", "eos_id": 49407}, custom_text=True),
    "first": _cfg({}, {"pool_type": "first", "proj_type": "none", "no_causal_mask": True}, custom_text=True),
    "coca": _cfg(COCA, {"embed_cls": True, "output_tokens": True}, multimodal_cfg=DECODER, custom_text=True),
    "norms": _cfg(_NORMS),
}
PREPROCESS = {
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.25, 0.3],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}
TEXTS = ["a photo of a dog", "two cats on a mat!", "Ein Satz über Öl", "x"]


def library_model(name, seed=0):
    """Return a model as open_clip makes it, frozen."""
    parts = dict(MODELS[name])
    kind = open_clip.CLIP
    if parts.pop("custom_text", False):
        kind = open_clip.CoCa if "multimodal_cfg" in parts else open_clip.CustomTextCLIP
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        model = kind(**parts)
        for (
            path,
            module,
        ) in (
            model.named_modules()
        ):  # as training leaves them: branches add a little, and statistics are those of images
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(
                    module.weight, *((0.1, 0.3) if path.endswith("bn3") and "layer" in path else (0.8, 1.2))
                )
                module.momentum = 1.0
        if hasattr(
            model.visual, "attnpool"
        ):  # nor is its attention all on one place, where a rounding moves it to another
            model.visual.attnpool.q_proj.weight.mul_(0.1)
        side = MODELS[name]["vision_cfg"]["image_size"]
        model.train().visual(torch.randn(16, 3, side, side))
    return model.eval().requires_grad_(False)


def save(folder, name, *, preprocess=PREPROCESS, safe=True, seed=0, model_cfg=None):
    """Save a model as open_clip's folders are, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"model_cfg": model_cfg or MODELS[name], "preprocess_cfg": dict(preprocess)}
    (folder / "open_clip_config.json").write_text(json.dumps(content), encoding="utf-8")
    state = library_model(name, seed).state_dict()
    if safe:
        save_file(
            {key: value.contiguous() for key, value in state.items()}, folder / "open_clip_model.safetensors"
        )
    else:
        torch.save(state, folder / "open_clip_pytorch_model.bin")
    return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """A folder for each model."""
    root = tmp_path_factory.mktemp("models")
    return {name: save(root / name, name) for name in MODELS}


@pytest.fixture(scope="session")
def photographs():
    """PNG files of 96 x 64 pixels, cut out of two photographs."""
    files = []
    for image in load_sample_images().images:
        for top, left in ((0, 0), (200, 100), (300, 400), (120, 520)):
            file = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(image[top : top + 64, left : left + 96])).save(file, "PNG")
            files.append(file.getvalue())
    return files


@pytest.fixture(scope="session")
def items(photographs):
    """The photographs as items, and their ids."""
    return items_of("image", photographs)


@pytest.fixture(scope="session")
def library():
    """Makes models as open_clip does."""
    return library_model


@pytest.fixture(scope="session")
def save_model():
    """Saves a model in a folder."""
    return save


@pytest.fixture(scope="session")
def texts():
    """Short texts."""
    return TEXTS


@pytest.fixture(scope="session")
def models():
    """What open_clip makes the models of."""
    return MODELS
