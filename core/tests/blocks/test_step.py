"""Reduction of losses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from burnish.contracts.loss import LossValue
from burnish.errors import FitError
from burnish.heads.step import reduce_loss

numbers = st.lists(
    st.tuples(st.floats(-10, 10, width=32), st.sampled_from([0.0, 0.5, 1.0, 2.0])), min_size=1, max_size=12
)


@given(numbers)
def test_weighted_mean_against_a_loop(pairs):
    values, weights = (torch.tensor(column) for column in zip(*pairs, strict=True))
    total = sum(w for _, w in pairs)
    expected = sum(v * w for v, w in pairs) / total if total else 0.0
    assert reduce_loss(LossValue(values), weights).item() == pytest.approx(expected, abs=1e-4)


def test_a_weightless_row_may_have_any_value():
    values = torch.tensor([1.0, torch.inf, torch.nan], requires_grad=True)
    reduced = reduce_loss(LossValue(values), torch.tensor([2.0, 0.0, 0.0]))
    assert reduced.item() == 1.0
    reduced.backward()
    assert values.grad.tolist() == [1.0, 0.0, 0.0]


def test_a_penalty_on_the_batch_ignores_weights():
    assert reduce_loss(LossValue(torch.tensor(5.0), per="batch"), torch.zeros(4)).item() == 5.0


@pytest.mark.parametrize(("shape", "per"), [((3,), "example"), ((), "example"), ((4,), "batch")])
def test_values_of_another_shape_than_they_say_are_refused(shape, per):
    with pytest.raises(FitError, match=f"per {per} for 4 rows"):
        reduce_loss(LossValue(torch.zeros(shape), per=per), torch.ones(4))
