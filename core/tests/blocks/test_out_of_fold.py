"""Out-of-fold probabilities against scikit-learn, and what must never happen.

An item judged by a probe that saw it.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from burnish.blocks.out_of_fold import fold_of, out_of_fold
from burnish.data import Labels
from burnish.errors import FitError


def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x.astype(np.float32)[:900], y.astype(np.int64)[:900]


def test_probabilities_are_scikit_learns(digits):
    x, y = digits
    weights = np.random.default_rng(0).choice([0.5, 1.0, 2.0], len(y)).astype(np.float32)
    groups = np.arange(len(y))
    ours = out_of_fold(x, Labels(y=y, weights=weights), 10, groups, rng=rng(), l2=10.0)
    fold = fold_of(y, np.ones(len(y), dtype=bool), groups, 5, rng())
    deviation = x.std(axis=0, dtype=np.float64)
    z = (x - x.mean(axis=0, dtype=np.float64)) / np.where(deviation > 0, deviation, 1)
    theirs = np.empty((len(y), 10))
    for k in range(5):
        inside = fold != k
        probe = LogisticRegression(C=0.1, max_iter=5000, tol=1e-8).fit(
            z[inside], y[inside], sample_weight=weights[inside]
        )
        theirs[~inside] = probe.predict_proba(z[~inside])
    assert np.abs(ours - theirs).max() < 2e-3
    assert ours.dtype == np.float32
    assert np.allclose(ours.sum(1), 1, atol=1e-5)


def test_threads_and_repetition_change_nothing(digits):
    x, y = digits
    results = []
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        results.append(out_of_fold(x[:200], Labels(y=y[:200]), 10, np.arange(200), rng=rng()))
        assert torch.get_num_threads() == threads
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[1], results[2])


def test_an_items_own_label_plays_no_part(digits):
    x, y = digits[0][:150], digits[1][:150]
    groups = np.arange(150) // 2  # pairs
    before = out_of_fold(x, Labels(y=y), 10, groups, rng=rng())
    changed = y.copy()
    fold = fold_of(y, np.ones(150, dtype=bool), groups, 5, rng())
    rows = np.flatnonzero(fold == 2)
    changed[rows[0]] = y[rows[1]]
    after = out_of_fold(x, Labels(y=changed), 10, groups, rng=rng())
    if np.array_equal(fold_of(changed, np.ones(150, dtype=bool), groups, 5, rng()), fold):
        assert np.array_equal(before[rows], after[rows])


def test_unknown_labels_are_scored_and_never_trained_on(digits):
    x, y = digits[0][:200].copy(), digits[1][:200].copy()
    y[::4] = -1
    known = y >= 0
    result = out_of_fold(x, Labels(y=y), 10, np.arange(200), rng=rng())
    assert np.allclose(result.sum(1), 1, atol=1e-5)
    assert (result.argmax(1) == digits[1][:200])[~known].mean() > 0.7


def test_a_class_that_a_fold_lacks_gets_probability_0(digits):
    x, y = digits[0][:100], digits[1][:100].copy()
    y[y == 9] = 8
    y[0] = 9
    result = out_of_fold(x, Labels(y=y), 12, np.arange(100), rng=rng())
    assert result[0, 9] == 0
    assert (result[:, 10:] == 0).all()
    assert np.isfinite(result).all()


def test_one_class_is_certain(digits):
    result = out_of_fold(digits[0][:20], Labels(y=np.full(20, 1)), 3, np.arange(20), rng=rng())
    assert np.allclose(result, [0, 1, 0])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(-1, 3)), min_size=2, max_size=60),
    st.integers(2, 6),
    st.integers(0, 99),
)
def test_folds_keep_groups_whole_and_none_lacks_labels(items, folds, seed):
    groups, y = (np.array(column) for column in zip(*items, strict=True))
    labelled = y >= 0
    names = np.unique(groups[labelled])
    if len(names) < 2:
        with pytest.raises(FitError, match="groups of items have a label"):
            fold_of(y, labelled, groups, folds, np.random.default_rng(seed))
        return
    fold = fold_of(y, labelled, groups, folds, np.random.default_rng(seed))
    count = min(folds, len(names))
    assert all(len(np.unique(fold[groups == g])) == 1 for g in groups)
    assert set(fold[labelled]) <= set(range(count))
    assert len(set(fold[labelled])) >= 2
    assert np.array_equal(fold, fold_of(y, labelled, groups, folds, np.random.default_rng(seed)))


def test_singletons_are_spread_evenly_by_class():
    y = np.repeat(np.arange(4), [40, 23, 7, 5])
    fold = fold_of(y, np.ones(75, dtype=bool), np.arange(75), 5, rng())
    counts = np.stack([np.bincount(fold[y == c], minlength=5) for c in range(4)])
    assert (counts.max(1) - counts.min(1)).max() <= 1
    assert np.ptp(counts.sum(0)) <= 1


def test_features_that_are_not_finite_are_refused(digits):
    x = digits[0][:20].copy()
    x[7, 3] = np.nan
    with pytest.raises(FitError, match="a feature of item 7 is NaN or infinite"):
        out_of_fold(x, Labels(y=digits[1][:20]), 10, np.arange(20), rng=rng())
