"""Corruptors: nesting, exact counts, a second implementation in plain loops, and what they refuse."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish import NoConfig
from burnish.contracts.noise import CorruptionInput
from burnish.data import Classes, Labels, MultiLabels, content_id, stack_ids, uniforms
from burnish.errors import BurnishError, DataError
from burnish_basics._noise import (
    NOISE_MODELS,
    AsymmetricConfig,
    FewShotConfig,
    InstanceDependentConfig,
    LongTailConfig,
    MissingConfig,
    NewClassesConfig,
    PairConfig,
    SymmetricConfig,
)
from burnish_basics.corruptors import (
    Asymmetric,
    FewShot,
    InstanceDependent,
    LongTail,
    Missing,
    NewClasses,
    Nothing,
    Pair,
    Symmetric,
)
from burnish_basics.corruptors.draws import share
from burnish_basics.corruptors.instance import flip_probability

NAMES = ["cat", "dog", "bird", "fish", "frog", "newt", "toad", "swan"]


def refuse(*_):
    raise DataError("the items are texts")


def make(supervision, classes, index=None, replicate=0, rows=refuse, pixels=refuse):
    n = len(supervision)
    index = np.arange(n) if index is None else index
    ids = stack_ids([content_id("text", f"item {i}") for i in range(n)])
    return CorruptionInput(
        supervision=supervision,
        index=index,
        role="train",
        classes=Classes.of(NAMES[:classes]),
        uniforms=lambda k: uniforms(ids[index], "noise", replicate, "x", k=k),
        pixels=pixels,
        rows=rows,
    )


def labelled(n, classes, seed=0, unknown=0.2):
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    y[rng.random(n) < unknown] = -1
    return Labels(y=y.astype(np.int64))


def features_of(clean, width=6):
    rows = (
        np.random.default_rng(5)
        .standard_normal((len(clean.supervision), width))
        .astype(np.float32)[clean.index]
    )
    return CorruptionInput(
        clean.supervision, clean.index, clean.role, clean.classes, clean.uniforms, clean.pixels, lambda: rows
    )


PAIRS = ("cat>dog", "dog>bird", "bird>cat")
LABEL_NOISE = {
    "symmetric": lambda rate: Symmetric(SymmetricConfig(rate)),
    "symmetric-any": lambda rate: Symmetric(SymmetricConfig(rate, exclude_true=False)),
    "pair": lambda rate: Pair(PairConfig(rate)),
    "asymmetric": lambda rate: Asymmetric(AsymmetricConfig(PAIRS, rate=rate)),
    "instance-dependent": lambda rate: InstanceDependent(InstanceDependentConfig(rate)),
    "missing": lambda rate: Missing(MissingConfig(rate)),
}


@pytest.mark.parametrize("kind", LABEL_NOISE)
@settings(max_examples=20, deadline=None)
@given(
    low=st.floats(0, 1),
    high=st.floats(0, 1),
    n=st.integers(1, 80),
    classes=st.integers(3, 8),
    seed=st.integers(0, 99),
)
def test_label_noise_is_nested_and_touches_only_what_it_may(kind, low, high, n, classes, seed):
    low, high = sorted((low, high))
    labels = labelled(n, classes, seed)
    before = labels.y.copy()
    index = np.flatnonzero(np.random.default_rng(seed + 1).random(n) < 0.7)
    clean = features_of(make(labels, classes, index, replicate=seed))
    little, much = LABEL_NOISE[kind](low).corrupt(clean), LABEL_NOISE[kind](high).corrupt(clean)
    for result in (little, much):
        assert np.array_equal(labels.y, before)
        assert np.array_equal(result.index, index)
        assert np.array_equal(result.changed, result.supervision.y != before)
        outside = np.setdiff1d(np.arange(n), index)
        assert not result.changed[outside].any()
        assert not result.changed[before == -1].any()
        assert result.supervision.y.min(initial=0) >= (-1 if kind == "missing" or (before == -1).any() else 0)
        assert result.supervision.y.max(initial=0) < classes
    # What is flipped at the low rate is flipped at the high one, to the same class.
    assert not (little.changed & ~much.changed).any()
    assert np.array_equal(little.supervision.y[little.changed], much.supervision.y[little.changed])


@pytest.mark.parametrize("kind", LABEL_NOISE)
def test_ends_of_the_rate(kind):
    clean = features_of(make(labelled(60, 3), 3))
    assert not LABEL_NOISE[kind](0.0).corrupt(clean).changed.any()
    if kind != "symmetric-any":
        assert np.array_equal(LABEL_NOISE[kind](1.0).corrupt(clean).changed, clean.supervision.known)


def test_the_number_of_flips_is_the_ceiling_of_the_written_decimal():
    assert [
        share(rate, n)
        for rate, n in [(0.1, 30), (0.2, 15), (0.3, 10), (0.07, 100), (0.4, 6), (0, 5), (1, 5), (0.001, 5)]
    ] == [
        3,
        3,
        3,
        7,
        3,
        0,
        5,
        1,
    ]


def slow_symmetric(y, index, u, rate, classes, exclude_true):
    known = [i for i in range(len(index)) if y[index[i]] != -1]
    count = math.ceil(round(rate * len(known), 6))
    new = list(y)
    for i in sorted(known, key=lambda i: (u[i][0], i))[:count]:
        old = y[index[i]]
        new[index[i]] = (
            (old + 1 + int(u[i][1] * (classes - 1))) % classes if exclude_true else int(u[i][1] * classes)
        )
    return new


@pytest.mark.parametrize("exclude_true", [True, False])
@pytest.mark.parametrize("rate", [0.1, 0.35, 0.8])
def test_symmetric_equals_plain_loops(rate, exclude_true):
    labels = labelled(200, 5)
    clean = make(labels, 5, np.arange(20, 180))
    got = Symmetric(SymmetricConfig(rate, exclude_true)).corrupt(clean).supervision.y
    assert got.tolist() == slow_symmetric(
        labels.y.tolist(), clean.index.tolist(), clean.uniforms(2).tolist(), rate, 5, exclude_true
    )


def test_pair_flips_the_same_items_as_symmetric_to_the_next_class():
    labels = labelled(300, 4)
    clean = make(labels, 4)
    pair, symmetric = Pair(PairConfig(0.3)).corrupt(clean), Symmetric(SymmetricConfig(0.3)).corrupt(clean)
    assert np.array_equal(pair.changed, symmetric.changed)
    assert np.array_equal(pair.supervision.y[pair.changed], (labels.y[pair.changed] + 1) % 4)


def test_realised_rate_and_targets_of_symmetric_noise():
    n, c = 4000, 5
    labels = labelled(n, c, unknown=0)
    result = Symmetric(SymmetricConfig(0.4)).corrupt(make(labels, c))
    assert result.changed.sum() == 1600
    steps = Counter(((result.supervision.y - labels.y) % c)[result.changed].tolist())
    assert set(steps) == {1, 2, 3, 4}
    assert all(abs(count - 400) < 4 * math.sqrt(1600 * 0.25 * 0.75) for count in steps.values())
    anywhere = Symmetric(SymmetricConfig(0.4, exclude_true=False)).corrupt(make(labels, c))
    assert anywhere.changed.mean() == pytest.approx(0.32, abs=0.02)


def test_noise_does_not_depend_on_labels_but_on_the_replicate():
    one, other = Labels(y=np.zeros(500, dtype=np.int64)), Labels(y=np.ones(500, dtype=np.int64))
    noise = Symmetric(SymmetricConfig(0.4))
    assert np.array_equal(noise.corrupt(make(one, 3)).changed, noise.corrupt(make(other, 3)).changed)
    assert not np.array_equal(
        noise.corrupt(make(one, 3)).changed, noise.corrupt(make(one, 3, replicate=1)).changed
    )


# -- instance-dependent --------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.001, 0.1, 1.0])
@pytest.mark.parametrize("rate", [1e-6, 1e-4, 0.01, 0.2, 0.5, 0.77, 0.99])
def test_flip_probabilities_have_the_mean_they_should_and_rise_with_the_rate(rate, spread):
    quantile = (np.arange(20_000) + 0.5) / 20_000
    q = flip_probability(quantile, rate, spread)
    assert q.mean() == pytest.approx(rate, rel=1e-4)
    assert ((q >= 0) & (q <= 1)).all()
    assert (np.diff(q) >= 0).all()
    assert (flip_probability(quantile, min(1.0, rate * 1.3), spread) >= q).all()


def test_flip_probabilities_are_quantiles_of_a_truncated_normal():
    """Where truncation hardly matters quantiles are a plain normal's; a rejection loop agrees elsewhere."""
    from statistics import NormalDist

    quantile = np.array([0.1, 0.5, 0.9])
    assert flip_probability(quantile, 0.5, 0.02) == pytest.approx(
        [NormalDist(0.5, 0.02).inv_cdf(v) for v in quantile], abs=1e-9
    )
    # Location 0, spread 0.1: half-normal, mean 0.1 sqrt(2 / pi).
    half = flip_probability(quantile, 0.1 * math.sqrt(2 / math.pi), 0.1)
    assert half == pytest.approx([NormalDist(0, 0.1).inv_cdf(0.5 + v / 2) for v in quantile], abs=1e-6)


