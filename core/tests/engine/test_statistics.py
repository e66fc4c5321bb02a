"""The bootstrap against a slow loop, and Holm's correction against its definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.engine.jobs.statistics import MOST_UNITS, Bootstrap, Ratio, fold, holm, interval, p_value


def _ratio(rng, replicates=4, units=6):
    denominator = rng.integers(1, 5, (replicates, units)).astype(float)
    return Ratio(denominator * rng.uniform(0, 1, (replicates, units)), denominator)


def test_ratio_draws_agree_with_a_loop_over_replicates_and_units():
    rng = np.random.default_rng(0)
    measures = [_ratio(rng), _ratio(rng)]
    boot = Bootstrap(4, 6, draws=50)
    got = boot.ratios(measures)
    for draw in range(50):
        for k, measure in enumerate(measures):
            total = 0.0
            for replicate in range(4):
                top = sum(boot._by_unit[draw, u] * measure.numerator[replicate, u] for u in range(6))
                bottom = sum(boot._by_unit[draw, u] * measure.denominator[replicate, u] for u in range(6))
                total += boot._by_replicate[draw, replicate] * top / bottom
            assert got[draw, k] == pytest.approx(total / 4)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for trial in range(200):
        values = 0.7 + 0.05 * rng.standard_normal((1, 30))
        low, high = interval(Bootstrap(30, 0, draws=1_000, seed=trial).means(values)[:, 0])
        hits += low <= 0.7 <= high
    assert 0.88 <= hits / 200 <= 0.98


def test_pairing_removes_what_two_rows_share():
    rng = np.random.default_rng(2)
    shared = rng.standard_normal(20)
    first, second = shared + 0.01 * rng.standard_normal(20), shared + 0.2 + 0.01 * rng.standard_normal(20)
    draws = Bootstrap(20, 0).means(np.stack([first, second]))
    low, high = interval(draws[:, 1] - draws[:, 0])
    assert 0.18 < low < 0.2 < high < 0.22
    assert p_value(draws[:, 1] - draws[:, 0]) < 0.001


def test_a_missing_replicate_is_left_out():
    ratio = Ratio(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[2.0, 2.0], [0.0, 0.0]]))
    draws = Bootstrap(2, 2, draws=200).ratios([ratio])
    assert set(np.round(draws[np.isfinite(draws)], 12)) == {0.5}


def test_many_units_are_folded_into_blocks_that_every_measure_shares():
    column = fold(range(5 * MOST_UNITS))
    sizes = np.bincount(list(column.values()))
    assert len(sizes) == MOST_UNITS
    assert set(sizes) == {5}
    assert fold(range(5 * MOST_UNITS)) == column


def test_p_value_is_one_without_a_difference_and_never_zero():
    assert p_value(np.zeros(100)) == 1.0
    assert p_value(np.ones(999)) == pytest.approx(2 / 1000)
    assert np.isnan(p_value(np.full(5, np.nan)))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_monotone_and_between_the_raw_and_the_bonferroni_value(p):
    adjusted = holm(p)
    for raw, value in zip(p, adjusted, strict=True):
        assert raw <= value <= min(1.0, len(p) * raw) + 1e-12
    order = np.argsort(p, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= -1e-12)


def test_holm_golden_values():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01, float("nan"), 0.03])[0] == pytest.approx(0.02)
