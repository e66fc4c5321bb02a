"""Eigendecomposition of symmetric matrices, of small ones on one core.

LAPACK on two threads is slower for a 64 x 64 matrix than on one, and much slower where other processes want the cores. So on a CPU small
matrices are decomposed by one thread, whatever the number of torch's threads; that also makes their bits independent of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import current_thread
from typing import TypeVar

import torch
from torch import Tensor

ResultT = TypeVar("ResultT")

SMALL = 256
"""Up to this shorter side a matrix is left to one thread; larger ones to all of torch's threads together."""

_THREAD = "eigen"


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


def on_one_core(function: Callable[[Tensor], ResultT], x: Tensor) -> ResultT:
    """Return ``function(x)`` of matrices x (..., R, D), computed by one core where they are small and on the CPU."""
    threads = torch.get_num_threads()
    if threads == 1 or x.device.type != "cpu" or min(x.shape[-2:]) > SMALL or current_thread().name.startswith(_THREAD):
        return function(x)
    return _single_core(os.getpid(), threads).submit(function, x).result()


def _decompose(lapack: Callable[[Tensor], tuple[Tensor, ...]], matrices: Tensor) -> tuple[Tensor, ...]:
    matrices = matrices.detach()
    broken = ~matrices.sum((-2, -1)).isfinite()
    matrices = matrices.masked_fill(broken[..., None, None], 0)
    found = on_one_core(lapack, matrices)
    return tuple(part.masked_fill(broken.view(*broken.shape, *[1] * (part.ndim - broken.ndim)), torch.nan) for part in found)


@lru_cache(maxsize=4)
def _single_core(_process: int, threads: int) -> ThreadPoolExecutor:
    """Return a thread that computes on one core. A forked process, whose threads are gone, gets its own."""
    pool = ThreadPoolExecutor(1, thread_name_prefix=_THREAD)
    pool.submit(_use_one_core).result()
    torch.set_num_threads(threads)  # a thread's own setting also becomes the default of all that follow: put that back
    return pool


def _use_one_core() -> None:
    torch.set_num_threads(1)
    torch.get_num_threads()  # a thread takes the default over at its first use of threads: let that be now
