"""What evaluators share."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from burnish.blocks import known_labels, ratio_measure
from burnish.data import Labels, MultiLabels
from burnish.errors import DataError


def outcome_of(targets, units):
    return SimpleNamespace(targets=lambda split: targets, units=lambda split: units)


def test_items_whose_label_is_known():
    targets = Labels(y=np.array([2, -1, 0]))
    rows, y, units = known_labels(outcome_of(targets, np.array([7, 7, 9])), "test")
    assert (rows.tolist(), y.tolist(), units.tolist()) == ([0, 2], [2, 0], [7, 9])


def test_several_labels_an_item_are_refused():
    targets = MultiLabels(positive=sp.csr_array(np.eye(2, dtype=bool)))
    with pytest.raises(DataError, match="multi-labels have no single class an item"):
        known_labels(outcome_of(targets, np.arange(2)), "test")


items = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 2.5]), st.sampled_from([0, 1, 3])), max_size=9
)


@given(items)
def test_a_ratio_is_that_of_sums_by_unit(items):
    units, right, of = (np.array([item[k] for item in items]) for k in range(3))
    measure = ratio_measure("m", "test", units.astype(np.int64), right, of, how="counted")
    assert measure.n == sum(below > 0 for *_, below in items)
    assert measure.how == ("counted" if measure.n else "no target is known here")
    total = sum(below for *_, below in items)
    expected = sum(top for _, top, _ in items) / total if total else math.nan
    assert measure.value == pytest.approx(expected, nan_ok=True)
    for unit, top, below in zip(
        measure.terms.units, measure.terms.numerator, measure.terms.denominator, strict=True
    ):
        assert top == sum(item[1] for item in items if item[0] == unit)
        assert below == sum(item[2] for item in items if item[0] == unit)


def test_a_share_of_items():
    measure = ratio_measure("m", "test", np.array([4, 4, 1]), np.array([True, False, True]))
    assert (measure.value, measure.n, measure.unit, measure.better) == (2 / 3, 3, "fraction", "up")
