"""Formulas against values computed apart from this code, against loops, and what each loss may move."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_deft import objective as o

# Two items, three classes: values computed apart from this code.
Z_POS = torch.tensor([[30.0, 25.0, 20.0], [22.0, 28.0, 26.0]])
Z_NEG = torch.tensor([[27.0, 26.0, 23.0], [25.0, 24.0, 29.0]])
Y, C, ONE = torch.tensor([0, 0]), torch.tensor([2, 1]), torch.ones(2)


def test_golden_values():
    p_yes = o.yes(Z_POS, Z_NEG)
    assert p_yes[[0, 1], [0, 0]].tolist() == pytest.approx([0.952574, 0.047426], abs=1e-6)
    clean = o.clean(Z_POS, Z_NEG, Y, agree=False)
    assert clean.tolist() == [True, False]
    assert o.dual_prompt_loss(p_yes, Y, C, ONE).item() == pytest.approx(3.581956, abs=1e-5)
    pseudo = torch.where(clean, Y, Z_POS.argmax(dim=1))
    assert pseudo.tolist() == [0, 1]
    assert o.dual_prompt_loss(p_yes, pseudo, C, ONE).item() == pytest.approx(2.066737, abs=1e-5)
    assert o.similarity_loss(Z_POS, Y, ONE).item() == pytest.approx(3.067935, abs=1e-5)
    assert o.similarity_loss(Z_POS, Y, ONE * clean).item() == pytest.approx(0.006760, abs=1e-5)


def test_golden_symmetric_cross_entropy():
    logits, y, one = torch.tensor([[2.0, 0.0, -1.0]]), torch.tensor([0]), torch.ones(1)
    total = o.symmetric_cross_entropy(logits, y, one).item()
    assert total == pytest.approx(1.608550, abs=1e-5)
    assert total - o.similarity_loss(logits, y, one).item() == pytest.approx(1.438704, abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(2, 5), st.integers(0, 10_000))
def test_against_loops(items, classes, seed):
    rng = np.random.default_rng(seed)
    image, positive, negative = (
        rng.normal(size=(items, 4)),
        rng.normal(size=(classes, 4)),
        rng.normal(size=(classes, 4)),
    )
    y, away = rng.integers(0, classes, items), rng.integers(1, classes, items)
    complementary, weights = (y + away) % classes, rng.random(items)
    z_pos, z_neg = o.logits(*(torch.from_numpy(a) for a in (image, positive, negative)), 20.0)
    terms = {"no": 0.0, "yes": 0.0, "similarity": 0.0}
    for i in range(items):
        zs = [
            [
                20 * float(image[i] @ t[k]) / np.linalg.norm(image[i]) / np.linalg.norm(t[k])
                for k in range(classes)
            ]
            for t in (positive, negative)
        ]
        chance = [math.exp(a) / (math.exp(a) + math.exp(b)) for a, b in zip(*zs, strict=True)]
        terms["no"] += weights[i] * -math.log(max(1 - chance[complementary[i]], 1e-5))
        terms["yes"] += weights[i] * -math.log(max(chance[y[i]], 1e-5))
        terms["similarity"] += weights[i] * (math.log(sum(map(math.exp, zs[0]))) - zs[0][y[i]])
        for agree in (False, True):
            wanted = chance[y[i]] > 0.5 and (not agree or chance[y[i]] == max(chance))
            assert bool(o.clean(z_pos, z_neg, torch.from_numpy(y), agree)[i]) == wanted
    w, total = torch.from_numpy(weights), weights.sum()
    dual = o.dual_prompt_loss(o.yes(z_pos, z_neg), torch.from_numpy(y), torch.from_numpy(complementary), w)
    assert dual.item() == pytest.approx((terms["no"] + terms["yes"]) / total, rel=1e-6)
    assert o.similarity_loss(z_pos, torch.from_numpy(y), w).item() == pytest.approx(
        terms["similarity"] / total, rel=1e-6
    )


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_the_likeliest_yes_does_not_depend_on_the_order_of_classes(order):
    """p_yes of all three is 1 in float32, and its argmax would be the class that comes first."""
    margin, y = torch.tensor([[20.0, 25.0, 40.0]])[:, order], torch.tensor([order.index(2)])
    assert o.yes(margin, torch.zeros(1, 3)).tolist() == [[1.0, 1.0, 1.0]]
    assert o.clean(margin, torch.zeros(1, 3), y, agree=True).tolist() == [True]
    for other in (0, 1):
        wrong = torch.tensor([order.index(other)])
        assert o.clean(margin, torch.zeros(1, 3), wrong, agree=True).tolist() == [False]
        assert o.clean(margin, torch.zeros(1, 3), wrong, agree=False).tolist() == [True]


def test_a_label_as_near_to_both_prompts_is_not_clean():
    assert o.clean(
        torch.full((1, 2), 3.0), torch.full((1, 2), 3.0), torch.tensor([0]), agree=False
    ).tolist() == [False]


def test_each_loss_moves_its_own_prompts():
    generator = torch.Generator().manual_seed(0)
    image, positive, negative = (
        torch.randn(n, 4, generator=generator, requires_grad=True) for n in (2, 3, 3)
    )
    z_pos, z_neg = o.logits(image, positive, negative, 10.0)
    o.dual_prompt_loss(o.yes(z_pos, z_neg), Y, C, ONE).backward()
    assert image.grad is None
    assert positive.grad is None
    assert negative.grad.abs().sum() > 0
    negative.grad = None
    o.similarity_loss(z_pos, Y, ONE).backward()
    assert image.grad.abs().sum() > 0
    assert positive.grad.abs().sum() > 0
    assert negative.grad is None


def test_no_item_of_a_batch_is_no_loss():
    z_pos = Z_POS.clone().requires_grad_()
    loss = o.similarity_loss(z_pos, Y, torch.zeros(2))
    loss.backward()
    assert loss.item() == 0
    assert z_pos.grad.abs().sum() == 0


def test_forget_rate_grows_over_the_warm_up():
    for warmup in range(6):
        wanted = np.full(6, 0.4)
        wanted[:warmup] = np.linspace(0, 0.4, warmup)
        assert [o.forget_rate(e, 0.4, warmup) for e in range(6)] == pytest.approx(wanted)
    assert [o.forget_rate(e, 0.4, 5) for e in range(6)] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.4])
    assert [o.forget_rate(e, 0.4, 1) for e in range(2)] == [0, 0.4]
    assert o.forget_rate(0, 0.4, 0) == 0.4


def test_small_losses_are_the_smallest():
    losses = torch.tensor([3.0, 1.0, 2.0, 1.0])
    assert o.small_losses(losses, 0.5).tolist() == [False, True, False, True]
    assert o.small_losses(losses, 0.74).tolist() == [False, True, False, True]
    assert o.small_losses(losses, 0.0).tolist() == [False, True, False, False]
    assert o.small_losses(losses, 1.0).all()
