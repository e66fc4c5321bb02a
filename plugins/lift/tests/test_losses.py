"""Losses for long tails.

Values computed apart from this code, a slow second implementation, classes without items.
"""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_lift import LossName
from burnish_lift.losses import LongTailLoss, class_balanced_weights, inverse_weights, ldam_margins

NAMES = get_args(LossName)
COUNTS = torch.tensor([100.0, 10.0, 1.0])


def test_margins_and_class_weights_of_a_long_tail():
    assert ldam_margins(COUNTS).tolist() == pytest.approx([0.1581, 0.2812, 0.5], abs=1e-4)
    assert class_balanced_weights(COUNTS).tolist() == pytest.approx([0.0272, 0.2704, 2.7025], abs=1e-4)
    assert inverse_weights(COUNTS).tolist() == pytest.approx([0.0270, 0.2703, 2.7027], abs=1e-4)


def by_hand(name, z, y, counts, tau, scale):
    """One item, with plain numbers."""
    z, total = [float(v) for v in z], sum(counts)
    if name == "la":
        z = (
            [v + tau * math.log(n / total) if n else -math.inf for v, n in zip(z, counts, strict=True)]
            if tau
            else z
        )
    if name == "ldam":
        quarters = [n**-0.25 if n else 0.0 for n in counts]
        z[y] -= scale * 0.5 * quarters[y] / max(quarters)
    largest = max(z)
    p = math.exp(z[y] - largest) / sum(math.exp(v - largest) for v in z)
    return (1 - p) ** 2 * -math.log(p) if name == "focal" else -math.log(p)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(
    z=st.lists(st.lists(st.floats(-6, 6), min_size=4, max_size=4), min_size=1, max_size=5),
    seed=st.integers(0, 100),
    tau=st.sampled_from([0.0, 1.0, 2.0]),
)
def test_values_are_those_of_the_formula(name, z, seed, tau):
    rng = np.random.default_rng(seed)
    counts = [50, 7, 0, 1]
    y = rng.choice([0, 1, 3], len(z))
    loss = LongTailLoss(name, torch.tensor(counts, dtype=torch.float32), tau=tau, scale=3.0)
    found = loss.values(torch.tensor(z), torch.from_numpy(y))
    expected = [by_hand(name, row, int(k), counts, tau, 3.0) for row, k in zip(z, y, strict=True)]
    assert found.tolist() == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_logit_adjustment_shifts_logits_by_the_log_of_the_prior_and_nothing_else():
    z, y = torch.tensor([[1.0, 2.0, -1.0]]), torch.tensor([2])
    shifted = z + torch.tensor([[100 / 111, 10 / 111, 1 / 111]]).log()
    assert torch.allclose(
        LongTailLoss("la", COUNTS).values(z, y), torch.nn.functional.cross_entropy(shifted, y)
    )
    assert torch.equal(
        LongTailLoss("la", COUNTS, tau=0.0).values(z, y), LongTailLoss("ce", COUNTS).values(z, y)
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_class_without_items_costs_nothing_and_breaks_nothing(name):
    z = torch.tensor([[1.0, 2.0, 3.0], [30.0, -40.0, 0.0]], requires_grad=True)
    loss = LongTailLoss(name, torch.tensor([5.0, 0.0, 2.0]))
    value = (loss.values(z, torch.tensor([0, 2])) * loss.class_weights[[0, 2]]).sum()
    value.backward()
    assert bool(torch.isfinite(value))
    assert bool(torch.isfinite(z.grad).all())
    assert bool(torch.isfinite(loss.class_weights).all())
    if name == "la":
        assert z.grad[:, 1].tolist() == [0.0, 0.0]


def test_weights_of_classes_with_items_have_the_mean_one():
    counts = torch.tensor([40.0, 0.0, 3.0, 1.0])
    for weights in (class_balanced_weights(counts), inverse_weights(counts)):
        assert float(weights.sum()) == pytest.approx(3)
        assert float(weights[1]) == 0
    assert LongTailLoss("ce", counts).class_weights.tolist() == [1, 1, 1, 1]