def test_instance_dependent_noise_follows_the_item():
    n, c = 3000, 4
    rng = np.random.default_rng(0)
    prototypes = rng.standard_normal((6, 20))
    kind = rng.integers(6, size=n)
    rows = prototypes[kind].astype(np.float32)
    labels = Labels(y=(kind % c).astype(np.int64))
    clean = make(labels, c, rows=lambda: rows)
    result = InstanceDependent(InstanceDependentConfig(0.4)).corrupt(clean)
    assert result.changed.mean() == pytest.approx(0.4, abs=0.03)
    # Equal items of one class are mostly confused with one and the same class: by chance it would be every
    # third.
    flipped = [result.supervision.y[result.changed & (kind == k)].tolist() for k in range(6)]
    assert np.mean([Counter(y).most_common(1)[0][1] / len(y) for y in flipped]) > 0.6
    assert not np.array_equal(
        result.supervision.y,
        InstanceDependent(InstanceDependentConfig(0.4, seed=2)).corrupt(clean).supervision.y,
    )


def test_instance_dependent_noise_looks_at_pixels_of_images():
    labels = labelled(100, 3)
    pixels = np.random.default_rng(0).integers(0, 256, size=(100, 8, 8, 3), dtype=np.uint8)
    sides = []

    def shrunk(side):
        sides.append(side)
        return pixels

    assert (
        InstanceDependent(InstanceDependentConfig(0.5)).corrupt(make(labels, 3, pixels=shrunk)).changed.any()
    )
    assert sides == [8]
    grey = make(labels, 3, pixels=lambda side: np.full((100, side, side, 3), 128, dtype=np.uint8))
    assert InstanceDependent(InstanceDependentConfig(0.5)).corrupt(grey).changed.any()


