"""Singular values, SVE and LSVR against numpy's SVD, plain loops, golden values and their algebra."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from burnish_nmtune.spectrum import (
    centered,
    largest_singular_value_ratio,
    shares,
    singular_value_entropy,
    singular_values,
)


def pattern(n, d, a, b):
    k = np.arange(1, n * d + 1, dtype=np.float64).reshape(n, d)
    return torch.from_numpy(np.sin(0.37 * a * k**2 + b))


GOLDEN = {
    "F": ((6, 4, 1, 0), [2.30451335, 1.57238562, 0.9135119, 0.39519093], 1.22431571, 0.81101637),
    "Z": ((6, 4, 0.7, 0.3), [2.39616114, 1.56641756, 1.06960303, 0.65763584], 1.28290329, 0.86481025),
}


@pytest.mark.parametrize(("made", "values", "sve", "lsvr"), GOLDEN.values(), ids=GOLDEN)
def test_golden_values(made, values, sve, lsvr):
    found = singular_values(pattern(*made))
    assert found.numpy() == pytest.approx(np.array(values), abs=1e-8)
    assert singular_value_entropy(found).item() == pytest.approx(sve, abs=1e-8)
    assert largest_singular_value_ratio(found).item() == pytest.approx(lsvr, abs=1e-8)


def plain_sve_lsvr(matrix):
    sigma = np.linalg.svd(matrix, compute_uv=False)
    total = sum(float(s) for s in sigma)
    entropy = 0.0
    for s in sigma:
        p = float(s) / total
        entropy -= p * math.log(p) if p > 0 else 0.0
    return entropy, -math.log(float(max(sigma)) / total)


@pytest.mark.parametrize("shape", [(7, 30), (30, 7), (12, 12), (1, 5), (5, 1)])
@pytest.mark.parametrize("center", ["none", "row", "column"])
def test_against_plain_loops(shape, center):
    matrix = np.random.default_rng(sum(shape)).normal(1, 1, shape)
    means = {"none": 0.0, "row": matrix.mean(1, keepdims=True), "column": matrix.mean(0, keepdims=True)}[
        center
    ]
    if min(shape) == 1 and not np.any(np.abs(matrix - means) > 1e-12):
        pytest.skip("centring leaves nothing of a single row or column")
    values = singular_values(centered(torch.from_numpy(matrix), center))
    assert values.numpy() == pytest.approx(np.linalg.svd(matrix - means, compute_uv=False), abs=1e-6)
    assert (
        singular_value_entropy(values).item(),
        largest_singular_value_ratio(values).item(),
    ) == pytest.approx(plain_sve_lsvr(matrix - means), abs=1e-6)


def test_float32_features_lose_no_digits_to_the_squaring():
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.normal(size=(n, 40)))[0] for n in (60, 50))
    matrix = (left * np.logspace(0, -4, 40)) @ right.T
    found = singular_values(torch.from_numpy(matrix.astype(np.float32)))
    assert found.dtype == torch.float32
    assert found[:40].numpy() == pytest.approx(np.logspace(0, -4, 40), rel=2e-3)


@settings(max_examples=60, deadline=None)
@given(
    arrays(
        np.float64, st.tuples(st.integers(1, 8), st.integers(1, 8)), elements=st.floats(-100, 100, width=16)
    )
)
def test_bounds(matrix):
    values = singular_values(torch.from_numpy(matrix))
    if not values.any():
        assert math.isnan(singular_value_entropy(values).item())
        return
    sve, lsvr = singular_value_entropy(values).item(), largest_singular_value_ratio(values).item()
    assert shares(values).sum().item() == pytest.approx(1)
    assert (values[:-1] >= values[1:]).all()
    assert -1e-12 <= lsvr <= sve + 1e-9
    assert sve <= math.log(min(matrix.shape)) + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.sampled_from([(5, 9), (9, 5), (6, 6)]))
def test_scale_and_rotation_change_nothing(seed, scale, shape):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=shape)
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in shape)
    before, after = (singular_values(torch.from_numpy(m)) for m in (matrix, scale * left @ matrix @ right))
    for measure in (singular_value_entropy, largest_singular_value_ratio):
        assert measure(after).item() == pytest.approx(measure(before).item(), abs=1e-7)


def test_extremes():
    flat = singular_values(torch.eye(5, dtype=torch.float64))
    assert singular_value_entropy(flat).item() == pytest.approx(math.log(5))
    assert largest_singular_value_ratio(flat).item() == pytest.approx(math.log(5))
    one = singular_values(torch.outer(torch.arange(1.0, 5), torch.arange(1.0, 7)))
    assert (one[1:] == 0).all()
    assert singular_value_entropy(one).item() == pytest.approx(0, abs=1e-12)
    assert largest_singular_value_ratio(one).item() == pytest.approx(0, abs=1e-12)
