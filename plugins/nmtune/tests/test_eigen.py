"""Matrices shared out among threads give what one call of LAPACK gives, and leave torch's threads as they were."""

import multiprocessing

import pytest
import torch

from burnish_nmtune.eigen import SMALL, eigh, eigvalsh, on_one_core


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
            found += [eigh(matrices), tuple(torch.cat(parts) for parts in zip(*(eigh(m[None]) for m in matrices), strict=True))]
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


def test_one_core_within_one_core(threads):
    matrices = symmetric(3, 5)
    assert torch.equal(on_one_core(eigvalsh, matrices), eigvalsh(matrices))
    assert on_one_core(lambda x: torch.get_num_threads(), matrices) == 1
    assert on_one_core(lambda x: torch.get_num_threads(), torch.zeros(SMALL + 1, SMALL + 1)) == threads


def test_an_error_reaches_the_caller(threads):
    with pytest.raises(ZeroDivisionError):
        on_one_core(lambda x: 1 / 0, symmetric(3))


def test_wide_matrices(threads):
    matrix = symmetric(SMALL + 1)
    assert torch.allclose(eigh(matrix)[0], torch.linalg.eigvalsh(matrix))


def _in_child(queue):
    torch.set_num_threads(2)
    queue.put(eigvalsh(torch.eye(4, dtype=torch.float64).expand(3, 4, 4)).sum().item())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
def test_a_forked_process_gets_threads_of_its_own(threads):
    eigh(symmetric(4, 4))
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert queue.get() == 12
