"""Stacked AdamW against torch's, and the schedules against golden values."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.heads.optimisers import StackedAdamW, schedule_factor


@pytest.mark.parametrize(("step", "expected"), [(0, 1e-3), (50, 5e-4), (99, 2.4671982e-7)])
def test_cosine_has_its_golden_values(step, expected):
    assert 1e-3 * schedule_factor("cosine", step, 100) == pytest.approx(expected, rel=1e-6)


@given(st.integers(1, 500), st.data())
def test_schedules_stay_between_0_and_1_and_cosine_falls(steps, data):
    step = data.draw(st.integers(0, steps - 1))
    assert schedule_factor("constant", step, steps) == 1.0
    here, after = schedule_factor("cosine", step, steps), schedule_factor("cosine", step + 1, steps)
    assert 0 <= after < here <= 1


def by_torch(leaf, gradients, lr, weight_decay, factors, **kind):
    parameter = torch.nn.Parameter(leaf.clone())
    optimiser = torch.optim.AdamW([parameter], lr=lr, weight_decay=weight_decay, **kind)
    for gradient, factor in zip(gradients, factors, strict=True):
        optimiser.param_groups[0]["lr"] = lr * factor
        parameter.grad = gradient.clone()
        optimiser.step()
    return parameter.detach()


rates = st.tuples(st.sampled_from([0.0, 1e-4, 1e-3, 1e-2, 1.0]), st.sampled_from([0.0, 1e-4, 0.1]))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(rates, min_size=1, max_size=6),
    st.sampled_from([(), (3,), (16,), (5, 7), (2, 3, 4)]),
    st.integers(1, 4),
    st.integers(0, 2**16),
)
def test_each_trial_is_updated_as_torch_would_alone(per_trial, shape, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    trials = len(per_trial)
    leaf = torch.randn(trials, *shape, generator=generator)
    gradients = [torch.randn(trials, *shape, generator=generator) * 10.0 ** (i - 2) for i in range(steps)]
    factors = [1.0 / (i + 1) for i in range(steps)]
    optimiser = StackedAdamW({"leaf": leaf}, [lr for lr, _ in per_trial], [wd for _, wd in per_trial])
    for gradient, factor in zip(gradients, factors, strict=True):
        optimiser.step({"leaf": gradient}, factor)
    for t, (lr, weight_decay) in enumerate(per_trial):
        expected = by_torch(leaf[t], [g[t] for g in gradients], lr, weight_decay, factors)
        assert torch.allclose(optimiser.leaves["leaf"][t], expected, rtol=2e-6, atol=1e-6 * max(lr, 1e-3))


def test_whole_vectors_are_bitwise_torchs():
    generator = torch.Generator().manual_seed(0)
    leaf, gradients = (
        torch.randn(3, 8, 4, generator=generator),
        [torch.randn(3, 8, 4, generator=generator) for _ in range(5)],
    )
    optimiser = StackedAdamW({"leaf": leaf}, [1e-2] * 3, [0.1] * 3)
    for gradient in gradients:
        optimiser.step({"leaf": gradient})
    assert torch.equal(optimiser.leaves["leaf"], by_torch(leaf, gradients, 1e-2, 0.1, [1.0] * 5, fused=True))


@pytest.mark.parametrize("shape", [(3,), (10,), (5, 7), (33,)])
def test_bits_do_not_depend_on_place_or_company(shape):
    generator = torch.Generator().manual_seed(1)
    leaf, gradients = (
        torch.randn(9, *shape, generator=generator),
        [torch.randn(9, *shape, generator=generator) for _ in range(4)],
    )

    def after(first, last, rates):
        optimiser = StackedAdamW({"leaf": leaf[first:last]}, rates[first:last], [0.01] * (last - first))
        for gradient in gradients:
            optimiser.step({"leaf": gradient[first:last]})
        return optimiser.leaves["leaf"].detach()

    rates = [1e-3] * 4 + [1e-2] * 5
    whole = after(0, 9, rates)
    for first, last in [(0, 1), (1, 2), (2, 5), (3, 6), (8, 9)]:
        assert torch.equal(after(first, last, rates), whole[first:last])


def test_a_transposed_gradient_changes_the_layout_and_no_number():
    generator = torch.Generator().manual_seed(2)
    leaf = torch.randn(2, 6, 16, generator=generator)
    gradients = [torch.randn(2, 6, 16, generator=generator) for _ in range(3)]
    plain, transposed = (StackedAdamW({"leaf": leaf}, [1e-2] * 2, [0.1] * 2) for _ in range(2))
    for gradient in gradients:
        plain.step({"leaf": gradient})
        transposed.step({"leaf": gradient.mT.contiguous().mT})
    assert transposed.leaves["leaf"].stride() != plain.leaves["leaf"].stride()
    assert torch.equal(transposed.leaves["leaf"], plain.leaves["leaf"])


def test_keep_goes_on_with_some_trials_as_if_the_others_had_never_been():
    generator = torch.Generator().manual_seed(3)
    leaf, gradients = (
        torch.randn(5, 6, generator=generator),
        [torch.randn(5, 6, generator=generator) for _ in range(4)],
    )
    rates = [1e-3, 1e-3, 1e-2, 1e-2, 0.1]
    kept = [3, 0, 0]
    whole, alone = (
        StackedAdamW({"leaf": leaf}, rates, [0.1] * 5),
        StackedAdamW({"leaf": leaf[kept]}, [rates[k] for k in kept], [0.1] * 3),
    )
    for step, gradient in enumerate(gradients):
        alone.step({"leaf": gradient[kept]})
        whole.step({"leaf": gradient if step < 2 else gradient[kept]})
        if step == 1:
            whole.keep(torch.tensor(kept))
    assert torch.equal(whole.leaves["leaf"], alone.leaves["leaf"])
