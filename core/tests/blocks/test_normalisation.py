"""Batch normalisation for stacks against torch's."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from burnish.heads.normalisation import BatchNorm, stackable


@pytest.mark.parametrize(
    "options", [{}, {"affine": False}, {"track_running_stats": False}, {"momentum": 0.3, "eps": 1e-2}]
)
def test_values_gradients_and_statistics_are_torchs(options):
    torch.manual_seed(0)
    theirs = nn.BatchNorm1d(7, **options).double()
    if theirs.affine:
        nn.init.normal_(theirs.weight)
        nn.init.normal_(theirs.bias)
    ours = stackable(nn.Sequential(copy.deepcopy(theirs)))[0]
    assert type(ours) is BatchNorm
    target = torch.randn(9, 7, dtype=torch.float64)
    results = []
    for layer in (theirs, ours):
        x = (target * 3 + 1).requires_grad_()
        y = layer(x)
        ((y - target) ** 3).sum().backward()
        results.append([y.detach(), x.grad, *(p.grad for p in layer.parameters()), *layer.buffers()])
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, atol=1e-10)
    theirs.eval(), ours.eval()
    assert torch.allclose(theirs(target), ours(target), atol=1e-10)


def test_names_and_other_layers_stay():
    net = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.BatchNorm1d(4), nn.ReLU()), nn.LayerNorm(4))
    names = list(net.state_dict())
    swapped = stackable(net)
    assert list(swapped.state_dict()) == names
    assert [type(m) for m in swapped.modules()] == [
        nn.Sequential,
        nn.Linear,
        nn.Sequential,
        BatchNorm,
        nn.ReLU,
        nn.LayerNorm,
    ]
    assert type(stackable(nn.BatchNorm1d(3))) is BatchNorm


@pytest.mark.parametrize(("width", "trials"), [(7, 3), (24, 5), (64, 30)])
def test_a_trials_bits_do_not_depend_on_the_stack(width, trials):
    torch.manual_seed(1)
    layers = [stackable(nn.BatchNorm1d(width)).train() for _ in range(trials)]
    template = copy.deepcopy(layers[0]).to("meta")
    x = torch.randn(trials, 16, width)

    def run(chosen):
        parameters, buffers = stack_module_state([layers[t] for t in chosen])

        def forward(p, b, rows):
            b = {name: t.clone() for name, t in b.items()}
            return functional_call(template, (p, b), (rows,)), b

        rows = x[list(chosen)].requires_grad_()
        y, after = vmap(forward)(parameters, buffers, rows)
        return [y, *after.values(), *torch.autograd.grad(y.square().sum(), [rows, *parameters.values()])]

    whole = run(range(trials))
    for chosen in ([0, 1], [trials - 1, 0]):
        assert all(torch.equal(part, full[chosen]) for part, full in zip(run(chosen), whole, strict=True))
