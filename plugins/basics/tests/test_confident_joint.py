"""The confident joint: an example by hand, a second version in plain loops, and whether it finds errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.contracts.noise import Evidence
from burnish.data import Classes, Labels, MultiLabels
from burnish.errors import DataError
from burnish_basics._noise import ConfidentJointConfig
from burnish_basics.confident_joint import (
    ConfidentJoint,
    calibrated_joint,
    confident_class,
    confident_counts,
    label_quality,
    prune_by_class,
    prune_by_noise_rate,
    thresholds,
    whole,
)

FILTERS = ["prune-by-noise-rate", "prune-by-class", "both", "confident-learning"]

# Eight items, two classes. Labelled 0: p_0 = 0.9, 0.8, 0.7, 0.2, 0.4 (mean 0.6); labelled 1: p_1 = 0.9, 0.6,
# 0.3 (mean 0.6).
Y = np.array([0, 0, 0, 0, 0, 1, 1, 1])
P = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9], [0.4, 0.6], [0.7, 0.3]])


def evidence(y, p, index=None):
    index = np.arange(len(y)) if index is None else index
    classes = Classes.of([f"c{k}" for k in range(p.shape[1])])
    return Evidence(
        index,
        Labels(y=np.asarray(y, dtype=np.int64)),
        classes,
        np.zeros((len(y), 2), np.float32),
        lambda: p.astype(np.float32),
        None,
    )


def test_the_example_by_hand():
    assert thresholds(Y, P) == pytest.approx([0.6, 0.6])
    target = confident_class(Y, P)
    assert target.tolist() == [0, 0, 0, 1, 1, 1, 1, 0]
    counts = confident_counts(Y, target, 2)
    assert counts.tolist() == [[3, 2], [1, 2]]
    joint = calibrated_joint(counts, Y)
    assert joint == pytest.approx(np.array([[3.0, 2.0], [1.0, 2.0]]))
    assert np.flatnonzero(prune_by_class(Y, P, joint)).tolist() == [3, 4, 7]
    assert np.flatnonzero(prune_by_noise_rate(Y, P, joint)).tolist() == [3, 4, 7]
    assert label_quality(Y, P, "self-confidence") == pytest.approx([0.9, 0.8, 0.7, 0.2, 0.4, 0.9, 0.6, 0.3])
    assert label_quality(Y, P, "normalized-margin") == pytest.approx([0.9, 0.8, 0.7, 0.2, 0.4, 0.9, 0.6, 0.3])


def test_calibration_scales_rows_to_the_labels_and_leaves_silent_rows_alone():
    counts = np.array([[3, 1, 0], [0, 0, 0], [1, 0, 1]])
    y = np.array([0] * 8 + [1] * 5 + [2] * 3)
    assert calibrated_joint(counts, y) == pytest.approx(np.array([[6, 2, 0], [0, 5, 0], [1.5, 0, 1.5]]))
    assert whole(calibrated_joint(counts, y)).tolist() == [[6, 2, 0], [0, 5, 0], [2, 0, 1]]


def test_a_class_that_no_model_has_seen_takes_no_part():
    """Its only item was held out.

    A threshold of 0 would count every item that is unsure of its own class for it.
    """
    y, p = np.append(Y, 2), np.pad(P, ((0, 1), (0, 1)))
    p[-1] = [0.7, 0.3, 0]
    assert thresholds(y, p).tolist() == [*thresholds(Y, P), np.inf]
    assert confident_class(y, p)[:-1].tolist() == confident_class(Y, P).tolist()


def test_collisions_go_to_the_most_probable_class():
    y = np.array([0, 1, 2, 2])
    p = np.array([[0.3, 0.3, 0.4], [0.4, 0.2, 0.4], [0.45, 0.35, 0.2], [0.1, 0.1, 0.8]])
    # Thresholds 0.3, 0.2, 0.5: item 0 reaches 0 and 1 (equal: the first), item 2 reaches 0 and 1 (0 is more
    # probable).
    assert confident_class(y, p).tolist() == [0, 0, 0, 2]


# -- the slow second implementation --------------------------------------------------------------------------


def slow(y, p, kind):
    m, c = len(y), len(p[0])
    t = [np.mean([p[i][j] for i in range(m) if y[i] == j]) if j in y else np.inf for j in range(c)]
    counts = [[0] * c for _ in range(c)]
    confident = []
    for i in range(m):
        over = [j for j in range(c) if p[i][j] >= t[j]]
        confident.append(max(over, key=lambda j: (p[i][j], -j)) if over else None)
        if over:
            counts[y[i]][confident[i]] += 1
    if kind == "confident-learning":
        return {i for i in range(m) if confident[i] is not None and confident[i] != y[i]}
    by_class, by_rate = set(), set()
    for a in range(c):
        n = sum(1 for label in y if label == a)
        total = sum(counts[a])
        exact = [counts[a][b] * n / total if total else float(n * (a == b)) for b in range(c)]
        base = [int(np.floor(round(v, 9))) for v in exact]
        rest = sorted(range(c), key=lambda b: (-round(exact[b] - base[b], 9), b))
        for b in rest[: n - sum(base)]:
            base[b] += 1
        member = [i for i in range(m) if y[i] == a]
        by_class |= set(sorted(member, key=lambda i: (p[i][a], i))[: n - base[a]])
        for b in range(c):
            if a != b:
                by_rate |= set(sorted(member, key=lambda i: (p[i][a] - p[i][b], i))[: base[b]])
    return {"prune-by-class": by_class, "prune-by-noise-rate": by_rate, "both": by_class & by_rate}[kind]


@pytest.mark.parametrize("kind", FILTERS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), m=st.integers(1, 40), c=st.integers(1, 5))
def test_equal_to_plain_loops(kind, seed, m, c):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(c, 0.5), size=m).astype(np.float32).astype(np.float64)
    y = np.where(rng.random(m) < 0.7, p.argmax(axis=1), rng.integers(c, size=m))
    assessment = ConfidentJoint(ConfidentJointConfig(filter=kind)).assess(evidence(y, p))
    assert set(np.flatnonzero(~assessment.keep)) == slow(y.tolist(), p.tolist(), kind)
    assert assessment.clean_probability.dtype == np.float32
    assert np.array_equal(assessment.clean_probability, p[np.arange(m), y].astype(np.float32))


def test_of_equal_remainders_the_first_is_rounded_up():
    """12 x 7 / 10 and 12 x 2 / 10 both leave 0.4, but not to the last bit."""
    joint = calibrated_joint(np.array([[7, 1, 2], [0, 1, 0], [0, 0, 1]]), np.array([0] * 12 + [1, 2]))
    assert whole(joint)[0].tolist() == [9, 1, 2]


def test_rows_of_the_whole_joint_keep_their_sums():
    rng = np.random.default_rng(0)
    for _ in range(50):
        y = rng.integers(4, size=37)
        joint = calibrated_joint(rng.integers(0, 5, size=(4, 4)), y)
        assert whole(joint).sum(axis=1).tolist() == np.bincount(y, minlength=4).tolist()
        assert np.abs(whole(joint) - joint).max() < 1


def noisy(seed=0, n=2000, c=4, rate=0.3):
    rng = np.random.default_rng(seed)
    truth = rng.integers(c, size=n)
    logits = 2.5 * np.eye(c)[truth] + rng.standard_normal((n, c))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = rng.random(n) < rate
    return truth, np.where(wrong, (truth + rng.integers(1, c, size=n)) % c, truth), p


@pytest.mark.parametrize("kind", FILTERS)
@pytest.mark.parametrize("score", ["self-confidence", "normalized-margin"])
def test_it_finds_most_errors(kind, score):
    from sklearn.metrics import f1_score, roc_auc_score

    truth, y, p = noisy()
    assessment = ConfidentJoint(ConfidentJointConfig(filter=kind, score=score)).assess(evidence(y, p))
    assert f1_score(y != truth, ~assessment.keep) > 0.8
    assert roc_auc_score(y != truth, 1 - assessment.clean_probability) > 0.93


def test_the_tables_estimate_the_noise():
    truth, y, p = noisy(n=20_000)
    assessment = ConfidentJoint(ConfidentJointConfig()).assess(evidence(y, p))
    joint, rates = assessment.tables["confident-joint"], assessment.tables["noise-rates"]
    assert sum(joint.columns["items"]) == pytest.approx(20_000)
    assert sum(joint.columns["share"]) == pytest.approx(1)
    off = sum(
        s
        for a, b, s in zip(
            joint.columns["labelled"], joint.columns["probably"], joint.columns["share"], strict=True
        )
        if a != b
    )
    assert off == pytest.approx((y != truth).mean(), abs=0.05)
    assert list(rates.columns["class"]) == ["c0", "c1", "c2", "c3"]
    assert rates.columns["labelled wrongly"] == pytest.approx([0.3] * 4, abs=0.06)
    assert rates.columns["labelled otherwise"] == pytest.approx([0.3] * 4, abs=0.06)


def test_it_speaks_only_of_labelled_items_and_of_their_positions():
    y = np.where(np.arange(8) == 2, -1, Y)
    index = np.arange(8) * 10
    assessment = ConfidentJoint(ConfidentJointConfig()).assess(evidence(y, P, index))
    assert assessment.index.tolist() == [0, 10, 30, 40, 50, 60, 70]
    assert assessment.keep.shape == assessment.clean_probability.shape == (7,)
    assert np.isfinite(assessment.clean_probability).all()


def test_clean_and_confident_labels_have_no_issue():
    y = np.repeat(np.arange(3), 5)
    p = 0.94 * np.eye(3)[y] + 0.02
    for kind in FILTERS:
        assert ConfidentJoint(ConfidentJointConfig(filter=kind)).assess(evidence(y, p)).keep.all()


def test_what_it_refuses():
    assessor = ConfidentJoint(ConfidentJointConfig())
    with pytest.raises(DataError, match="no item has a label"):
        assessor.assess(evidence(np.full(3, -1), P[:3]))
    several = MultiLabels(positive=np.eye(3, dtype=bool))
    with pytest.raises(DataError, match="multi-labels"):
        assessor.assess(
            Evidence(np.arange(3), several, Classes.of("abc"), np.zeros((3, 1)), lambda: np.eye(3), None)
        )


def test_a_probability_that_equals_its_threshold_reaches_it():
    # The mean of seven times 0.35 is 0.35000000000000003 in float64.
    y = np.array([0] * 7 + [1] * 3)
    p = np.tile([0.35, 0.325, 0.325], (10, 1))
    assert thresholds(y, p)[0] > 0.35
    assert (confident_class(y, p) == 0).all()
