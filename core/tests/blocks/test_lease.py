"""A module on loan.

Parts act while the lease lasts, are taken out with it, and what was learnt can be put in again.
"""

import numpy as np
import pytest
import torch
from torch import nn

from burnish.blocks.lease import Lease, frozen_digest
from burnish.errors import ModelFileError, PluginError
from burnish.testing.towers import PracticeTowers

PIXELS = {"pixels": np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)}
MLP, QUERY, BLOCK = "image.blocks.0.mlp", "image.blocks.1.attention.query", "image.blocks.1"


class Scale(nn.Module):
    def __init__(self, by=2.0):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(by))

    def forward(self, x):
        return x * self.by


class Wrapped(nn.Module):
    """A layer around another, as peft's are."""

    def __init__(self, original):
        super().__init__()
        self.original, self.extra = original, nn.Linear(original.in_features, original.out_features)

    def forward(self, x):
        return self.original(x) + self.extra(x)


def hand(towers, mlp=lambda y, x: y, block=lambda x: x, query=lambda q, x: q, weight=lambda w: w):
    """The image tower, written out, with a change at every place."""
    m = towers.module
    x = towers.tokens(PIXELS, layer=-3)  # the embedded patches: no block
    for number, b in enumerate(m.image.blocks):
        x = block(x) if number == 1 else x
        normed = b.norm1(x)
        q = b.attention.query(normed)
        q = query(q, normed) if number == 1 else q
        mixed = torch.nn.functional.scaled_dot_product_attention(
            q, b.attention.key(normed), b.attention.value(normed)
        )
        x = x + torch.nn.functional.linear(
            mixed,
            weight(b.attention.out.weight) if number == 0 else b.attention.out.weight,
            b.attention.out.bias,
        )
        normed = b.norm2(x)
        x = x + (mlp(b.mlp(normed), normed) if number == 0 else b.mlp(normed))
    return m.image.norm(x[:, 0]) @ towers.projection


def test_every_kind_of_part_does_what_it_says_and_is_gone_afterwards():
    towers = PracticeTowers()
    plain, digest = towers.encode(PIXELS), frozen_digest(towers.module)
    torch.manual_seed(0)
    extra = Wrapped(nn.Linear(16, 16)).extra
    cases = {
        "before": (lambda lease: lease.before("p", BLOCK, Scale()), {"block": lambda x: 2 * x}),
        "after": (lambda lease: lease.after("p", MLP, Scale()), {"mlp": lambda y, x: 2 * y}),
        "parallel": (lambda lease: lease.parallel("p", MLP, Scale(3.0)), {"mlp": lambda y, x: y + 3 * x}),
        "reparametrise": (
            lambda lease: lease.reparametrise("p", "image.blocks.0.attention.out", "weight", Scale()),
            {"weight": lambda w: 2 * w},
        ),
    }
    for name, (put, change) in cases.items():
        with Lease(towers.module) as lease:
            put(lease)
            assert torch.allclose(towers.forward(PIXELS), hand(PracticeTowers(), **change), atol=1e-5), name
            assert not torch.allclose(towers.forward(PIXELS), plain, atol=1e-3), name
            with lease.off():
                assert torch.equal(towers.encode(PIXELS), plain), name
            assert list(lease.parameters()) == ["parts.p.by"]
        assert torch.equal(towers.encode(PIXELS), plain), name
        assert frozen_digest(towers.module) == digest

    def wrap(original):
        wrapped = Wrapped(original)
        wrapped.extra = extra
        return wrapped

    with Lease(towers.module) as lease:
        lease.replace("p", QUERY, wrap)
        assert torch.allclose(
            towers.forward(PIXELS), hand(PracticeTowers(), query=lambda q, x: q + extra(x)), atol=1e-5
        )
        assert set(lease.parameters()) == {"parts.p.extra.weight", "parts.p.extra.bias"}
        with lease.off():
            assert torch.equal(towers.encode(PIXELS), plain)
        towers.forward(PIXELS).sum().backward()
        assert extra.weight.grad is not None
    assert frozen_digest(towers.module) == digest


