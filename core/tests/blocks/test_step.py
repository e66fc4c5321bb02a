"""Reduction of losses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from burnish.contracts.loss import LossValue
from burnish.errors import FitError
from burnish.heads.step import reduce_loss

ONE = torch.tensor(1.0)
numbers = st.lists(
    st.tuples(st.floats(-10, 10, width=32), st.sampled_from([0.0, 0.5, 1.0, 2.0])), min_size=1, max_size=12
)


@given(numbers)
def test_weighted_mean_against_a_loop(pairs):
    values, weights = (torch.tensor(column) for column in zip(*pairs, strict=True))
    total = sum(w for _, w in pairs)
    expected = sum(v * w for v, w in pairs) / total if total else 0.0
    assert reduce_loss(LossValue(values), weights, ONE).item() == pytest.approx(expected, abs=1e-4)


@given(numbers, st.sampled_from([0.25, 0.5, 1.0]))
def test_batch_mean_counts_the_rows_of_the_batch(pairs, share):
    values, weights = (torch.tensor(column) for column in zip(*pairs, strict=True))
    expected = sum(v * w for v, w in pairs) / (share * len(pairs))
    assert reduce_loss(LossValue(values, mean="batch"), weights, torch.tensor(share)).item() == pytest.approx(
        expected, abs=1e-3
    )


def test_a_weightless_row_may_have_any_value():
    values = torch.tensor([1.0, torch.inf, torch.nan], requires_grad=True)
    reduced = reduce_loss(LossValue(values), torch.tensor([2.0, 0.0, 0.0]), ONE)
    assert reduced.item() == 1.0
    reduced.backward()
    assert values.grad.tolist() == [1.0, 0.0, 0.0]


def test_penalties_ignore_weights():
    weights = torch.zeros(4)
    assert reduce_loss(LossValue(torch.tensor([1.0, 3.0]), per="class"), weights, ONE).item() == 2.0
    assert reduce_loss(LossValue(torch.tensor(5.0), per="batch"), weights, ONE).item() == 5.0


def test_other_shapes_and_kinds_are_refused():
    with pytest.raises(FitError, match="per pair"):
        reduce_loss(LossValue(torch.zeros(4), per="pair"), torch.ones(4), ONE)
    with pytest.raises(FitError, match=r"shape \(3,\) for 4 rows"):
        reduce_loss(LossValue(torch.zeros(3)), torch.ones(4), ONE)
