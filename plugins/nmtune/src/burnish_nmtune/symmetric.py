"""Products that are symmetric, and eigendecompositions of symmetric matrices, of small ones on one core.

LAPACK's threads wait for each other some times a column. A 64 x 64 matrix is slower on two than on one, a 128
x 128 one where two cores lie far apart, and any where other processes want the cores. So on a CPU small
matrices are decomposed by one thread, whatever the number of torch's threads; that also makes their bits
independent of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.nn.functional import pad

from burnish.blocks import intra_op_threads

LARGE = 256
"""From this size on a matrix is decomposed by all of torch's threads together, as it is multiplied.

Smaller ones by one.
"""


def symmetric_product(x: Tensor, y: Tensor) -> Tensor:
    """Return X Y^T, (..., m, m), of matrices (..., m, k) for which that is known to be symmetric.

    On a CPU, large ones from three blocks of four.
    """
    m = x.shape[-2]
    if x.device.type != "cpu" or m < LARGE:
        return x @ y.mT
    upper, lower = slice(None, m // 2), slice(m // 2, None)
    product = x.new_empty(*x.shape[:-1], m)
    product[..., upper, upper] = x[..., upper, :] @ y[..., upper, :].mT
    product[..., lower, lower] = x[..., lower, :] @ y[..., lower, :].mT
    below = x[..., lower, :] @ y[..., upper, :].mT
    product[..., lower, upper] = below
    product[..., upper, lower] = below.mT
    return product


def eigh(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return ascending eigenvalues (..., m) and eigenvectors (..., m, m) of symmetric matrices (..., m, m).

    The vectors are in columns.

    What a matrix gives does not depend on which others it is decomposed with, to the bit below `LARGE`; one
    with a NaN or infinite entry gives NaN, where LAPACK would fail for all. No gradient flows.
    """
    if matrices.device.type == "cpu" and matrices.shape[-1] % 512 == 0 and matrices.numel():
        values, vectors = _decompose(torch.linalg.eigh, _one_larger(matrices.detach()))
        return values[..., 1:], vectors[..., :-1, 1:]
    values, vectors = _decompose(torch.linalg.eigh, matrices)
    return values, vectors


def eigvalsh(matrices: Tensor) -> Tensor:
    """Return ascending eigenvalues (..., m) of symmetric matrices (..., m, m), as `eigh`, in less time."""
    return _decompose(lambda stack: (torch.linalg.eigvalsh(stack),), matrices)[0]


def one_core_if_small(x: Tensor) -> AbstractContextManager[None]:
    """Return a context in which torch uses one thread for small matrices x (..., R, D) on the CPU.

    Small are those whose shorter side is below `LARGE`.
    """
    return intra_op_threads(1) if x.device.type == "cpu" and min(x.shape[-2:]) < LARGE else nullcontext()


def _one_larger(matrices: Tensor) -> Tensor:
    """Return matrices (..., m + 1, m + 1) with one eigenvalue more, below all others.

    Its vector is the last unit vector.

    Columns a multiple of 2 KB apart share a few lines of the cache: of m = 512, LAPACK takes a tenth longer
    for m than for m + 1.
    """
    larger = pad(matrices, (0, 1, 0, 1))
    limits = torch.finfo(matrices.dtype)
    # No eigenvalue is larger than m times the largest entry; a norm would over- or underflow in its squares.
    bound = (matrices.abs().amax((-2, -1)) * (2 * matrices.shape[-1])).clamp(limits.tiny, limits.max)
    larger[..., -1, -1] = -bound
    return larger


def _decompose(lapack: Callable[[Tensor], tuple[Tensor, ...]], matrices: Tensor) -> tuple[Tensor, ...]:
    matrices = matrices.detach().mT  # LAPACK wants columns, so that torch need not turn its copy around
    with one_core_if_small(matrices):
        if matrices.sum().isfinite():
            return lapack(matrices)
        broken = ~matrices.isfinite().all(-1).all(-1)
        found = lapack(matrices.masked_fill(broken[..., None, None], 0))
        return tuple(
            part.masked_fill(broken.view(*broken.shape, *[1] * (part.ndim - broken.ndim)), torch.nan)
            for part in found
        )
