"""The shared heads: shapes, initialisation, the formula, and that they run stacked."""

import copy

import pytest
import torch
from torch import nn

from burnish.heads.head import Outputs
from burnish.heads.modules import MLPHead, ResidualMLP, linear_head


def test_linear_head_is_kaiming_uniform_with_zero_bias():
    torch.manual_seed(0)
    head = linear_head(600, 50)
    bound = (6 / 600) ** 0.5
    assert head.weight.shape == (50, 600)
    assert torch.equal(head.bias, torch.zeros(50))
    assert head.weight.abs().max() <= bound
    # Uniform in +-bound: its standard deviation is bound / sqrt(3); 30,000 draws give it to about 1 %.
    assert head.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("residual", [True, False])
def test_residual_mlp_has_the_layers_it_says(blocks, residual):
    net = ResidualMLP(6, 10, blocks=blocks, residual=residual)
    kinds = [type(layer) for layer in net.mlp]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * blocks + [nn.Linear]
    assert [tuple(layer.weight.shape) for layer in net.mlp if isinstance(layer, nn.Linear)] == [
        (10, 6),
        *[(10, 10)] * (blocks - 1),
        (6, 10),
    ]
    assert (net.scale is None) is not residual
    if residual:
        assert torch.equal(net.scale, torch.ones(6))


def test_forward_is_scale_times_mlp_plus_features():
    torch.manual_seed(1)
    head = MLPHead(5, 3, ratio=2).double()
    head.body.scale.data = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.0], dtype=torch.float64)
    x = torch.randn(7, 5, dtype=torch.float64)
    out = head(x)
    assert isinstance(out, Outputs)
    first, norm, _, last = head.body.mlp
    hidden = x @ first.weight.T + first.bias
    hidden = (hidden - hidden.mean(0)) / torch.sqrt(hidden.var(0, correction=0) + norm.eps)
    hidden = torch.clamp(hidden * norm.weight + norm.bias, min=0)
    z = head.body.scale * (hidden @ last.weight.T + last.bias) + x
    assert torch.allclose(out.embeddings, z, atol=1e-12)
    assert torch.allclose(out.logits, z @ head.head.weight.T + head.head.bias, atol=1e-12)


def test_a_stack_of_heads_gives_what_each_gives_alone():
    torch.manual_seed(2)
    heads = [MLPHead(4, 3) for _ in range(3)]
    alone = [copy.deepcopy(head) for head in heads]
    parameters, buffers = torch.func.stack_module_state(heads)
    template = copy.deepcopy(heads[0]).to("meta")

    def forward(p, b, x):
        out = torch.func.functional_call(template, (p, b), (x,))
        return out.logits, b

    x = torch.randn(8, 4)
    logits, buffers = torch.func.vmap(forward, in_dims=(0, 0, None))(parameters, buffers, x)
    for t, head in enumerate(alone):
        assert torch.allclose(logits[t], head(x).logits, atol=1e-5)
        assert torch.allclose(buffers["body.mlp.1.running_mean"][t], head.body.mlp[1].running_mean, atol=1e-6)
