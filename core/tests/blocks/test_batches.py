"""Batches: every row once an epoch, full batches, nothing but n, batch, seed and epoch decides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.heads.batches import batch_rows, batch_size, rows_in_last_batch, steps_per_epoch


@given(st.integers(1, 400), st.integers(2, 80), st.integers(0, 2**62), st.integers(0, 50))
def test_an_epoch_visits_each_row_once_or_drops_a_single_last_one(n, batch, order, epoch):
    rows, last = batch_rows(n, batch, order, epoch), rows_in_last_batch(n, batch)
    assert rows.shape == (steps_per_epoch(n, batch), batch_size(n, batch))
    own = np.concatenate([rows[:-1].ravel(), rows[-1, :last]])
    assert len(np.unique(own)) == len(own)
    assert len(own) == n or (len(own) == n - 1 and n % batch == 1)
    if n > 1:
        assert all(
            len(np.unique(r)) == len(r) for r in rows
        )  # what completes the last batch is none of its own rows
    assert rows.max() < n


def test_few_rows_make_one_batch_of_all():
    assert batch_rows(5, 64, 0, 0).shape == (1, 5)
    assert batch_rows(1, 64, 0, 0).tolist() == [[0, 0]]
    assert rows_in_last_batch(1, 64) == 1


def test_order_depends_on_seed_and_epoch_alone():
    assert np.array_equal(batch_rows(50, 8, 3, 1), batch_rows(50, 8, 3, 1))
    assert not np.array_equal(batch_rows(50, 8, 3, 1), batch_rows(50, 8, 3, 2))
    assert not np.array_equal(batch_rows(50, 8, 3, 1), batch_rows(50, 8, 4, 1))


def test_golden_order():
    assert batch_rows(8, 4, 12345, 2).tolist() == [[3, 1, 0, 6], [2, 4, 5, 7]]


@pytest.mark.parametrize(
    ("n", "steps", "last"), [(64, 1, 64), (65, 1, 64), (66, 2, 2), (128, 2, 64), (1100, 18, 12)]
)
def test_steps(n, steps, last):
    assert (steps_per_epoch(n, 64), rows_in_last_batch(n, 64)) == (steps, last)
