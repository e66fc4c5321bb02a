"""The three regularisers against loops, full decompositions and golden values.

And against closed-form gradients, autograd and gradcheck.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad_and_value, vmap

from burnish_nmtune.regularisers import consistency, covariance, covariance_and_spectrum, spectrum


def pattern(n, d, a, b):
    k = np.arange(1, n * d + 1, dtype=np.float64).reshape(n, d)
    return torch.from_numpy(np.sin(0.37 * a * k**2 + b))


F, Z = pattern(6, 4, 1, 0), pattern(6, 4, 0.7, 0.3)
SHAPES = [(6, 4), (4, 6), (5, 5), (2, 9), (9, 2)]


def normal(*shape, seed=0, dtype=torch.float64, mean=0.5):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed)) + mean


# A slow, obvious second implementation.


def plain_consistency(f, z):
    rows = []
    for a, b in zip(f.tolist(), z.tolist(), strict=True):
        norm_a, norm_b = sum(v * v for v in a) ** 0.5, sum(v * v for v in b) ** 0.5
        rows.append(sum((v / norm_a - w / norm_b) ** 2 for v, w in zip(a, b, strict=True)))
    return np.array(rows)


def plain_covariance(z):
    m, d = z.shape
    means = [sum(z[i, j] for i in range(m)) / m for j in range(d)]
    total = 0.0
    for i in range(d):
        for j in range(d):
            c = sum((z[r, i] - means[i]) * (z[r, j] - means[j]) for r in range(m)) / (m - 1)
            total += c * c if i != j else 0.0
    return total / d


def plain_spectrum(z, top):
    sigma = sorted(np.linalg.svd(z, compute_uv=False), reverse=True)
    leading = [s / sum(sigma) for s in sigma][:top]
    return -sum(leading) / len(leading)


def plain_covariance_gradient(z):
    m, d = z.shape
    centred = z - z.mean(0)
    c = centred.T @ centred / (m - 1)
    return 4 / (d * (m - 1)) * centred @ (c - np.diag(np.diag(c)))


def plain_spectrum_gradient(z):
    u, sigma, vt = np.linalg.svd(z, full_matrices=False)
    total = sigma.sum()
    return -(np.outer(u[:, 0], vt[0]) * total - sigma[0] * u @ vt) / total**2


def test_golden_values():
    assert consistency(F, Z).mean().item() == pytest.approx(1.86382734, abs=1e-8)
    assert (consistency(F, Z).mean() / 4).item() == pytest.approx(0.46595684, abs=1e-8)
    assert covariance(Z).item() == pytest.approx(0.01865310, abs=1e-8)
    assert spectrum(Z).item() == pytest.approx(-0.42113145, abs=1e-8)
    assert spectrum(Z, top=5).item() == pytest.approx(-0.25, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_values_against_loops(shape):
    f, z = normal(*shape), normal(*shape, seed=1)
    assert consistency(f, z).numpy() == pytest.approx(plain_consistency(f, z))
    assert covariance(z).item() == pytest.approx(plain_covariance(z.numpy()))
    for top in (1, 2, 5):
        assert spectrum(z, top=top).item() == pytest.approx(plain_spectrum(z.numpy(), top))


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_against_closed_forms(shape):
    z = normal(*shape, seed=2)
    assert torch.func.grad(covariance)(z).numpy() == pytest.approx(plain_covariance_gradient(z.numpy()))
    assert torch.func.grad(spectrum)(z).numpy() == pytest.approx(plain_spectrum_gradient(z.numpy()), abs=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("top", [1, 3])
def test_gradient_against_autograd_through_svdvals(shape, top):
    z = normal(*shape, seed=3).requires_grad_()
    sigma = torch.linalg.svdvals(z)
    (expected,) = torch.autograd.grad(-(sigma / sigma.sum())[:top].mean(), z)
    (found,) = torch.autograd.grad(spectrum(z, top=top), z)
    assert torch.allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradcheck(shape):
    z, f = normal(*shape, seed=4).requires_grad_(), normal(*shape)
    for function in (
        covariance,
        spectrum,
        covariance_and_spectrum,
        lambda x: spectrum(x, top=2),
        lambda x: consistency(f, x),
    ):
        assert torch.autograd.gradcheck(function, z)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mean", [0.5, 1000.0])
def test_two_together_give_what_each_gives_alone(shape, mean):
    z = normal(*shape, seed=5, mean=mean)
    both = covariance_and_spectrum(z, top=2)
    assert both[0].item() == pytest.approx(plain_covariance(z.numpy()))
    assert both[1].item() == pytest.approx(plain_spectrum(z.numpy(), 2))
    for weights in ((1.0, 0.0), (0.0, 1.0), (0.3, -2.0)):
        found = torch.func.grad(
            lambda x, w=weights: sum(a * b for a, b in zip(w, covariance_and_spectrum(x), strict=True))
        )(z)
        expected = weights[0] * plain_covariance_gradient(z.numpy()) + weights[1] * plain_spectrum_gradient(
            z.numpy()
        )
        assert np.linalg.norm(found.numpy() - expected) <= 1e-7 * np.linalg.norm(expected)


def test_only_one_of_two_is_asked_for():
    z = (
        1e12 * normal(4, 9, seed=5, dtype=torch.float32).requires_grad_()
    )  # whose covariance is too large for a float32
    for function in (spectrum, lambda x: covariance_and_spectrum(x)[1]):
        (found,) = torch.autograd.grad(function(z), z)
        assert found.norm().item() == pytest.approx(
            np.linalg.norm(plain_spectrum_gradient(z.detach().double().numpy())), rel=1e-4
        )


def test_rows_of_zeros_are_as_far_as_one_and_get_no_gradient():
    f, z = normal(4, 3), normal(4, 3, seed=1)
    f[1], z[2], f[3], z[3] = 0, 0, 0, 0
    gradient, value = grad_and_value(lambda x: consistency(f, x).sum())(z)
    assert consistency(f, z)[1:].tolist() == pytest.approx([1, 1, 0])
    assert value.item() == pytest.approx(consistency(f[:1], z[:1]).item() + 2)
    assert gradient[0].abs().max() > 0
    assert (gradient[1:] == 0).all()


def test_consistency_keeps_its_digits_where_z_has_hardly_turned():
    f = normal(5, 8, dtype=torch.float32)
    z = 3 * f + 1e-4 * normal(5, 8, seed=1, dtype=torch.float32)
    assert consistency(f, z).numpy() == pytest.approx(plain_consistency(f, z), rel=1e-2)


@pytest.mark.parametrize("function", [covariance, spectrum])
def test_one_row_or_zeros_give_numbers(function):
    for z in (normal(1, 6, dtype=torch.float32), torch.zeros(4, 6), torch.zeros(6, 4)):
        gradient, value = grad_and_value(function)(z)
        assert value.item() in (0, -1)
        assert gradient.abs().max().item() < 1e-6


def test_rank_deficient_and_repeated_singular_values():
    twice = normal(3, 6, seed=6).repeat(2, 1)
    gradient, value = grad_and_value(spectrum)(twice)
    assert value.item() == pytest.approx(plain_spectrum(twice.numpy(), 1))
    _, sigma, _ = np.linalg.svd(twice.numpy())
    assert (sigma[3:] < 1e-12).all()
    # The nearest thing to a gradient: the mean of that at the three singular pairs alone, which rows that
    # come twice share equally.
    assert torch.allclose(gradient[:3], gradient[3:], atol=1e-9)
    direction = normal(3, 6, seed=7).repeat(2, 1)  # keeps the rank, so that the term is smooth along it
    step = 1e-6
    slope = (
        plain_spectrum((twice + step * direction).numpy(), 1)
        - plain_spectrum((twice - step * direction).numpy(), 1)
    ) / (2 * step)
    assert (gradient * direction).sum().item() == pytest.approx(slope, rel=1e-5)
    flat = torch.eye(4, 6, dtype=torch.float64)
    gradient, value = grad_and_value(lambda x: spectrum(x, top=4))(flat)
    assert value.item() == pytest.approx(-0.25)
    assert gradient.abs().max().item() < 1e-12
    assert torch.isfinite(torch.func.grad(spectrum)(flat)).all()


@pytest.mark.filterwarnings(
    "error:There is a performance drop"
)  # an operation that torch.func would run trial by trial
@pytest.mark.parametrize("shape", [(5, 8, 6), (5, 6, 8)])
def test_under_vmap_as_one_by_one(shape):
    z = normal(*shape, seed=8)
    for function in (
        covariance,
        spectrum,
        lambda x: sum(covariance_and_spectrum(x)),
        lambda x: consistency(z[0], x).mean(),
    ):
        gradients, values = vmap(grad_and_value(function))(z)
        moved, _ = vmap(grad_and_value(function), in_dims=2)(z.movedim(0, 2))
        assert torch.allclose(moved, gradients)
        for t in range(len(z)):
            gradient, value = grad_and_value(function)(z[t])
            assert value.item() == pytest.approx(values[t].item())
            assert torch.allclose(gradient, gradients[t])


@pytest.mark.parametrize("function", [covariance, spectrum])
def test_a_trial_that_broke_leaves_the_others_alone(function):
    z = normal(3, 6, 4, seed=12)
    whole = vmap(grad_and_value(function))(z)
    z[1, 2, 2] = torch.nan
    for before, after in zip(whole, vmap(grad_and_value(function))(z), strict=True):
        assert torch.equal(before[[0, 2]], after[[0, 2]])
        assert after[1].isnan().all()


def test_nested_vmap():
    z = normal(2, 3, 6, 4, seed=9)
    nested = vmap(vmap(torch.func.grad(spectrum)))(z)
    assert torch.allclose(nested[1, 2], torch.func.grad(spectrum)(z[1, 2]))


@pytest.mark.parametrize("batch", [128, 512])
def test_float32_is_as_good_as_a_decomposition(batch):
    z = torch.relu(normal(batch, 768, seed=10, mean=0.2))  # as features are: not centred, none below 0
    single = z.float()
    for function, reference in ((spectrum, plain_spectrum_gradient), (covariance, plain_covariance_gradient)):
        gradient, value = grad_and_value(function)(single)
        expected = torch.from_numpy(reference(z.numpy()))
        assert value.item() == pytest.approx(function(z).item(), rel=1e-4)
        assert (gradient - expected).norm() <= 1e-3 * expected.norm()


def test_float32_holds_where_the_batch_is_as_large_as_the_width():
    z = normal(200, 200, seed=11)
    expected = torch.from_numpy(plain_spectrum_gradient(z.numpy()))
    found = torch.func.grad(spectrum)(z.float())
    assert (found - expected).norm() <= 1e-3 * expected.norm()


def test_a_large_matrix_is_decomposed_in_float64_where_float32_would_lose_the_gradient(monkeypatch):
    """Singular values over four decades, in a stack with a benign one.

    Both accurate, neither's bits changed by the other.
    """
    from burnish_nmtune import spectrum as module

    used = []
    whole = module.eigh
    monkeypatch.setattr(
        module, "eigh", lambda matrix: used.append((len(matrix), matrix.dtype)) or whole(matrix)
    )
    rows = module.FLOAT32_FROM
    benign = normal(rows, 2 * rows, seed=13)
    left, right = (
        torch.linalg.qr(normal(rows, rows, seed=14))[0],
        torch.linalg.qr(normal(2 * rows, rows, seed=15))[0],
    )
    hard = left * torch.logspace(0, -4, rows, dtype=torch.float64) @ right.T
    both = torch.stack([benign, hard]).float()
    gradients = vmap(torch.func.grad(spectrum))(both)
    assert used == [(2, torch.float32), (1, torch.float64)]
    for single, gradient in zip(both, gradients, strict=True):
        expected = torch.from_numpy(plain_spectrum_gradient(single.double().numpy()))
        assert (gradient - expected).norm() <= 1e-3 * expected.norm()
        assert torch.equal(vmap(torch.func.grad(spectrum))(torch.stack([single, single]))[0], gradient)
        alone = torch.func.grad(spectrum)(single)
        assert (alone - expected).norm() <= 1e-3 * expected.norm()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.tuples(st.integers(2, 9), st.integers(2, 9)), st.floats(0.01, 100))
def test_properties(seed, shape, scale):
    z = normal(*shape, seed=seed)
    smaller = min(shape)
    assert -1 - 1e-9 <= spectrum(z).item() <= -1 / smaller + 1e-9
    assert spectrum(scale * z).item() == pytest.approx(spectrum(z).item(), abs=1e-7)
    assert spectrum(z, top=smaller).item() == pytest.approx(-1 / smaller)
    assert covariance(z).item() >= -1e-12
    assert covariance(z + 3).item() == pytest.approx(covariance(z).item(), abs=1e-9)
    assert covariance(scale * z).item() == pytest.approx(scale**4 * covariance(z).item(), rel=1e-6, abs=1e-12)
    assert consistency(z, scale * z).max().item() < 1e-12
    assert 0 <= consistency(z, -z).min().item() <= consistency(z, -z).max().item() == pytest.approx(4)
    order = torch.randperm(shape[0], generator=torch.Generator().manual_seed(seed))
    for function in (spectrum, covariance):
        assert function(z[order]).item() == pytest.approx(function(z).item(), abs=1e-9)
        assert torch.allclose(
            torch.func.grad(function)(z[order]), torch.func.grad(function)(z)[order], atol=1e-6
        )


def test_uncorrelated_columns_have_no_covariance():
    hadamard = torch.tensor([[1.0, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]], dtype=torch.float64)
    assert covariance(hadamard).item() == pytest.approx(0, abs=1e-15)


def test_features_are_a_constant():
    f, z = normal(4, 3).requires_grad_(), normal(4, 3, seed=1).requires_grad_()
    consistency(f, z).sum().backward()
    assert f.grad is None
    assert z.grad is not None