# -- missing -------------------------------------------------------------------------------------------------


def multi(n=40, classes=5, seed=0, partly=True):
    rng = np.random.default_rng(seed)
    observed = rng.random((n, classes)) < 0.8 if partly else np.ones((n, classes), dtype=bool)
    return MultiLabels(
        positive=(rng.random((n, classes)) < 0.3) & observed, observed=observed if partly else None
    )


@pytest.mark.parametrize("partly", [True, False])
def test_missing_entries_of_multi_labels(partly):
    labels = multi(partly=partly)
    index = np.arange(5, 35)
    clean = make(labels, 5, index)
    before = np.ones((40, 5), dtype=bool) if labels.observed is None else labels.observed.toarray()
    seen = []
    for rate in (0.0, 0.2, 0.5, 1.0):
        result = Missing(MissingConfig(rate)).corrupt(clean)
        after = result.supervision.observed.toarray()
        lost = before & ~after
        assert lost.sum() == math.ceil(round(rate * before[index].sum(), 6))
        assert not lost[np.setdiff1d(np.arange(40), index)].any()
        assert np.array_equal(result.changed, lost.any(axis=1))
        assert np.array_equal(result.supervision.positive.toarray(), labels.positive.toarray() & after)
        seen.append(lost)
    assert all(not (a & ~b).any() for a, b in itertools.pairwise(seen))
    u = clean.uniforms(5)
    cut = sorted(u[i, j] for i in range(30) for j in range(5) if before[index[i], j])[seen[1].sum() - 1]
    assert all(
        seen[1][index[i], j] == (before[index[i], j] and u[i, j] <= cut) for i in range(30) for j in range(5)
    )


# -- sampling noise ------------------------------------------------------------------------------------------


def test_long_tail_profile():
    y = np.repeat(np.arange(4), [1000, 1000, 1000, 5])
    labels = Labels(y=np.concatenate([y, np.full(7, -1)]).astype(np.int64))
    clean = make(labels, 4)
    index = LongTail(LongTailConfig(100)).corrupt(clean).index
    assert np.bincount(labels.y[index] + 1).tolist() == [7, 1000, 215, 46, 5]
    milder = LongTail(LongTailConfig(10)).corrupt(clean).index
    assert set(index) <= set(milder)
    u = clean.uniforms(1)[:, 0]
    member = np.flatnonzero(labels.y == 2)
    assert set(index) & set(member) == set(sorted(member, key=lambda i: u[i])[:46])


