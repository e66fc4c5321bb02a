"""The adapter and its losses: golden values, and loops that do the same slowly."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_fedclip.adapter import adapted, attention, class_cross_entropy, infonce, initial, shapes


def wave(n, d, a, b):
    """Return sin(0.37 a k^2 + b) for k = 1, 2, ..., row by row."""
    k = torch.arange(1, n * d + 1, dtype=torch.float64)
    return torch.sin(0.37 * a * k**2 + b).reshape(n, d)


IMAGES, TEXTS = wave(4, 5, 1, 0), wave(4, 5, 0.6, 0.5)
ADAPTER = {
    "w1": 0.5 * wave(5, 5, 0.3, 0),
    "w2": 0.5 * wave(5, 5, 0.2, 0.4),
    "b1": torch.zeros(5).double(),
    "b2": torch.zeros(5).double(),
}


def slow_gate(adapter, image):
    dim = len(image)
    hidden = [
        math.tanh(sum(float(adapter["w1"][i, j] * image[j]) for j in range(dim)) + float(adapter["b1"][i]))
        for i in range(dim)
    ]
    powers = [
        math.exp(sum(float(adapter["w2"][i, j]) * hidden[j] for j in range(dim)) + float(adapter["b2"][i]))
        for i in range(dim)
    ]
    return [p / sum(powers) for p in powers]


def slow_infonce(images, texts, weights, scale):
    rows = [i for i in range(len(weights)) if weights[i] > 0]
    s = {(i, j): scale * float(images[i] @ texts[j]) for i in rows for j in rows}

    def cross_entropy(i, of):
        top = max(of(j) for j in rows)
        return top + math.log(sum(math.exp(of(j) - top) for j in rows)) - s[i, i]

    both = [
        0.5 * (cross_entropy(i, lambda j, i=i: s[i, j]) + cross_entropy(i, lambda j, i=i: s[j, i]))
        for i in rows
    ]
    return sum(float(weights[i]) * value for i, value in zip(rows, both, strict=True)) / sum(
        float(weights[i]) for i in rows
    )


def test_golden_values():
    gate = attention(ADAPTER, IMAGES)
    assert gate.sum(dim=1).numpy() == pytest.approx(np.ones(4))
    assert float(gate[0, 0]) == pytest.approx(0.12356277, abs=1e-8)
    images, texts = adapted(ADAPTER, IMAGES), torch.nn.functional.normalize(TEXTS, dim=-1)
    assert float(infonce(images, texts, torch.ones(4).double(), 100.0)) == pytest.approx(
        41.44759763, abs=1e-7
    )
    assert float(infonce(images, texts, torch.ones(4).double(), 10.0)) == pytest.approx(4.34466747, abs=1e-7)


def test_the_gate_in_loops():
    for row, image in zip(attention(ADAPTER, IMAGES), IMAGES, strict=True):
        assert row.numpy() == pytest.approx(slow_gate(ADAPTER, image))


@pytest.mark.parametrize(("dim", "numbers"), [(512, 525_312), (768, 1_181_184), (1024, 2_099_200)])
def test_sizes(dim, numbers):
    assert sum(math.prod(shape) for shape in shapes(dim).values()) == numbers


def test_a_uniform_gate_changes_no_cosine():
    zero = {name: torch.zeros(shape).double() for name, shape in shapes(5).items()}
    assert torch.allclose(adapted(zero, IMAGES), torch.nn.functional.normalize(IMAGES, dim=-1))


def test_a_fresh_adapter_is_two_linear_layers_and_nearly_the_identity():
    drawn = initial(64, 3)
    torch.manual_seed(3)
    layers = [torch.nn.Linear(64, 64), torch.nn.Linear(64, 64)]
    for name, parameter in zip(
        ("w1", "b1", "w2", "b2"), (p for layer in layers for p in layer.parameters()), strict=True
    ):
        assert torch.equal(drawn[name], parameter)
    x = torch.randn(10, 64, generator=torch.Generator().manual_seed(0))
    assert float((adapted(drawn, x) * torch.nn.functional.normalize(x, dim=-1)).sum(-1).min()) > 0.9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 7), st.integers(1, 4))
def test_infonce_in_loops_with_padding_and_weights(seed, batch, clients):
    rng = np.random.default_rng(seed)
    images, texts = torch.from_numpy(rng.normal(size=(2, clients, batch, 5)))
    weights = torch.from_numpy(rng.uniform(0.1, 2, (clients, batch)) * (rng.random((clients, batch)) < 0.7))
    weights[:, 0] = 1.0
    fast = infonce(images, texts, weights, 3.0)
    assert fast.numpy() == pytest.approx(
        [slow_infonce(images[k], texts[k], weights[k], 3.0) for k in range(clients)]
    )


def test_padding_gets_no_gradient_and_none_is_nan():
    images = IMAGES.clone().requires_grad_()
    infonce(images, TEXTS, torch.tensor([1.0, 2.0, 0.0, 0.0]).double(), 5.0).backward()
    assert bool(torch.isfinite(images.grad).all())
    assert bool((images.grad[2:] == 0).all())
    assert bool((images.grad[:2] != 0).any())


@pytest.mark.parametrize("counts", [[2, 2], [3, 1], [4], [1, 1, 1, 1]])
def test_equal_captions_leave_a_floor(counts):
    y = [c for c, n in enumerate(counts) for _ in range(n)]
    perfect = torch.eye(4, dtype=torch.float64)[y]
    floor = sum(n / len(y) * math.log(n) for n in counts)
    assert float(infonce(perfect, perfect, torch.ones(4).double(), 1000.0)) == pytest.approx(floor)


def test_class_cross_entropy_is_torchs():
    logits, y = wave(6, 3, 0.9, 0.2), torch.tensor([0, 1, 2, 0, 1, 2])
    weights = torch.tensor([1.0, 0.5, 2.0, 0.0, 1.0, 1.0]).double()
    each = torch.nn.functional.cross_entropy(logits, y, reduction="none")
    assert float(class_cross_entropy(logits, y, weights)) == pytest.approx(
        float((each * weights).sum() / weights.sum())
    )


def test_gradients_are_right():
    weights = torch.tensor([1.0, 2.0, 0.5, 0.0]).double()
    leaves = [ADAPTER[name].clone().requires_grad_() for name in shapes(5)]

    def loss(*values):
        return infonce(adapted(dict(zip(shapes(5), values, strict=True)), IMAGES), TEXTS, weights, 2.0)

    assert torch.autograd.gradcheck(loss, leaves)
