"""Eigendecomposition of many small symmetric matrices, one core a matrix.

LAPACK on two threads is slower for a 64 x 64 matrix than on one, and much slower where other processes want the cores. So on a CPU
small matrices are shared out among threads that use one core each; the bits are then those of one thread, whatever the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Barrier

import torch
from torch import Tensor

SMALL = 256
"""Up to this width a matrix is decomposed by one thread; wider ones by all of torch's threads together."""


def eigh(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return ascending eigenvalues (..., m) and eigenvectors (..., m, m), in columns, of symmetric matrices (..., m, m).

    What a matrix gives does not depend on which others it is decomposed with. No gradient flows.
    """
    values, vectors = _shared_out(torch.linalg.eigh, matrices)
    return values, vectors


def eigvalsh(matrices: Tensor) -> Tensor:
    """Return ascending eigenvalues (..., m) of symmetric matrices (..., m, m), as `eigh` does, in less time."""
    return _shared_out(lambda part: (torch.linalg.eigvalsh(part),), matrices)[0]


def _shared_out(decompose: Callable[[Tensor], tuple[Tensor, ...]], matrices: Tensor) -> tuple[Tensor, ...]:
    width = matrices.shape[-1]
    threads = torch.get_num_threads()
    if threads == 1 or matrices.device.type != "cpu" or width > SMALL or matrices.numel() == 0:
        return tuple(decompose(matrices))
    stack = matrices.detach().reshape(-1, width, width)
    parts = list(_pool(os.getpid(), threads).map(decompose, stack.chunk(threads)))
    return tuple(torch.cat(pieces).reshape(*matrices.shape[:-2], *pieces[0].shape[1:]) for pieces in zip(*parts, strict=True))


@lru_cache(maxsize=4)
def _pool(_process: int, threads: int) -> ThreadPoolExecutor:
    """Return a pool of `threads` threads that compute on one core each. A forked process, whose threads are gone, gets its own."""
    started = Barrier(threads + 1)

    def start() -> None:
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="eigen", initializer=start)
    for _ in range(threads):
        pool.submit(lambda: None)
    started.wait()
    torch.set_num_threads(threads)  # a thread's own setting also becomes the default of threads to come: put that back
    return pool
