"""Symmetric products and decompositions are what torch gives for one matrix.

That holds whatever their size and company, and threads stay as they were.
"""

import pytest
import torch

from burnish_nmtune.symmetric import LARGE, eigh, eigvalsh, symmetric_product


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def symmetric(*shape):
    x = torch.randn(*shape, shape[-1], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return x @ x.mT


@pytest.mark.parametrize("shape", [(5,), (1, 5), (7, 5), (2, 3, 4), (0, 4)])
def test_values_and_vectors(threads, shape):
    matrices = symmetric(*shape)
    values, vectors = eigh(matrices)
    assert values.shape == matrices.shape[:-1]
    assert vectors.shape == matrices.shape
    assert torch.allclose(vectors * values.unsqueeze(-2) @ vectors.mT, matrices)
    assert torch.allclose(eigvalsh(matrices), values)
    assert torch.get_num_threads() == threads


def test_the_same_bits_alone_in_company_and_on_any_number_of_threads():
    matrices, before = symmetric(9, 64), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found += [
                eigh(matrices),
                tuple(torch.cat(parts) for parts in zip(*(eigh(m[None]) for m in matrices), strict=True)),
            ]
    finally:
        torch.set_num_threads(before)
    for values, vectors in found[1:]:
        assert torch.equal(values, found[0][0])
        assert torch.equal(vectors, found[0][1])


def test_a_broken_matrix_breaks_no_other(threads):
    matrices = symmetric(5, 8)
    whole = eigh(matrices)
    matrices[1, 2, 3], matrices[3, 0, 0] = torch.nan, torch.inf
    values, vectors = eigh(matrices)
    for t in range(5):
        assert torch.equal(values[t], whole[0][t]) != (t in (1, 3))
        assert torch.equal(vectors[t], whole[1][t]) != (t in (1, 3))
        assert values[t].isnan().all() == (t in (1, 3))


def test_the_number_of_threads_comes_back_after_an_error(threads):
    with pytest.raises(RuntimeError):
        eigh(torch.zeros(3, 4))
    assert torch.get_num_threads() == threads


def test_wide_matrices(threads):
    matrix = symmetric(LARGE)
    assert torch.allclose(eigh(matrix)[0], torch.linalg.eigvalsh(matrix))
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("m", [5, LARGE - 1, LARGE, LARGE + 1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_symmetric_product(m, dtype):
    x = torch.randn(2, m, 7, dtype=dtype, generator=torch.Generator().manual_seed(m))
    y = torch.linspace(-1, 2, 7, dtype=dtype) * x
    product = symmetric_product(x, y)
    assert torch.allclose(product, torch.einsum("tik,tjk->tij", x.double(), y.double()).to(dtype), atol=1e-5)
    assert torch.allclose(symmetric_product(x[1], y[1]), product[1], atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e-200, 1e200, 0.0])
def test_a_size_that_suits_the_cache_badly(scale):
    """512 rows go to LAPACK as 513: nothing of that is to be seen."""
    matrices = scale * symmetric(2, 512)
    values, vectors = eigh(matrices)
    assert torch.allclose(values, torch.linalg.eigvalsh(matrices), rtol=1e-9, atol=abs(scale) * 1e-9)
    assert torch.allclose(vectors.mT @ vectors, torch.eye(512, dtype=torch.float64), atol=1e-10)
    assert torch.allclose(
        vectors * values.unsqueeze(-2) @ vectors.mT, matrices, rtol=1e-9, atol=abs(scale) * 1e-9
    )
    assert eigh(matrices[:0])[1].shape == (0, 512, 512)
    matrices[1, 3, 4] = torch.nan
    broken = eigh(matrices)
    assert broken[1][1].isnan().all()
    assert torch.equal(broken[1][0], vectors[0])
