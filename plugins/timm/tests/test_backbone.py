"""Features, tokens, maps and sites against timm's own loop."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from timm.models import save_for_hf
from torch import nn

from burnish.contracts import Runtime, View
from burnish.errors import PluginError
from burnish.testing.data import items_of, png
from burnish_timm import TimmConfig
from burnish_timm.backbone import Timm

MODELS = ("test_vit", "test_resnet", "test_convnext", "test_efficientnet")


EVALUATION = View()


def _inputs(backbone, arrays, view=EVALUATION):
    items, ids = items_of("image", [png(array) for array in arrays])
    return backbone.prepare(items, view, ids)


def _library(folder, arrays, **changes):
    """Return what timm itself makes of images: its model, its transform, its two halves."""
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    transform = create_transform(**resolve_model_data_config(model) | changes, is_training=False)
    with torch.inference_mode():
        x = torch.stack([transform(Image.fromarray(array)) for array in arrays])
        return model.forward_head(model.forward_features(x), pre_logits=True)


def _apart(features, expected):
    """Return ||a - b|| / ||a - mean(a)|| of the worst item."""
    return float(((features - expected).norm(dim=1) / (expected - expected.mean(dim=0)).norm(dim=1)).max())


@pytest.mark.parametrize("name", MODELS)
def test_features_are_those_of_timms_own_loop(folders, photographs, name):
    backbone = Timm(TimmConfig(weights=folders[name]), Runtime())
    expected = _library(folders[name], photographs)
    features = backbone.encode(_inputs(backbone, photographs))
    assert features.shape == (len(photographs), backbone.dim)
    assert _apart(features, expected) <= 1e-3
    low = Timm(TimmConfig(weights=folders[name]), Runtime(dtype="bfloat16"))
    found = low.encode(_inputs(low, photographs))
    assert found.dtype == torch.float32
    assert 1e-4 < _apart(found, expected) <= 5e-2


@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_filter_and_swapped_channels_fail_the_bound(folders, photographs, name):
    expected = _library(folders[name], photographs)
    assert _apart(_library(folders[name], photographs, interpolation="nearest"), expected) > 5e-2
    other = (
        "bilinear"
        if Timm(TimmConfig(weights=folders[name]), Runtime())._images.interpolation == "bicubic"
        else "bicubic"
    )
    assert _apart(_library(folders[name], photographs, interpolation=other), expected) > 1e-3
    assert (
        _apart(
            _library(folders[name], [np.ascontiguousarray(array[..., ::-1]) for array in photographs]),
            expected,
        )
        > 5e-2
    )


def test_the_preprocessing_is_the_folders_own(tmp_path, photographs, make):
    model = make("test_vit", num_classes=0)
    data = {
        "interpolation": "bilinear",
        "crop_pct": 0.8,
        "crop_mode": "squash",
        "mean": (0.1, 0.2, 0.3),
        "std": (0.4, 0.5, 0.6),
    }
    save_for_hf(
        model, tmp_path, safe_serialization=True, model_config={"pretrained_cfg": data}, data_config=data
    )
    backbone = Timm(TimmConfig(weights=tmp_path), Runtime())
    assert _apart(backbone.encode(_inputs(backbone, photographs)), _library(tmp_path, photographs)) <= 1e-3


def test_another_input_size_is_kept(tmp_path, photographs, make):
    model = make("test_vit", num_classes=3, img_size=(96, 128))
    save_for_hf(model, tmp_path, safe_serialization=True, data_config={"input_size": (3, 96, 128)})
    backbone = Timm(TimmConfig(weights=tmp_path), Runtime())
    assert _inputs(backbone, photographs[:1])["image"].shape == (1, 96, 128, 3)
    assert _apart(backbone.encode(_inputs(backbone, photographs)), _library(tmp_path, photographs)) <= 1e-3


@pytest.mark.parametrize("classes", [0, 7, 1000])
@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_a_file_of_weights_with_an_architecture(tmp_path, photographs, make, classes, ending):
    from safetensors.torch import save_file

    model = make("test_resnet", num_classes=classes)
    file = tmp_path / f"weights{ending}"
    if ending == ".pth":
        torch.save(
            {
                "state_dict": {f"module.{name}": tensor for name, tensor in model.state_dict().items()},
                "epoch": 3,
            },
            file,
        )
    else:
        save_file(model.state_dict(), file)
    backbone = Timm(TimmConfig(model="test_resnet", weights=file), Runtime())
    x = backbone._pixels(_inputs(backbone, photographs))
    with torch.inference_mode():
        expected = model.forward_head(model.forward_features(x), pre_logits=True)
    torch.testing.assert_close(backbone.encode(_inputs(backbone, photographs)), expected)


def test_a_tag_says_which_preprocessing():
    plain, inception = (
        Timm(TimmConfig(model=name, random_seed=0), Runtime())
        for name in ("resnet18.a1_in1k", "resnet18.fb_swsl_ig1b_ft_in1k")
    )
    assert (plain._images.interpolation, inception._images.interpolation) == ("bicubic", "bilinear")


@pytest.mark.parametrize(
    ("name", "what"),
    [("test_vit", "tokens"), ("test_vit4", "tokens"), ("test_resnet", "maps"), ("test_convnext", "maps")],
)
def test_what_leaves_a_block_is_as_wide_as_the_sites_say(photographs, name, what):
    backbone = Timm(TimmConfig(model=name, random_seed=0), Runtime())
    inputs, sites = _inputs(backbone, photographs[:2]), backbone.sites
    seen = []
    block = backbone.module.get_submodule(sites.blocks[-1].name)
    hook = block.register_forward_hook(lambda module, args, out: seen.append(out))
    backbone.encode(inputs)
    hook.remove()
    assert seen[0].shape[2 if what == "tokens" else 1] == sites.width
    if what == "tokens":
        size, patch = backbone._images.size, backbone.module.patch_embed.patch_size
        assert seen[0].shape[1] == sites.prefix + size[0] // patch[0] * (size[1] // patch[1])


@pytest.mark.parametrize("name", ["test_vit", "test_vit3", "test_resnet", "test_convnext2"])
def test_every_site_is_there_and_runs_in_order(photographs, name):
    backbone = Timm(TimmConfig(model=name, random_seed=0), Runtime())
    sites, ran = backbone.sites, []
    modules = dict(backbone.module.named_modules())
    hooks = [
        module.register_forward_hook(lambda module, args, out, name=name: ran.append(name))
        for name, module in modules.items()
    ]
    backbone.encode(_inputs(backbone, photographs[:1]))
    for hook in hooks:
        hook.remove()
    for block in sites.blocks:
        norms = [one for one in block.norms if "downsample" not in one]
        assert norms
        assert norms == sorted(norms, key=ran.index)
        for linear in (*block.linears, *(site for _, site in block.projections)):
            assert isinstance(modules[linear], nn.Linear)
        if sites.layout == "BND":
            assert {block.attention, block.mlp} <= set(ran)
            assert len(block.linears) == 2
            assert block.projections[0][0] == "qkv"
    assert set(sites.norms) <= set(ran)


def test_separate_projections_are_named():
    from timm.models.eva import EvaAttention

    from burnish_timm.sites import _projections

    attention = EvaAttention(8, num_heads=2, qkv_fused=False, norm_layer=nn.LayerNorm)
    assert dict(_projections(attention, "a")) == {"query": "a.q_proj", "key": "a.k_proj", "value": "a.v_proj"}


def test_gradient_reaches_what_is_put_in(photographs):
    for dtype in ("float32", "bfloat16"):
        backbone = Timm(TimmConfig(model="test_vit", random_seed=0), Runtime(dtype=dtype))
        inputs = _inputs(backbone, photographs[:2])
        added = nn.Linear(64, 64)
        block = backbone.module.get_submodule(backbone.sites.blocks[0].mlp)
        hook = block.register_forward_hook(lambda module, args, out, added=added: out + added(out))
        backbone.forward(inputs, projected=False)[:, 0].sum().backward()
        assert float(added.weight.grad.abs().sum()) > 0
        hook.remove()
        assert not backbone.encode(inputs).requires_grad


def test_other_models_give_features_alone():
    backbone = Timm(TimmConfig(model="test_efficientnet", random_seed=0), Runtime())
    with pytest.raises(PluginError, match="test_efficientnet"):
        _ = backbone.sites


def test_random_weights_follow_the_seed_and_leave_the_generator_alone():
    state = torch.get_rng_state()
    one, same, other = (
        Timm(TimmConfig(model="test_vit", random_seed=seed), Runtime()).module.state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(tensor, same[name]) for name, tensor in one.items())
    assert not torch.equal(one["blocks.0.attn.qkv.weight"], other["blocks.0.attn.qkv.weight"])
    assert torch.equal(state, torch.get_rng_state())


def test_views_are_parts_at_the_models_size(folders, photographs):
    backbone = Timm(TimmConfig(weights=folders["test_vit"]), Runtime())
    first, second = (_inputs(backbone, photographs, View(number))["image"] for number in (0, 1))
    assert first.shape == _inputs(backbone, photographs)["image"].shape
    assert not np.array_equal(first, second)


def test_several_threads_encode_at_once(folders, photographs):
    backbone = Timm(TimmConfig(weights=folders["test_convnext"]), Runtime())
    parts = [_inputs(backbone, photographs[i : i + 1]) for i in range(4)]
    expected = [backbone.encode(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(backbone.encode, parts))
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other)
