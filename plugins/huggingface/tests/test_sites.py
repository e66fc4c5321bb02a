"""Where parts can be attached: names that exist, in the order that a forward pass goes through them."""

import numpy as np
import pytest
import torch
from torch import nn

from burnish.blocks import Lease, frozen_digest
from burnish.contracts import Runtime, View
from burnish.errors import PluginError
from burnish.testing.data import items_of
from burnish_huggingface import ClipConfig, TextConfig, VisionConfig
from burnish_huggingface.clip import Clip
from burnish_huggingface.text import Text
from burnish_huggingface.vision import Vision

FAMILIES = {"clip": (Clip, ClipConfig), "vision": (Vision, VisionConfig), "text": (Text, TextConfig)}
CASES = [
    ("clip", "clip", 1),
    ("clip", "siglip", 0),
    ("vision", "vit", 1),
    ("vision", "deit", 2),
    ("vision", "dinov2", 1),
    ("vision", "dinov2_with_registers", 4),
    ("text", "bert", 0),
    ("text", "roberta", 0),
    ("text", "electra", 0),
    ("text", "mpnet", 0),
    ("text", "distilbert", 0),
]


@pytest.fixture
def made(folder_of, photographs, texts):
    """Return a function (family, kind) -> backbone and prepared inputs."""

    def make(family, kind):
        cls, config = FAMILIES[family]
        backbone = cls(config(weights=folder_of(family, kind)), Runtime())
        given = texts[:3] if family == "text" else [np.ascontiguousarray(image) for image in photographs[:3]]
        items, ids = items_of(backbone.modality, given)
        return backbone, backbone.prepare(items, View(), ids)

    return make


def order_of(module, names, run):
    """Return names of modules in the order a forward pass leaves them, and what left the last of them."""
    seen, handles = [], []
    for name in names:
        hook = lambda module, args, out, name=name: seen.append((name, out))  # noqa: E731
        handles.append(module.get_submodule(name).register_forward_hook(hook))
    with torch.inference_mode():
        run()
    for handle in handles:
        handle.remove()
    return [name for name, _ in seen], seen[-1][1]


@pytest.mark.parametrize(("family", "kind", "prefix"), CASES)
def test_sites_are_what_a_forward_pass_goes_through(made, family, kind, prefix):
    backbone, inputs = made(family, kind)
    module, sites = backbone.module, backbone.sites
    assert (len(sites.blocks), sites.layout, sites.prefix, sites.width) == (2, "BND", prefix, 32)
    assert sites.patch == (0 if family == "text" else 8)

    def run():
        return backbone.forward(inputs)

    assert order_of(module, [block.name for block in sites.blocks], run)[0] == [
        block.name for block in sites.blocks
    ]
    for block in sites.blocks:
        assert [role for role, _ in block.projections] == ["query", "key", "value"]
        for name in [found for _, found in block.projections] + list(block.linears):
            assert isinstance(module.get_submodule(name), nn.Linear)
            assert name.startswith(f"{block.name}.")
        assert len(block.linears) == 2
        assert len(block.norms) == 2
        assert order_of(module, block.norms, run)[0] == list(block.norms)
        assert order_of(module, [block.attention, *block.linears], run)[0] == [
            block.attention,
            *block.linears,
        ]
        assert module.get_submodule(block.linears[0]).in_features == 32
        assert module.get_submodule(block.linears[1]).out_features == 32
        assert not block.mlp or all(name.startswith(f"{block.mlp}.") for name in block.linears)
    everything = {name for name, child in module.named_modules() if isinstance(child, nn.LayerNorm)}
    inside = {
        name
        for tower in (sites, backbone.text_sites)
        if tower
        for block in tower.blocks
        for name in block.norms
    }
    outside = {name for tower in (sites, backbone.text_sites) if tower for name in tower.norms}
    assert inside | outside == everything
    assert not inside & outside


@pytest.mark.parametrize(
    ("family", "kind"), [("clip", "clip"), ("clip", "siglip"), ("vision", "vit"), ("text", "bert")]
)
@pytest.mark.parametrize("mode", ["float32", "bfloat16"])
def test_parts_can_be_attached_and_trained_in_both_modes(folder_of, made, family, kind, mode):
    inputs = made(family, kind)[1]
    cls, config = FAMILIES[family]
    backbone = cls(config(weights=folder_of(family, kind)), Runtime(dtype=mode))
    before, features = frozen_digest(backbone.module), backbone.encode(inputs).clone()
    torch.testing.assert_close(backbone.forward(inputs).detach(), features)
    with Lease(backbone.module) as lease:
        part = nn.Linear(32, 32)
        block = backbone.sites.blocks[0]
        lease.parallel(
            "beside", block.mlp or block.linears[1], part, reads=block.linears[0] if not block.mlp else ""
        ) if block.mlp else lease.after("behind", block.attention, nn.Sequential(part, nn.LayerNorm(32)))
        changed = backbone.forward(inputs)
        changed.square().mean().backward()
        assert float(part.weight.grad.abs().max()) > 0
        assert not torch.allclose(changed.detach(), features, atol=1e-3)
    assert frozen_digest(backbone.module) == before
    assert torch.equal(backbone.encode(inputs), features)


def test_a_vision_model_has_no_text_tower(made):
    backbone, _ = made("vision", "vit")
    with pytest.raises(PluginError, match=r"a vision-only model has no text tower. Possible: hf-clip"):
        _ = backbone.text_tower
