"""What open_clip models offer beside features: projection, tokens, maps, sites, gradients."""

import pytest
import torch

from burnish.contracts import Runtime, View
from burnish_openclip import OpenClipConfig
from burnish_openclip.loading import load


def _backbone(folders, name, dtype="float32"):
    return load(OpenClipConfig(weights=folders[name]), Runtime(dtype=dtype))


def _inputs(backbone, items):
    return backbone.prepare(items[0], View(), items[1])


@pytest.mark.parametrize("name", ["vit", "quick", "resnet", "coca", "custom"])
def test_pooled_features_projected_are_the_features(name, folders, items):
    backbone = _backbone(folders, name)
    inputs = _inputs(backbone, items)
    pooled = backbone.forward(inputs, projected=False)
    assert pooled.shape[1] == backbone.projection.shape[0]
    assert torch.allclose(pooled @ backbone.projection, backbone.encode(inputs), atol=1e-5)
    assert torch.allclose(backbone.forward(inputs), backbone.encode(inputs), atol=1e-5)
    assert backbone.logit_scale == pytest.approx(1 / 0.07)
    assert _backbone(folders, name, "bfloat16").logit_scale == pytest.approx(1 / 0.07)


def _all_names(sites):
    for block in sites.blocks:
        yield from filter(
            None,
            (
                block.name,
                block.attention,
                block.mlp,
                *block.linears,
                *block.norms,
                *(name for _, name in block.projections),
            ),
        )
    yield from sites.norms


def _leaving_last_block(backbone, items):
    """Return what leaves the last block."""
    seen = []
    block = backbone.module.get_submodule(backbone.sites.blocks[-1].name)
    hook = block.register_forward_hook(lambda module, given, out: seen.append(out))
    backbone.encode(_inputs(backbone, items))
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("name", ["vit", "resnet", "custom", "coca", "norms"])
def test_sites_are_modules(name, folders, items):
    backbone = _backbone(folders, name)
    modules = dict(backbone.module.named_modules())
    for sites in (backbone.sites, backbone.text_sites):
        assert all(found in modules for found in _all_names(sites))
    if name == "resnet":
        assert [block.name for block in backbone.sites.blocks] == [
            "visual.layer1",
            "visual.layer2",
            "visual.layer3",
            "visual.layer4",
        ]
        assert backbone.sites.layout == "BCHW"
        assert backbone.sites.norms == ("visual.bn1", "visual.bn2", "visual.bn3")
        assert backbone.sites.width == _leaving_last_block(backbone, items).shape[1]
    else:
        assert len(backbone.sites.blocks) == len(backbone.text_sites.blocks) == 2
        assert backbone.sites.prefix == 1
        assert backbone.sites.blocks[1].linears == (
            "visual.transformer.resblocks.1.mlp.c_fc",
            "visual.transformer.resblocks.1.mlp.c_proj",
        )
        assert backbone.sites.width == _leaving_last_block(backbone, items).shape[2]


def test_norms_are_named_in_the_order_they_are_applied(folders, items):
    backbone = _backbone(folders, "norms")
    applied = []
    names = {module: name for name, module in backbone.module.named_modules()}
    for block in backbone.sites.blocks:
        for name in block.norms:
            backbone.module.get_submodule(name).register_forward_hook(
                lambda module, given, out: applied.append(names[module])
            )
    backbone.encode(_inputs(backbone, items))
    assert applied == [name for block in backbone.sites.blocks for name in block.norms]
    assert len(backbone.sites.blocks[0].norms) == 6


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["vit", "resnet"])
def test_a_part_put_into_the_module_is_trained_and_the_weights_are_not(name, dtype, folders, items):
    backbone = _backbone(folders, name, dtype)
    inputs = _inputs(backbone, items)
    before = backbone.encode(inputs)
    site = backbone.module.get_submodule(backbone.sites.blocks[-1].name)
    part = torch.nn.Linear(
        backbone.sites.width, backbone.sites.width
    )  # in float32, whatever the module computes in
    last = 1 if backbone.sites.layout == "BCHW" else -1
    hook = site.register_forward_hook(
        lambda module, given, out: out + part(out.movedim(last, -1)).movedim(-1, last)
    )
    changed = backbone.forward(inputs)
    changed.square().mean().backward()
    assert float(part.weight.grad.abs().sum()) > 0
    assert torch.isfinite(part.weight.grad).all()
    assert all(parameter.grad is None for parameter in backbone.module.parameters())
    encoded = backbone.encode(inputs)
    assert not torch.equal(encoded, before)
    hook.remove()
    assert torch.equal(backbone.encode(inputs), before)


@pytest.mark.parametrize("name", ["vit", "custom", "coca"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_prompts_of_embeddings_have_a_gradient(name, dtype, folders, texts):
    backbone = _backbone(folders, name, dtype)
    ids = backbone.tokenise(texts)
    assert ids.shape == (len(texts), backbone.context_length)
    assert ids.dtype == torch.int64
    embedded = backbone.embed_tokens(ids)
    assert embedded.shape == (len(texts), backbone.context_length, backbone.text_width)
    prompts = embedded[:, 1:3].clone().requires_grad_()
    features = backbone.encode_embedded(torch.cat([embedded[:, :1], prompts, embedded[:, 3:]], 1), ids)
    features.square().sum().backward()
    assert torch.isfinite(prompts.grad).all()
    assert float(prompts.grad.abs().sum()) > 0
