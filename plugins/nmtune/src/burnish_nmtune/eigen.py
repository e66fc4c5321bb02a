"""Eigendecomposition of symmetric matrices, of small ones on one core.

LAPACK on two threads is slower for a 64 x 64 matrix than on one, and much slower where other processes want the cores. So on a CPU small
matrices are decomposed by one thread, whatever the number of torch's threads; that also makes their bits independent of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from burnish.blocks.threads import intra_op_threads

LARGE = 128
"""From this size on a matrix is decomposed by all of torch's threads together, as it is multiplied, and by `spectrum.singular_system` in
float32 first; smaller ones by one thread."""


def eigh(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return ascending eigenvalues (..., m) and eigenvectors (..., m, m), in columns, of symmetric matrices (..., m, m).

    What a matrix gives does not depend on which others it is decomposed with; one with a NaN or infinite entry gives NaN, where LAPACK
    would fail for all. No gradient flows.
    """
    values, vectors = _decompose(torch.linalg.eigh, matrices)
    return values, vectors


def eigvalsh(matrices: Tensor) -> Tensor:
    """Return ascending eigenvalues (..., m) of symmetric matrices (..., m, m), as `eigh` does, in less time."""
    return _decompose(lambda stack: (torch.linalg.eigvalsh(stack),), matrices)[0]


def one_core_if_small(x: Tensor) -> AbstractContextManager[None]:
    """Return a context in which torch uses one thread if matrices x (..., R, D) are on the CPU and their shorter side is below `LARGE`."""
    return intra_op_threads(1) if x.device.type == "cpu" and min(x.shape[-2:]) < LARGE else nullcontext()


def _decompose(lapack: Callable[[Tensor], tuple[Tensor, ...]], matrices: Tensor) -> tuple[Tensor, ...]:
    matrices = matrices.detach()
    with one_core_if_small(matrices):
        if matrices.sum().isfinite():
            return lapack(matrices)
        broken = ~matrices.isfinite().all(-1).all(-1)
        found = lapack(matrices.masked_fill(broken[..., None, None], 0))
        return tuple(part.masked_fill(broken.view(*broken.shape, *[1] * (part.ndim - broken.ndim)), torch.nan) for part in found)
