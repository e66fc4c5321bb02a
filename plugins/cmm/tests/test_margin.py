"""The matching margin against golden values, a slow second implementation and its properties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish_cmm.margin import class_sums, matching_margin, similarity, unit, worst


def slow(features, y, texts):
    """By the definition, item by item."""
    margins = []
    for i in range(len(texts)):
        means = []
        for t in texts:
            cosines = [
                float(np.dot(v, t) / np.linalg.norm(v) / np.linalg.norm(t))
                for v, label in zip(features, y, strict=True)
                if label == i
            ]
            means.append(sum(cosines) / len(cosines) if cosines else math.nan)
        margins.append(means[i] - max(m for k, m in enumerate(means) if k != i))
    return np.array(margins)


def fast(features, y, texts):
    return matching_margin(similarity(*class_sums(features, y, len(texts)), texts))


def test_golden_values():
    s = np.array([[0.295, 0.275, 0.21], [0.18, 0.26, 0.25], [0.20, 0.24, 0.28]])
    assert np.allclose(matching_margin(s), [0.02, 0.01, 0.04])
    per_item = np.array([[0.30, 0.28, 0.20], [0.29, 0.27, 0.22], [0.18, 0.26, 0.25], [0.20, 0.24, 0.28]])
    assert per_item.argmax(axis=1).tolist() == [0, 0, 1, 2]
    # Class means of the similarities of single items are the same S.
    assert np.allclose(np.stack([per_item[:2].mean(axis=0), per_item[2], per_item[3]]), s)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(0, 20))
def test_it_is_the_definition(seed, classes, n):
    rng = np.random.default_rng(seed)
    features, texts, y = rng.normal(size=(n, 5)), rng.normal(size=(classes, 5)), rng.integers(0, classes, n)
    found, expected = fast(features, y, texts), slow(features, y, texts)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.allclose(found, expected, equal_nan=True)


def test_streams_orders_and_lengths_change_nothing():
    rng = np.random.default_rng(0)
    features, texts, y = rng.normal(size=(40, 6)), rng.normal(size=(4, 6)), rng.integers(0, 4, 40)
    once = fast(features, y, texts)
    parts = [class_sums(features[a:b], y[a:b], 4) for a, b in ((0, 7), (7, 30), (30, 40))]
    assert np.allclose(
        matching_margin(similarity(sum(p[0] for p in parts), sum(p[1] for p in parts), texts)), once
    )
    order = rng.permutation(40)
    assert np.allclose(fast(features[order], y[order], texts), once)
    assert np.allclose(fast(features * rng.uniform(0.1, 9, (40, 1)), y, texts * 3), once)


def test_a_repeated_text_leaves_no_margin_and_orthogonal_texts_leave_all():
    rng = np.random.default_rng(0)
    texts = rng.normal(size=(3, 5))
    texts[2] = texts[1]
    margins = fast(rng.normal(size=(30, 5)), np.repeat([0, 1, 2], 10), texts)
    assert margins[1] <= 1e-12
    assert margins[2] <= 1e-12
    y = np.repeat([0, 1, 2], 10)
    s = similarity(*class_sums(np.eye(4)[y], y, 3), np.eye(4)[:3])
    assert np.allclose(matching_margin(s), np.diag(s))


def test_classes_without_items_are_worst_and_unlabelled_items_count_nowhere():
    margins = np.array([0.1, np.nan, -0.2, 0.05])
    assert worst(margins, 3).tolist() == [1, 2, 3]
    sums, counts = class_sums(np.ones((3, 2)), np.array([0, -1, 0]), 2)
    assert counts.tolist() == [2, 0]
    assert sums[1].tolist() == [0, 0]
    assert np.isnan(matching_margin(similarity(sums, counts, np.eye(2)))).tolist() == [False, True]


def test_a_row_of_zeros_stays():
    assert unit(np.zeros((1, 3))).tolist() == [[0, 0, 0]]


def test_many_prompts_at_once_are_each_by_itself():
    rng = np.random.default_rng(0)
    texts, features, y = rng.normal(size=(3, 4, 6)), rng.normal(size=(20, 6)), rng.integers(0, 4, 20)
    sums, counts = class_sums(features, y, 4)
    together = matching_margin(similarity(sums, counts, texts))
    assert together.shape == (3, 4)
    for p in range(3):
        assert np.allclose(together[p], fast(features, y, texts[p]), equal_nan=True)
    with pytest.raises(ValueError, match="matmul"):
        similarity(sums, counts, np.ones((4, 5)))
