"""Dropout that stacks: its rate, its independence, its masks under vmap."""

import copy

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap

from burnish.blocks import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_rate_and_scale(p):
    torch.manual_seed(0)
    layer = Dropout(p).train()
    x = torch.full((400, 250), 2.0)
    y = layer(x)
    kept = y != 0
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=5 * (p * (1 - p) / x.numel()) ** 0.5)
    assert y[kept].unique().tolist() == pytest.approx([2 / (1 - p)])


def test_masks_of_steps_layers_and_neighbours_are_independent():
    torch.manual_seed(1)
    first, second = Dropout(0.3).train(), Dropout(0.3).train()
    masks = torch.stack([(layer(torch.ones(64, 384)) == 0).float() - 0.3 for layer in (first, first, second)])
    flat, error = masks.flatten(1), 5 / masks[0].numel() ** 0.5
    pairs = [
        (flat[0], flat[1]),
        (flat[0], flat[2]),
        (flat[0, 1:], flat[0, :-1]),
        (flat[0, 384:], flat[0, :-384]),
    ]
    assert all(abs((a * b).mean().item()) / 0.21 < error for a, b in pairs)


def test_evaluation_and_p_0_change_nothing():
    x = torch.randn(5, 6)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0).train()(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_other_probabilities_are_refused(p):
    with pytest.raises(ValueError, match="not in"):
        Dropout(p)


def test_a_stack_draws_what_each_draws_alone():
    torch.manual_seed(2)
    layers = [Dropout(0.4).train() for _ in range(5)]
    _, buffers = stack_module_state(layers)
    template = copy.deepcopy(layers[0]).to("meta")
    x = torch.randn(5, 7, 3)

    def forward(state, rows):
        state = {name: b.clone() for name, b in state.items()}
        return functional_call(template, state, (rows,)), state

    for _ in range(2):
        stacked, buffers = vmap(forward)(buffers, x)
        assert torch.equal(stacked, torch.stack([layer(rows) for layer, rows in zip(layers, x, strict=True)]))


def test_gradient_passes_where_the_number_was_kept():
    layer = Dropout(0.5).train()
    x = torch.ones(50, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
