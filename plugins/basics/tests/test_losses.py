"""Losses against loops in plain Python, golden values, gradients, and as they run in a stack."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish import NoConfig
from burnish.contracts.loss import LossInput, Targets
from burnish_basics._losses import LOSSES, FocalConfig, GCEConfig, LabelSmoothingConfig, SCEConfig
from burnish_basics.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Focal,
    GeneralisedCrossEntropy,
    LabelSmoothing,
    SymmetricCrossEntropy,
)


def pattern(n, d, a, b):
    """Return the deterministic inputs of the golden values: sin(0.37 a k^2 + b), k = i d + j + 1."""
    k = torch.arange(1, n * d + 1, dtype=torch.float64).reshape(n, d)
    return torch.sin(0.37 * a * k**2 + b)


def given_input(logits, **targets):
    b, c = logits.shape
    zero = torch.zeros(())
    return LossInput(logits, Targets(**targets), None, torch.ones(c), torch.arange(b), zero)


def values(loss, logits, **targets):
    value, rows = loss(given_input(logits, **targets), {})
    assert value.per == "example"
    assert rows == {}
    assert value.values.shape == logits.shape[:1]
    return value.values


# -- the slow second implementation: one example, plain floats -----------------------------------------------


def softmax(z):
    e = [math.exp(v - max(z)) for v in z]
    return [v / sum(e) for v in e]


def slow_ce(z, t):
    return -sum(tk * math.log(pk) for tk, pk in zip(t, softmax(z), strict=True))


def slow_smoothing(z, t, epsilon):
    return slow_ce(z, [(1 - epsilon) * tk + epsilon / len(t) for tk in t])


def slow_gce(z, t, q):
    return sum(tk * (1 - pk**q) / q for tk, pk in zip(t, softmax(z), strict=True))


def slow_sce(z, t, alpha, beta, log_zero):
    reverse = -sum(
        pk * max(log_zero, math.log(tk) if tk > 0 else -math.inf)
        for tk, pk in zip(t, softmax(z), strict=True)
    )
    return alpha * slow_ce(z, t) + beta * reverse


def slow_focal(z, t, gamma):
    return sum(-tk * (1 - pk) ** gamma * math.log(pk) for tk, pk in zip(t, softmax(z), strict=True))


CASES = [
    pytest.param(CrossEntropy(NoConfig()), slow_ce, id="ce"),
    pytest.param(
        LabelSmoothing(LabelSmoothingConfig(0.2)),
        lambda z, t: slow_smoothing(z, t, 0.2),
        id="label-smoothing",
    ),
    pytest.param(GeneralisedCrossEntropy(GCEConfig(0.7)), lambda z, t: slow_gce(z, t, 0.7), id="gce"),
    pytest.param(GeneralisedCrossEntropy(GCEConfig(1.0)), lambda z, t: slow_gce(z, t, 1.0), id="gce-mae"),
    pytest.param(
        SymmetricCrossEntropy(SCEConfig(0.5, 2.0, -4.0)),
        lambda z, t: slow_sce(z, t, 0.5, 2.0, -4.0),
        id="sce",
    ),
    pytest.param(Focal(FocalConfig(2.0)), lambda z, t: slow_focal(z, t, 2.0), id="focal"),
    pytest.param(Focal(FocalConfig(0.5)), lambda z, t: slow_focal(z, t, 0.5), id="focal-half"),
]


@pytest.mark.parametrize(("loss", "slow"), CASES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_equal_to_plain_python(loss, slow, data):
    b, c = data.draw(st.integers(1, 5)), data.draw(st.integers(2, 6))
    numbers = st.floats(-6, 6, allow_nan=False)
    z = data.draw(st.lists(st.lists(numbers, min_size=c, max_size=c), min_size=b, max_size=b))
    y = data.draw(st.lists(st.integers(0, c - 1), min_size=b, max_size=b))
    t = [
        softmax(row)
        for row in data.draw(st.lists(st.lists(numbers, min_size=c, max_size=c), min_size=b, max_size=b))
    ]
    logits = torch.tensor(z, dtype=torch.float64)
    hard = [[float(k == label) for k in range(c)] for label in y]
    got = values(loss, logits, hard=torch.tensor(y))
    assert got.tolist() == pytest.approx(
        [slow(zi, ti) for zi, ti in zip(z, hard, strict=True)], rel=1e-9, abs=1e-12
    )
    got = values(loss, logits, soft=torch.tensor(t, dtype=torch.float64))
    assert got.tolist() == pytest.approx(
        [slow(zi, ti) for zi, ti in zip(z, t, strict=True)], rel=1e-9, abs=1e-12
    )


@pytest.mark.parametrize(("loss", "slow"), CASES)
def test_one_hot_soft_targets_are_hard_targets(loss, slow):
    logits = pattern(6, 4, 0.9, 0.2) * 3
    y = torch.tensor([0, 1, 2, 3, 1, 0])
    one_hot = torch.nn.functional.one_hot(y, 4).double()
    assert torch.allclose(values(loss, logits, hard=y), values(loss, logits, soft=one_hot), atol=1e-12)


def test_golden_values():
    s, y = 3 * pattern(6, 3, 0.9, 0.2), torch.tensor([0, 0, 1, 1, 2, 2])
    assert values(CrossEntropy(NoConfig()), s, hard=y).mean().item() == pytest.approx(2.08522230, abs=5e-9)
    assert values(Focal(FocalConfig(2.0)), s, hard=y).mean().item() == pytest.approx(1.64838204, abs=5e-9)


def test_golden_value_of_symmetric_cross_entropy_with_the_released_clamp():
    z, y = torch.tensor([[2.0, 0.0, -1.0]], dtype=torch.float64), torch.tensor([0])
    released = math.log(1e-4)
    assert values(SymmetricCrossEntropy(SCEConfig(1.0, 1.0, released)), z, hard=y).item() == pytest.approx(
        1.608550, abs=5e-7
    )
    assert values(SymmetricCrossEntropy(SCEConfig(0.0, 1.0, released)), z, hard=y).item() == pytest.approx(
        1.438704, abs=5e-7
    )


def test_limits_of_generalised_cross_entropy_and_focal():
    z, y = pattern(5, 3, 1, 0), torch.tensor([0, 1, 2, 0, 1])
    ce = values(CrossEntropy(NoConfig()), z, hard=y)
    assert torch.equal(values(GeneralisedCrossEntropy(GCEConfig(0.0)), z, hard=y), ce)
    assert torch.allclose(values(GeneralisedCrossEntropy(GCEConfig(1e-9)), z, hard=y), ce, rtol=1e-8)
    assert torch.allclose(values(Focal(FocalConfig(0.0)), z, hard=y), ce)
    # Mean absolute error, sum_k |t_k - p_k|, is twice 1 - p_y.
    p = torch.softmax(z, dim=1)
    absolute = (torch.nn.functional.one_hot(y, 3) - p).abs().sum(1)
    assert torch.allclose(2 * values(GeneralisedCrossEntropy(GCEConfig(1.0)), z, hard=y), absolute)


def test_symmetric_losses_sum_to_a_constant_over_the_labels():
    """Mean absolute error and reverse cross-entropy are symmetric: that is why they bear label noise."""
    z = pattern(4, 5, 1, 0.3) * 4
    for loss, constant in [
        (GeneralisedCrossEntropy(GCEConfig(1.0)), 4.0),
        (SymmetricCrossEntropy(SCEConfig(0.0, 1.0, -4.0)), 16.0),
    ]:
        total = sum(values(loss, z, hard=torch.full((4,), k)) for k in range(5))
        assert torch.allclose(total, torch.full((4,), constant, dtype=torch.float64))


@pytest.mark.parametrize(("loss", "slow"), CASES)
def test_gradients(loss, slow):
    logits = (pattern(4, 3, 0.6, 0.4) * 2).requires_grad_()
    y, t = torch.tensor([0, 1, 2, 1]), torch.softmax(pattern(4, 3, 1, 1), dim=1)
    assert torch.autograd.gradcheck(lambda z: values(loss, z, hard=y), (logits,))
    assert torch.autograd.gradcheck(lambda z: values(loss, z, soft=t), (logits,))


@pytest.mark.parametrize(("loss", "slow"), CASES)
@pytest.mark.parametrize("size", [100.0, 1e4])
def test_finite_at_extreme_logits(loss, slow, size):
    logits = torch.tensor([[size, 0, -size], [-size, 0, size]], dtype=torch.float32, requires_grad=True)
    got = values(loss, logits, hard=torch.tensor([0, 0]))
    got.sum().backward()
    assert torch.isfinite(got).all()
    assert torch.isfinite(logits.grad).all()
    assert (got >= 0).all()


@pytest.mark.parametrize(("loss", "slow"), CASES)
def test_a_stack_gives_what_each_trial_gives_alone(loss, slow):
    logits = torch.stack([pattern(5, 3, a, 0.1) for a in (1, 2, 3)])
    y = torch.tensor([[0, 1, 2, 0, 1], [2, 2, 1, 0, 0], [1, 1, 1, 1, 1]])

    def mean(z, t):
        return values(loss, z, hard=t).mean()

    got = torch.func.vmap(torch.func.grad(mean))(logits, y)
    for k in range(3):
        assert torch.allclose(got[k], torch.func.grad(mean)(logits[k], y[k]), atol=1e-12)


# -- binary cross-entropy ------------------------------------------------------------------------------------


def test_binary_cross_entropy_leaves_unknown_entries_out():
    z = pattern(5, 4, 1, 0) * 3
    positive = torch.tensor(
        [[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]], dtype=torch.float64
    )
    observed = torch.tensor(
        [[1, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=torch.float64
    )
    expected = []
    for i in range(5):
        entries = []
        for k in range(4):
            if observed[i, k]:
                p = 1 / (1 + math.exp(-z[i, k]))
                entries.append(-math.log(p) if positive[i, k] else -math.log(1 - p))
        expected.append(sum(entries) / len(entries) if entries else 0.0)
    loss = BinaryCrossEntropy(NoConfig())
    got = values(loss, z, multi=positive * observed, observed=observed)
    assert got.tolist() == pytest.approx(expected, rel=1e-12)
    assert torch.autograd.gradcheck(
        lambda x: values(loss, x, multi=positive, observed=observed), (z.requires_grad_(),)
    )


def test_an_unknown_entry_has_no_gradient():
    z = torch.tensor([[3.0, -2.0]], dtype=torch.float64, requires_grad=True)
    values(
        BinaryCrossEntropy(NoConfig()),
        z,
        multi=torch.tensor([[1.0, 1.0]]),
        observed=torch.tensor([[1.0, 0.0]]),
    ).sum().backward()
    assert z.grad[0, 1] == 0
    assert z.grad[0, 0] < 0


def test_binary_cross_entropy_is_finite_and_stacks():
    z = torch.tensor([[1e4, -1e4], [-1e4, 1e4]])
    one = torch.ones(2, 2)
    loss = BinaryCrossEntropy(NoConfig())
    assert torch.isfinite(values(loss, z, multi=one, observed=one)).all()
    stacked = torch.func.vmap(lambda x, t: values(loss, x, multi=t, observed=one))(
        torch.stack([z, -z]), torch.stack([one, one])
    )
    assert torch.equal(stacked[0], values(loss, z, multi=one, observed=one))


def test_descriptors_and_targets_agree():
    assert [loss.name for loss in LOSSES] == ["ce", "label-smoothing", "gce", "sce", "focal", "bce"]
    assert {loss.name for loss in LOSSES if loss.needs == {"labels"}} == {
        "ce",
        "label-smoothing",
        "gce",
        "sce",
        "focal",
    }
    assert {loss.name for loss in LOSSES if loss.needs == {"multi-labels"}} == {"bce"}
    assert CrossEntropy(NoConfig()).accepts == {"hard", "soft"}
    assert BinaryCrossEntropy(NoConfig()).accepts == {"multi"}
    assert dict(CrossEntropy(NoConfig()).memory(5, 2)) == {}