def test_without_parts_the_hand_written_tower_is_the_tower():
    towers = PracticeTowers()
    assert torch.allclose(towers.encode(PIXELS), hand(towers), atol=1e-6)


def test_unfrozen_parameters_are_trained_in_place_and_come_back_bit_for_bit_even_after_an_error():
    towers = PracticeTowers()
    plain, digest = towers.encode(PIXELS), frozen_digest(towers.module)
    flags = [p.requires_grad for p in towers.module.parameters()]
    with pytest.raises(RuntimeError, match="the middle"), Lease(towers.module) as lease:  # noqa: PT012 - the lease is what is tried
        lease.unfreeze(lambda name: name.startswith("image.blocks.1"))
        optimiser = torch.optim.SGD(lease.parameters().values(), lr=0.1)
        towers.forward(PIXELS).square().sum().backward()
        optimiser.step()
        learnt = towers.encode(PIXELS)
        assert not torch.equal(learnt, plain)
        with lease.off():
            assert torch.equal(towers.encode(PIXELS), plain)
        assert torch.equal(towers.encode(PIXELS), learnt)
        state = lease.state()
        raise RuntimeError("in the middle")
    assert frozen_digest(towers.module) == digest
    assert [p.requires_grad for p in towers.module.parameters()] == flags
    with Lease(towers.module) as lease:
        lease.unfreeze(lambda name: name.startswith("image.blocks.1"))
        lease.load(state)
        assert torch.equal(towers.encode(PIXELS), learnt)
    assert torch.equal(towers.encode(PIXELS), plain)


def test_a_state_goes_into_a_lease_with_the_same_parts_and_no_other():
    towers = PracticeTowers()
    with Lease(towers.module) as lease:
        lease.after("one", MLP, Scale(5.0))
        state = lease.state()
        changed = towers.encode(PIXELS)
    with Lease(towers.module) as lease:
        lease.after("one", MLP, Scale())
        lease.load(state)
        assert torch.equal(towers.encode(PIXELS), changed)
    with Lease(towers.module) as lease:
        lease.after("other", MLP, Scale())
        with pytest.raises(ModelFileError, match=r"parts\.one\.by is unknown"):
            lease.load(state)
    with Lease(towers.module) as lease:
        lease.after("one", MLP, Scale())
        with pytest.raises(ModelFileError, match=r"parts\.one\.by is \(2,\)"):
            lease.load({"parts.one.by": torch.zeros(2)})


def test_training_mode_is_for_the_parts_alone():
    towers = PracticeTowers()
    part = nn.Sequential(nn.BatchNorm1d(17), nn.Dropout(0.5))
    with Lease(towers.module) as lease:
        lease.after("p", MLP, part)
        lease.train()
        assert part[0].training
        assert not any(m.training for m in towers.module.modules())
        assert {"parts.p.0.running_mean", "parts.p.0.weight"} <= set(lease.state())
        lease.train(False)
        assert not part[0].training


def test_what_is_wrong_is_told():
    towers = PracticeTowers()
    lease = Lease(towers.module)
    with pytest.raises(PluginError, match="not on loan"):
        lease.add("p", Scale())
    with lease:
        with pytest.raises(PluginError, match=r"no module 'image\.blocks\.9'"):
            lease.after("p", "image.blocks.9", Scale())
        lease.add("q", Scale())
        with pytest.raises(PluginError, match="two parts named 'q'"):
            lease.add("q", Scale())
        with pytest.raises(PluginError, match="no parameter"):
            lease.unfreeze(lambda name: False)


def test_the_digest_tells_one_bit():
    towers = PracticeTowers()
    before = frozen_digest(towers.module)
    with torch.no_grad():
        bits = towers.module.get_parameter("first").view(torch.int32)
        bits[3] ^= 1
    assert frozen_digest(towers.module) != before
