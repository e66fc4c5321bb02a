"""How many threads torch uses for one operation, and pools whose threads each compute on their own.

Small operations are faster on one core than on several, which mostly wait for each other, far more so where
other processes want them; and on one core their bits do not depend on how many there are. So small things run
one a core, side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def intra_op_threads(count: int) -> Iterator[None]:
    """Let torch's operations in this thread use `count` threads inside the block."""
    before = torch.get_num_threads()
    _use(count)
    try:
        yield
    finally:
        _use(before)


@contextmanager
def thread_pool(workers: int, each: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of worker threads in which torch's operations use `each` threads; leaving waits for them.

    Args:
        workers: size of the pool.
        each: threads of one operation.
    """
    # Setting the number in a thread also sets what threads that start later begin with: the context around
    # puts that back.
    with (
        intra_op_threads(torch.get_num_threads()),
        ThreadPoolExecutor(workers, initializer=_use, initargs=(each,)) as pool,
    ):
        yield pool


def _use(count: int) -> None:
    torch.set_num_threads(count)
    torch.get_num_threads()  # a thread settles on a number at its first use of it: let that be now