def test_few_shot_keeps_k_of_each_class_and_is_nested():
    labels = labelled(200, 3)
    clean = make(labels, 3, np.arange(50, 200))
    previous = set()
    for shots in (1, 4, 16, 1000):
        result = FewShot(FewShotConfig(shots)).corrupt(clean)
        counts = np.bincount(labels.y[clean.index][labels.y[clean.index] >= 0], minlength=3)
        assert labels.take(result.index).counts(3).tolist() == np.minimum(counts, shots).tolist()
        assert set(np.flatnonzero(labels.y == -1)) & set(clean.index) <= set(result.index)
        assert previous <= set(result.index)
        assert (np.diff(result.index) > 0).all()
        assert result.supervision is labels
        assert not result.changed.any()
        previous = set(result.index)


def test_new_classes_are_the_last_half_and_lose_every_labelled_item():
    labels = labelled(200, 5)
    result = NewClasses(NewClassesConfig()).corrupt(make(labels, 5))
    kept = labels.y[result.index]
    assert set(kept.tolist()) == {-1, 0, 1, 2}  # ceil(5 / 2) base classes, and what has no label
    assert len(result.index) == int((labels.y < 3).sum())
    assert not result.changed.any()
    with pytest.raises(DataError, match="1 of 5 classes would be left"):
        NewClasses(NewClassesConfig(0.8)).corrupt(make(labels, 5))


def test_sampling_with_one_or_empty_classes():
    labels = Labels(y=np.zeros(10, dtype=np.int64))
    assert len(LongTail(LongTailConfig(100)).corrupt(make(labels, 1)).index) == 10
    assert len(LongTail(LongTailConfig(100)).corrupt(make(labels, 3)).index) == 10
    assert len(FewShot(FewShotConfig(2)).corrupt(make(labels, 3)).index) == 2


# -- what they refuse, and what they say they are ------------------------------------------------------------


def test_nothing_changes_nothing():
    labels = multi()
    result = Nothing(NoConfig()).corrupt(make(labels, 5))
    assert result.supervision is labels
    assert not result.changed.any()


@pytest.mark.parametrize(
    "corruptor",
    [
        Symmetric(SymmetricConfig(0.4)),
        Pair(PairConfig(0.4)),
        Asymmetric(AsymmetricConfig(("cat>dog=1",))),
        InstanceDependent(InstanceDependentConfig(0.4)),
        LongTail(LongTailConfig(100)),
        FewShot(FewShotConfig(16)),
    ],
    ids=lambda corruptor: type(corruptor).__name__,
)
def test_multi_labels_are_refused_in_one_line(corruptor):
    with pytest.raises(DataError) as caught:
        corruptor.corrupt(make(multi(), 5))
    assert "the targets are multi-labels" in str(caught.value)
    assert "`missing`" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_planning_knows_which_noise_needs_labels():
    assert {model.name for model in NOISE_MODELS if not model.needs} == {"none", "missing"}
    assert all(model.needs == {"labels"} for model in NOISE_MODELS if model.needs)


@pytest.mark.parametrize(
    "corruptor",
    [Symmetric(SymmetricConfig(0.4)), Pair(PairConfig(0.4)), InstanceDependent(InstanceDependentConfig(0.4))],
)
def test_one_class_cannot_be_noisy(corruptor):
    with pytest.raises(DataError, match="only one class"):
        corruptor.corrupt(make(Labels(y=np.zeros(5, dtype=np.int64)), 1))


def test_instance_dependent_noise_refuses_texts():
    with pytest.raises(BurnishError, match="texts"):
        InstanceDependent(InstanceDependentConfig(0.4)).corrupt(make(labelled(20, 3), 3))


def test_roles():
    everywhere = {"train", "validation", "calibration", "pool", "reference"}
    assert everywhere == Symmetric.roles == Missing.roles == InstanceDependent.roles == NewClasses.roles
    assert {"train", "pool"} == LongTail.roles == FewShot.roles
    names = [m.name for m in NOISE_MODELS if m.corrupt]
    assert names == [
        "none",
        "symmetric",
        "pair",
        "asymmetric",
        "instance-dependent",
        "missing",
        "long-tail",
        "few-shot",
        "new-classes",
    ]
