"""The model against a slow second implementation, golden values and torch's own attention."""

import math

import numpy as np
import pytest
import slow_candle as slow
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from burnish_candle import MASKS, CandleConfig, mask_of
from burnish_candle.attention import CrossModalAttention, blocked
from burnish_candle.model import CandleModel, Similarities, compensated_loss, cosines, log_prior, total_loss

ALL_MASKS = ("queries", "none", "in-visual", "in-text", "between")
HEADS, DIM, CLASSES, ITEMS = 2, 8, 3, 4


def made(seed=0, scale=100.0, **options):
    """Return a model none of whose tensors is at its start, features and prototypes."""
    torch.manual_seed(seed)
    model = CandleModel(DIM, CLASSES, CandleConfig(heads=HEADS, **options), scale).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        model.texts.copy_(torch.randn(CLASSES, DIM))
        model.prototypes.copy_(torch.randn(CLASSES, DIM))
    return model, torch.randn(ITEMS, DIM, dtype=torch.float64)


def arrays(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("variant", ["paper", "released"])
@pytest.mark.parametrize("mask", ALL_MASKS)
def test_similarities(mask, variant):
    model, v = made(mask=mask, variant=variant, scale=20.0, kappa=0.7)
    with torch.no_grad():
        found = model(v, model.prototypes)
        scores = model.scores(model.fused(v))
    p = arrays(model)
    expected = slow.similarities(
        v.numpy(), p["prototypes"], p["texts"], p, HEADS, 20.0, 0.7, mask, text_self=variant == "released"
    )
    for name, a, b in zip(Similarities._fields, found, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b, atol=1e-9, err_msg=name)
    np.testing.assert_allclose(scores.numpy(), expected[1][:ITEMS] + expected[2][:ITEMS], atol=1e-9)


@pytest.mark.parametrize("mask", ALL_MASKS)
@pytest.mark.parametrize("text_self", [False, True])
def test_masks(mask, text_self):
    found = blocked(mask, 3, 2, text_self=text_self)
    assert found.shape == (7, 7)
    np.testing.assert_array_equal(~found.numpy(), slow.may_attend(mask, 3, 2, text_self))
    assert not found.all(dim=1).any(), "a token that attends to nothing has no softmax"


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    own = CrossModalAttention(DIM, HEADS, 0.1, 0.1).eval()
    theirs = nn.MultiheadAttention(DIM, HEADS, batch_first=True).eval()
    with torch.no_grad():
        own.qkv.bias.normal_()
        own.out.bias.normal_()
        theirs.in_proj_weight.copy_(own.qkv.weight)
        theirs.in_proj_bias.copy_(own.qkv.bias)
        theirs.out_proj.weight.copy_(own.out.weight)
        theirs.out_proj.bias.copy_(own.out.bias)
    tokens, mask = torch.randn(9, DIM), blocked("queries", 5, 2)
    x = own.norm(tokens)
    expected = x + own.rho * theirs(x[None], x[None], x[None], attn_mask=mask, need_weights=False)[0][0]
    torch.testing.assert_close(own.among(tokens, mask).fused, expected)


def test_items_that_attend_to_a_context_are_those_of_the_mask_over_everything():
    """Two ways to the same numbers.

    The mask over the joint sequence, and items beside a context that is computed once.
    """
    model, v = made(mask="queries")
    u, t = model.prototypes @ model.project_items, model.texts @ model.project_texts
    joint = model.attention.among(
        torch.cat([v @ model.project_items, u, t]), blocked("queries", ITEMS, CLASSES)
    ).fused
    fused = model.fused(v, model.context())
    torch.testing.assert_close(torch.cat(fused), joint)


def test_an_item_alone_has_the_scores_it_has_among_others_only_with_queries():
    """Texts attend to items with every other mask, or items to each other.

    A batch then decides about its items' scores.
    """
    for mask in ALL_MASKS:
        model, v = made(mask=mask)
        with torch.no_grad():
            together, alone = model.scores(model.fused(v))[:1], model.scores(model.fused(v[:1]))
        assert torch.allclose(together, alone, atol=1e-9) == (mask == "queries"), mask


def test_dropout_drops_attention_weights_in_training_alone():
    model, v = made(dropout=0.5)
    first, second = (model.train()(v, model.prototypes).to_texts for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(model.eval()(v, model.prototypes).to_texts, model(v, model.prototypes).to_texts)


@pytest.mark.parametrize("dim", [16, 512])
def test_the_number_of_parameters(dim):
    """2 d^2 + 4 d^2 + 4 d + 2 d + 1.

    With the virtual prototypes of 50 new classes and d = 512 that is the specification's 1,601,537.
    """
    with torch.device("meta"):
        model = CandleModel(dim, 100, CandleConfig(), 100.0)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 6 * dim**2 + 6 * dim + 1
    assert dim != 512 or count + 50 * dim == 1_601_537


def test_at_its_start_the_first_similarity_is_zero_shot():
    torch.manual_seed(0)
    model, v = CandleModel(DIM, CLASSES, CandleConfig(heads=HEADS), 100.0).eval(), torch.randn(ITEMS, DIM)
    model.texts.copy_(torch.randn(CLASSES, DIM))
    model.prototypes.copy_(torch.randn(CLASSES, DIM))
    found = model(v, model.prototypes)
    zero_shot = 100 * cosines(v, model.texts)
    assert torch.equal(found.before[:ITEMS], zero_shot)
    assert not torch.allclose(found.to_texts[:ITEMS], zero_shot, atol=1e-2), "layer normalisation intervenes"


def test_golden_loss():
    counts = torch.tensor([9.0, 4.0, 0.0])
    prior = log_prior(counts)
    torch.testing.assert_close(prior.exp(), torch.tensor([0.625, 0.3125, 0.0625]))
    torch.testing.assert_close(prior, torch.tensor([-0.470004, -1.163151, -2.772589]), atol=1e-6, rtol=0)
    assert counts.tolist() == [9, 4, 0], "the counts of the caller stay as they are"
    logits, y = torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 0.0]]), torch.tensor([2, 0])
    assert math.isclose(float(compensated_loss(logits, y, prior, torch.ones(2))), 0.751743, abs_tol=1e-6)
    plain = (torch.tensor([10.0, 5.0, 1.0]) / 16).log()
    torch.testing.assert_close(
        compensated_loss(logits, y, prior, torch.ones(2)), compensated_loss(logits, y, plain, torch.ones(2))
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 3))
def test_loss(seed, tau):
    rng = np.random.default_rng(seed)
    b, c = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    z = [rng.normal(scale=5, size=(b + c, c)) for _ in range(3)]
    y, counts, weights = rng.integers(0, c, b), rng.integers(0, 30, c).astype(float), rng.random(b)
    found = total_loss(
        Similarities(*(torch.from_numpy(a) for a in z)),
        torch.from_numpy(y),
        log_prior(torch.from_numpy(counts)),
        torch.from_numpy(weights),
        tau,
    )
    # Prototypes are further rows, labelled 0 to C - 1, of weight 1.
    expected = sum(slow.cla(a, [*y, *range(c)], counts, [*weights, *[1.0] * c], tau) for a in z)
    assert math.isclose(float(found), expected, rel_tol=1e-9)


def test_new_classes_get_gradient_from_their_prototypes_alone():
    """Items of other classes push a new class away; its own row pulls.

    Without the compensation its loss would be infinite.
    """
    model, v = made()
    counts = torch.tensor([5.0, 3.0, 0.0], dtype=torch.float64)
    virtual = model.prototypes[2:].clone().requires_grad_()
    found = model(v, torch.cat([model.prototypes[:2], virtual]))
    loss = total_loss(
        found,
        torch.zeros(ITEMS, dtype=torch.int64),
        log_prior(counts),
        torch.ones(ITEMS, dtype=torch.float64),
    )
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert bool((virtual.grad != 0).any())
    assert model.project_items.grad is not None
    assert model.attention.rho.grad is not None
    assert not torch.isfinite((torch.tensor([5.0, 3.0, 0.0]) / 8).log()).all()


def test_the_mask_is_the_variants_unless_given():
    assert {variant: mask_of(CandleConfig(variant=variant)) for variant in MASKS} == MASKS
    assert mask_of(CandleConfig(variant="released", mask="in-text")) == "in-text"
