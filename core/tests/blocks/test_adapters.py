"""Light fine-tuning of a tower.

Every kind against the tower written out by hand, what it changes at first, how many numbers it holds.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import layer_norm, linear, scaled_dot_product_attention

from burnish.blocks import adapters
from burnish.blocks.adapter_parts import Bottleneck, LowRankQueryValue, Prompts, ScaleShift, kaiming
from burnish.blocks.lease import Lease, frozen_digest
from burnish.contracts.towers import Block, Sites
from burnish.errors import FitError
from burnish.testing.checks import global_randomness_untouched
from burnish.testing.towers import PracticeTowers

W, R, TOKENS = 16, 3, 2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class FusedBlock(nn.Module):
    """A block as open_clip's.

    Query, key and value are one bare parameter of `torch.nn.MultiheadAttention`.
    """

    def __init__(self, batch_first):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(W), nn.LayerNorm(W)
        self.attn = nn.MultiheadAttention(W, 2, batch_first=batch_first)
        self.mlp = nn.Sequential(nn.Linear(W, 2 * W), nn.GELU(), nn.Linear(2 * W, W))

    def forward(self, x, attn_mask=None):
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=attn_mask)[0]
        return x + self.mlp(self.ln_2(x))


class FusedTower(nn.Module):
    """Two such blocks, in either layout, called with a keyword as open_clip does; reads (B, 3, 8, 8)."""

    def __init__(self, batch_first):
        super().__init__()
        self.conv1 = nn.Conv2d(3, W, kernel_size=4, stride=4, bias=False)
        self.blocks = nn.ModuleList(FusedBlock(batch_first) for _ in range(2))
        self.ln_post, self.batch_first = nn.LayerNorm(W), batch_first

    def forward(self, pixels):
        x = self.conv1(pixels).flatten(2).transpose(1, 2)
        x = x if self.batch_first else x.transpose(0, 1)
        for block in self.blocks:
            x = block(x, attn_mask=None)
        return self.ln_post(x.mean(1 if self.batch_first else 0))


class Fused:
    """A backbone made of the tower above."""

    def __init__(self, batch_first):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.module = FusedTower(batch_first).eval().requires_grad_(False)
            self.pixels = torch.randn(5, 3, 8, 8)
            for name, parameter in self.module.named_parameters():
                if name.endswith("bias"):
                    parameter.copy_(0.1 * torch.randn_like(parameter))
        blocks = tuple(
            Block(
                f"blocks.{i}",
                f"blocks.{i}.attn",
                (),
                f"blocks.{i}.mlp",
                (f"blocks.{i}.mlp.0", f"blocks.{i}.mlp.2"),
                (f"blocks.{i}.ln_1", f"blocks.{i}.ln_2"),
            )
            for i in range(2)
        )
        self.sites = Sites(blocks, W, "BND" if batch_first else "NBD", 0, ("ln_post",))

    def run(self):
        return self.module(self.pixels)


class Separate(PracticeTowers):
    """The practice towers: query, key and value are layers of their own."""

    pixels = {"pixels": np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)}

    def run(self):
        return self.forward(self.pixels)


BACKBONES = {"separate": Separate, "fused": lambda: Fused(True), "fused NBD": lambda: Fused(False)}
KINDS = {
    "adaptformer": lambda lease, sites, **more: adapters.adaptformer(
        lease, sites, rank=R, generator=generator(), **more
    ),
    "adapter": lambda lease, sites, **more: adapters.sequential_adapter(
        lease, sites, rank=R, generator=generator(), **more
    ),
    "lora": lambda lease, sites, **more: adapters.lora(lease, sites, rank=R, generator=generator(), **more),
    "vpt-shallow": lambda lease, sites, **more: adapters.visual_prompts(
        lease, sites, count=TOKENS, deep=False, generator=generator(), **more
    ),
    "vpt-deep": lambda lease, sites, **more: adapters.visual_prompts(
        lease, sites, count=TOKENS, generator=generator(), **more
    ),
    "ssf": lambda lease, sites, **more: adapters.scale_shift(lease, sites, generator=generator(), **more),
    "bias": adapters.biases,
    "layer-norm": adapters.layer_norms,
    "unfrozen": adapters.unfrozen,
}


def stir(lease):
    """Give everything that is learnt other values, so that no part is at rest."""
    learnt = lease.state()
    g = generator(7)
    lease.load(
        {name: learnt[name] + 0.3 * torch.randn(learnt[name].shape, generator=g) for name in sorted(learnt)}
    )
    return lease.state()


def heads(x):
    return x.unflatten(-1, (2, W // 2)).transpose(1, 2)


def by_hand(tower, x, part, kind):
    """The blocks of a fused tower on tokens (B, N, w), written out, with what each kind changes in it."""
    for i, block in enumerate(tower.blocks):
        if kind == "vpt-deep" and i > 0:
            x = x[:, :-TOKENS]
        if kind == "vpt-deep" or (kind == "vpt-shallow" and i == 0):
            x = torch.cat([x, part(f"prompts.{i}.tokens").expand(len(x), -1, -1)], dim=1)
        y = layer_norm(x, (W,), block.ln_1.weight, block.ln_1.bias)
        q, k, v = linear(y, block.attn.in_proj_weight, block.attn.in_proj_bias).chunk(3, dim=-1)
        if kind == "lora":
            q = q + linear(linear(y, part(f"lora.{i}.query_a")), part(f"lora.{i}.query_b")) / R
            v = v + linear(linear(y, part(f"lora.{i}.value_a")), part(f"lora.{i}.value_b")) / R
        if kind == "ssf":
            gamma, beta = part(f"ssf.{i}.qkv.behind.gamma"), part(f"ssf.{i}.qkv.behind.beta")
            q, k, v = (gamma * torch.cat([q, k, v], dim=-1) + beta).chunk(3, dim=-1)
        mixed = scaled_dot_product_attention(heads(q), heads(k), heads(v)).transpose(1, 2).flatten(2)
        attended = block.attn.out_proj(mixed)
        if kind == "ssf":
            attended = part(f"ssf.{i}.attention.gamma") * attended + part(f"ssf.{i}.attention.beta")
        x = x + attended
        m = block.mlp(layer_norm(x, (W,), block.ln_2.weight, block.ln_2.bias))
        if kind == "adapter":
            m = m + bottleneck(m, lambda name, i=i: part(f"adapter.{i}.adapter.{name}"))
        if kind == "adaptformer":
            m = m + part(f"adaptformer.{i}.alpha") * bottleneck(
                x, lambda name, i=i: part(f"adaptformer.{i}.{name}")
            )
        x = x + m
    return x[:, :-TOKENS] if kind.startswith("vpt") else x


def bottleneck(x, part):
    h = (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt() * part(
        "norm_weight"
    ) + part("norm_bias")
    h = torch.clamp(h @ part("down").T + part("down_bias"), min=0)
    return h @ part("up").T + part("up_bias")


@pytest.mark.parametrize("kind", ["adaptformer", "adapter", "lora", "vpt-shallow", "vpt-deep", "ssf"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_each_kind_is_its_formula(kind, batch_first):
    backbone = Fused(batch_first)
    with Lease(backbone.module) as lease:
        KINDS[kind](lease, backbone.sites)
        state = stir(lease)
        with torch.no_grad():
            changed = backbone.run()
    tower = backbone.module
    x = tower.conv1(backbone.pixels).flatten(2).transpose(1, 2)
    expected = tower.ln_post(by_hand(tower, x, lambda name: state[f"parts.{name}"], kind).mean(1))
    assert not torch.allclose(changed, backbone.run(), atol=1e-2)
    assert torch.allclose(changed, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", BACKBONES)
def test_what_a_kind_adds_learns_and_nothing_else_does_and_all_is_gone_afterwards(kind, which):
    if kind == "lora" and which == "separate":
        pytest.importorskip("peft")
    backbone = BACKBONES[which]()
    plain, digest = backbone.run(), frozen_digest(backbone.module)
    with Lease(backbone.module) as lease, global_randomness_untouched(kind):
        KINDS[kind](lease, backbone.sites)
        at_first = backbone.run()
        starts_at_rest = kind not in ("vpt-shallow", "vpt-deep", "ssf")
        assert torch.allclose(at_first, plain, atol=1e-5) == starts_at_rest
        stir(lease)
        backbone.run().square().sum().backward()
        learnt = {id(p) for p in lease.parameters().values()}
        silent = [name for name, p in lease.parameters().items() if p.grad is None]
        assert [name for name in silent if not name.endswith("norm.bias")] == []
        assert all(p.grad is None for p in backbone.module.parameters() if id(p) not in learnt)
        with lease.off():
            assert torch.allclose(backbone.run(), plain, atol=1e-6)
    assert torch.equal(backbone.run(), plain)
    assert frozen_digest(backbone.module) == digest


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_can_be_put_into_another_lease(kind):
    first, second = Fused(True), Fused(True)
    with Lease(first.module) as lease:
        KINDS[kind](lease, first.sites)
        state, given = stir(lease), first.run()
    with Lease(second.module) as lease:
        KINDS[kind](lease, second.sites)
        lease.load(state)
        assert torch.equal(second.run(), given)


def test_lora_is_the_same_map_in_fused_and_in_separate_projections():
    pytest.importorskip("peft")
    part, x = LowRankQueryValue(W, W, R, generator()), torch.randn(4, W, generator=generator(3))
    layer = nn.Linear(W, W)
    wrapped = adapters._peft_linear(layer, R, generator())
    with torch.no_grad():
        part.query_b.copy_(torch.randn(W, R, generator=generator(4)))
        wrapped.lora_A["default"].weight.copy_(part.query_a)
        wrapped.lora_B["default"].weight.copy_(part.query_b)
    fused = part(torch.cat([layer.weight] * 3))
    assert torch.allclose(linear(x, fused[:W], layer.bias), wrapped(x), atol=1e-5)
    assert torch.equal(fused[W : 2 * W], layer.weight)


@pytest.mark.parametrize("which", ["fused", "separate"])
def test_lora_begins_as_in_lifts_released_code(which):
    """There A is (w, r), and ``kaiming_uniform_(A, a=sqrt(5))`` takes r for the fan-in."""
    reference = torch.empty(400, 16)
    nn.init.kaiming_uniform_(reference, a=math.sqrt(5))
    if which == "separate":
        pytest.importorskip("peft", reason="LoRA in separate projections needs peft")
    part = LowRankQueryValue(400, 400, 16, generator())
    found = (
        part.query_a
        if which == "fused"
        else adapters._peft_linear(nn.Linear(400, 400), 16, generator()).lora_A["default"].weight
    )
    assert found.shape == (16, 400)
    assert found.abs().max().item() == pytest.approx(0.25, rel=0.01)
    assert found.std().item() == pytest.approx(reference.std().item(), rel=0.03)


@pytest.mark.parametrize(
    ("rank", "adaptformer", "lora"), [(4, 101_436, 147_456), (8, 175_212, 294_912), (32, 617_868, 1_179_648)]
)
def test_how_many_numbers_they_hold_in_a_vit_b(rank, adaptformer, lora):
    def numbers(part):
        return 12 * sum(p.numel() for p in part.parameters())

    assert numbers(Bottleneck(768, rank, scaled=True, init="normal", generator=generator())) == adaptformer
    assert (
        numbers(Bottleneck(768, rank, scaled=False, init="normal", generator=generator())) == adaptformer - 12
    )
    assert numbers(LowRankQueryValue(768, 768, rank, generator())) == lora
    assert numbers(Prompts(10, 768, bound=1, dim=1, replacing=True, generator=generator())) == 92_160
    assert numbers(ScaleShift(768, generator())) == 12 * 2 * 768


@pytest.mark.parametrize("kind", KINDS)
def test_how_many_numbers_they_hold_in_a_tower(kind):
    expected = {
        "adaptformer": 2 * (2 * W + (W * R + R) + (R * W + W) + 1),
        "adapter": 2 * (2 * W + (W * R + R) + (R * W + W)),
        "lora": 2 * 4 * W * R,
        "vpt-shallow": TOKENS * W,
        "vpt-deep": 2 * TOKENS * W,
        "ssf": 2 * 8 * W,
        "bias": 2 * (3 * W + W + 2 * W + W + 2 * W) + W,
        "layer-norm": 2 * 4 * W + 2 * W,
        "unfrozen": sum(p.numel() for p in Fused(True).module.blocks.parameters()),
    }
    for which in ("fused", "separate"):
        if (which, kind) == ("separate", "lora"):
            pytest.importorskip("peft")
        backbone = BACKBONES[which]()
        with Lease(backbone.module) as lease:
            KINDS[kind](lease, backbone.sites)
            found = sum(p.numel() for p in lease.parameters().values())
        if (which, kind) != ("separate", "unfrozen"):
            assert found == expected[kind]


def test_initial_values():
    normal, uniform = kaiming((300, 500), "normal", generator()), kaiming((300, 500), "uniform", generator())
    deviation = 1 / math.sqrt(3 * 500)
    assert float(normal.std()) == pytest.approx(deviation, rel=0.01)
    assert float(uniform.std()) == pytest.approx(deviation, rel=0.01)
    assert float(uniform.abs().max()) == pytest.approx(1 / math.sqrt(500), rel=1e-3)
    reference = torch.empty(300, 500)
    nn.init.kaiming_uniform_(reference, a=math.sqrt(5))
    assert float(reference.std()) == pytest.approx(float(uniform.std()), rel=0.02)
    part = ScaleShift(20_000, generator())
    assert float(part.gamma.detach().mean()) == pytest.approx(1, abs=1e-3)
    assert float(part.gamma.detach().std()) == pytest.approx(0.02, rel=0.03)
    assert float(part.beta.detach().std()) == pytest.approx(0.02, rel=0.03)


def test_prompts_are_drawn_within_the_bound_of_visual_prompt_tuning():
    wide = nn.Sequential(nn.Conv2d(3, 768, 16, 16), nn.Linear(768, 768))
    for sites in (Sites((Block("1"),), 768, "BND"), Sites((Block("1"),), 768, "BND", patch=16)):
        with Lease(wide) as lease:
            adapters.visual_prompts(lease, sites, count=50, generator=generator())
            tokens = lease.parameters()["parts.prompts.0.tokens"]
            assert 0.0624 < float(tokens.detach().abs().max()) <= 0.0625  # sqrt(6 / (3 * 16 * 16 + 768))


def test_blocks_can_be_chosen():
    backbone = Fused(True)
    assert adapters.chosen_blocks(backbone.sites) == (0, 1)
    assert adapters.chosen_blocks(backbone.sites, 1) == (1,)
    for kind, put in KINDS.items():
        with Lease(backbone.module) as lease:
            put(lease, backbone.sites, blocks=adapters.chosen_blocks(backbone.sites, 1))
            assert backbone.run().shape == (5, W)
            assert not [
                name
                for name in lease.parameters()
                if name.startswith((f"parts.{kind}.0", "parts.prompts.0", "tuned.blocks.0"))
            ]


def test_bias_and_norms_of_part_of_the_tower_leave_the_norms_outside_alone():
    backbone = Fused(True)
    for put in (adapters.biases, adapters.layer_norms):
        with Lease(backbone.module) as lease:
            put(lease, backbone.sites, blocks=(1,))
            assert all(name.startswith("tuned.blocks.1.") for name in lease.parameters())


def test_a_branch_that_reads_within_a_block_can_be_run_from_several_threads():
    backbone = Fused(True)
    with Lease(backbone.module) as lease:
        KINDS["adaptformer"](lease, backbone.sites)
        stir(lease)
        inputs = [torch.randn(5, 3, 8, 8, generator=generator(seed)) for seed in range(40)]
        alone = [backbone.module(x).detach() for x in inputs]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda x: backbone.module(x).detach(), inputs))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(alone, together, strict=True))


def test_a_tower_in_bfloat16_keeps_its_type():
    backbone = Fused(True)
    backbone.module.to(torch.bfloat16)
    backbone.pixels = backbone.pixels.to(torch.bfloat16)
    for kind in ("adaptformer", "adapter", "lora", "vpt-deep", "ssf"):
        with Lease(backbone.module) as lease, torch.autocast("cpu", torch.bfloat16):
            KINDS[kind](lease, backbone.sites)
            stir(lease)
            backbone.run().float().sum().backward()
            assert all(
                p.dtype == torch.float32 and p.grad is not None for p in lease.parameters().values()
            ), kind


@pytest.mark.parametrize(
    ("put", "sites", "says"),
    [
        (KINDS["vpt-deep"], {"layout": "BCHW"}, "maps"),
        (KINDS["adaptformer"], {"blocks": (Block("blocks.0"),)}, "no normalisation before its MLP"),
        (KINDS["adaptformer"], {"layout": "BCHW"}, "no normalisation before its MLP"),
        (KINDS["adapter"], {"blocks": (Block("blocks.0"),)}, "no MLP"),
        (KINDS["lora"], {"blocks": (Block("blocks.0"),)}, "no attention"),
        (
            KINDS["adaptformer"],
            {"blocks": (Block("blocks.0", norms=("a", "b"), norms_first=False),)},
            "no normalisation before its MLP",
        ),
        (KINDS["ssf"], {"blocks": (Block("blocks.0"),)}, "no attention"),
        (KINDS["layer-norm"], {"blocks": (Block("blocks.0"),), "norms": ()}, "no normalisation layers"),
        (KINDS["vpt-deep"], {"width": 999}, "side of its patches"),
    ],
)
def test_a_tower_without_the_place_is_refused(put, sites, says):
    backbone = Fused(True)
    with Lease(backbone.module) as lease, pytest.raises(FitError, match=says):
        put(lease, replace(backbone.sites, **sites))


def test_blocks_that_are_not_there_are_refused():
    backbone = Fused(True)
    for last in (0, 3):
        with pytest.raises(FitError, match="1 to 2"):
            adapters.chosen_blocks(backbone.sites, last)
    with Lease(backbone.module) as lease, pytest.raises(FitError, match="0 to 1"):
        KINDS["lora"](lease, backbone.sites, blocks=(2,))


def test_parts_that_the_module_does_not_run_are_refused():
    backbone = Fused(True)
    backbone.module.unused = nn.Linear(W, W)
    with Lease(backbone.module) as lease:
        adapters.adaptformer(lease, backbone.sites, rank=R, generator=generator())
        adapters.require_reached(lease, backbone.run())
        lease.after("beside", "unused", ScaleShift(W, generator()))
        with pytest.raises(FitError, match=r"does not run beside\.gamma"):
            adapters.require_reached(lease, backbone.run())
    with Lease(backbone.module) as lease:
        adapters.biases(lease, backbone.sites)
        adapters.require_reached(lease, backbone.run())


def test_norms_inside_attention_and_mlp_are_not_what_adaptformer_reads():
    backbone = Fused(True)
    expected = backbone.sites
    more = tuple(
        replace(b, norms=(b.norms[0], f"{b.attention}.q_norm", b.norms[1], f"{b.mlp}.norm"))
        for b in expected.blocks
    )
    states = []
    for sites in (expected, replace(expected, blocks=more)):
        with Lease(backbone.module) as lease, torch.no_grad():
            adapters.adaptformer(lease, sites, rank=R, generator=generator())
            stir(lease)
            states.append(backbone.run())
    assert torch.equal(*states)
