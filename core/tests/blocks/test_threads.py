"""Threads of operations: set inside, put back outside, whatever happens."""

import pytest
import torch

from burnish.heads.threads import intra_op_threads, thread_pool


def test_the_number_is_put_back_after_an_error():
    def fail():
        with intra_op_threads(1):
            raise KeyError(torch.get_num_threads())

    torch.set_num_threads(2)
    with pytest.raises(KeyError, match="1"):
        fail()
    assert torch.get_num_threads() == 2


def test_a_pools_threads_have_their_own_number():
    torch.set_num_threads(2)
    with thread_pool(2, 1) as pool:
        assert list(pool.map(lambda _: torch.get_num_threads(), range(4))) == [1] * 4
        assert torch.get_num_threads() == 2
    with thread_pool(1, 2) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2
