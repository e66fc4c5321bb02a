"""Evaluators: known values, scikit-learn's values elsewhere, unknown targets, absent classes.

The known values are those of perfect and constant predictions.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from burnish import NoConfig
from burnish.contracts.noise import Assessment
from burnish.contracts.scores import Scores
from burnish.data import Classes, Labels, MultiLabels
from burnish.errors import ConfigError
from burnish_basics._evaluators import EVALUATORS, ECEConfig, GroupsConfig, WorstConfig
from burnish_basics.evaluators import (
    Accuracy,
    BalancedAccuracy,
    Detection,
    ExpectedCalibrationError,
    Groups,
    MacroF1,
    MeanAveragePrecision,
    NegativeLogLikelihood,
    PerClass,
    Worst,
)
from burnish_basics.evaluators.calibration import calibration_error
from burnish_basics.evaluators.ranking import auroc, average_precisions

NONE = NoConfig()


@dataclass
class Given:
    """An outcome of one split, made by hand."""

    score: Scores
    target: object
    unit: np.ndarray | None = None
    train_counts: np.ndarray | None = None
    assessment: Assessment | None = None
    is_wrong: np.ndarray | None = None
    is_judged: np.ndarray | None = None
    splits: tuple[str, ...] = ("test",)
    classes: Classes = field(init=False)

    def __post_init__(self):
        self.classes = self.score.classes
        if self.train_counts is None:
            self.train_counts = np.full(len(self.classes), 50.0)

    def scores(self, split):
        return self.score

    def targets(self, split):
        return self.target

    def units(self, split):
        return np.arange(len(self.score)) if self.unit is None else self.unit

    def wrong(self):
        return self.is_wrong

    def flagged(self):
        return None if self.assessment.keep is None else ~self.assessment.keep

    def judged(self):
        return np.ones(len(self.is_wrong), dtype=bool) if self.is_judged is None else self.is_judged


def scores_of(values, meaning="logits", **more):
    values = np.asarray(values, dtype=np.float32)
    return Scores(meaning, values, Classes.of([f"c{k}" for k in range(values.shape[1])]), **more)


def labels_of(y):
    return Labels(y=np.asarray(y, dtype=np.int64))


def random_outcome(seed=0, n=150, c=5, unknown=0.0, **more):
    rng = np.random.default_rng(seed)
    y = rng.integers(c, size=n)
    values = rng.standard_normal((n, c)) + 1.5 * np.eye(c)[y]
    y[rng.random(n) < unknown] = -1
    return Given(scores_of(values), labels_of(y), unit=rng.integers(20, size=n), **more)


def only(evaluator, outcome):
    (measure,) = evaluator.measure(outcome).scalars
    assert measure.split == "test"
    if measure.terms is not None:
        assert measure.terms.numerator.sum() / measure.terms.denominator.sum() == pytest.approx(
            measure.value, rel=1e-12
        )
        assert np.array_equal(measure.terms.units, np.unique(measure.terms.units))
    return measure


def arrays(outcome):
    known = outcome.target.known
    p = outcome.score.probabilities()[known]
    return outcome.target.y[known], p.argmax(axis=1), p


# -- against scikit-learn ------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(2, 80),
    c=st.integers(2, 6),
    unknown=st.sampled_from([0.0, 0.3]),
)
def test_equal_to_scikit_learn(seed, n, c, unknown):
    outcome = random_outcome(seed, n, c, unknown)
    y, top, p = arrays(outcome)
    if not len(y):
        return
    there = np.unique(y)
    assert only(Accuracy(NONE), outcome).value == pytest.approx(sk.accuracy_score(y, top))
    recall = sk.recall_score(y, top, labels=there, average=None, zero_division=0)
    assert only(BalancedAccuracy(NONE), outcome).value == pytest.approx(recall.mean())
    assert only(MacroF1(NONE), outcome).value == pytest.approx(
        sk.f1_score(y, top, labels=there, average="macro", zero_division=0)
    )
    assert only(NegativeLogLikelihood(NONE), outcome).value == pytest.approx(
        sk.log_loss(y, p, labels=np.arange(c)), rel=1e-9
    )
    each = [sk.average_precision_score(y == k, p[:, k]) for k in there]
    assert only(MeanAveragePrecision(NONE), outcome).value == pytest.approx(np.mean(each))
    for k in (1, 2, 100):
        worst = only(Worst(WorstConfig(k)), outcome)
        assert worst.name == f"worst-{k}"
        assert worst.value == pytest.approx(np.sort(recall)[:k].mean())


def test_per_class_table_is_scikit_learns_report():
    outcome = random_outcome(3, n=200, c=4, unknown=0.1, train_counts=np.array([5, 6, 7, 8.5]))
    y, top, _ = arrays(outcome)
    (table,) = PerClass(NONE).measure(outcome).tables
    precision, recall, f1, n = sk.precision_recall_fscore_support(y, top)
    assert (table.name, table.split, list(table.columns)) == (
        "per-class",
        "test",
        ["class", "training items", "n", "recall", "precision", "f1"],
    )
    assert table.columns["class"] == ["c0", "c1", "c2", "c3"]
    assert table.columns["training items"] == [5, 6, 7, 8.5]
    assert table.columns["n"] == n.tolist()
    for name, expected in (("recall", recall), ("precision", precision), ("f1", f1)):
        assert table.columns[name] == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), m=st.integers(1, 40), levels=st.integers(1, 8))
def test_average_precision_and_auroc_with_ties(seed, m, levels):
    rng = np.random.default_rng(seed)
    values = rng.integers(levels, size=(m, 3)).astype(float)
    positive, observed = rng.random((m, 3)) < 0.4, rng.random((m, 3)) < 0.8
    got = average_precisions(values, positive, observed)
    for k in range(3):
        seen = observed[:, k]
        if positive[seen, k].any():
            assert got[k] == pytest.approx(sk.average_precision_score(positive[seen, k], values[seen, k]))
        else:
            assert math.isnan(got[k])
    if 0 < positive[:, 0].sum() < m:
        assert auroc(values[:, 0], positive[:, 0]) == pytest.approx(
            sk.roc_auc_score(positive[:, 0], values[:, 0])
        )
    else:
        assert math.isnan(auroc(values[:, 0], positive[:, 0]))


# -- known values --------------------------------------------------------------------------------------------


def test_perfect_predictions():
    y = np.array([0, 1, 2, 2, 1, 0, 0])
    perfect = Given(scores_of(np.eye(3)[y], "probabilities"), labels_of(y))
    for evaluator in (
        Accuracy(NONE),
        BalancedAccuracy(NONE),
        Worst(WorstConfig()),
        MacroF1(NONE),
        MeanAveragePrecision(NONE),
    ):
        assert only(evaluator, perfect).value == 1
    for evaluator in (ExpectedCalibrationError(ECEConfig()), NegativeLogLikelihood(NONE)):
        measure = only(evaluator, perfect)
        assert measure.value == 0
        assert measure.better == "down"
    assert only(NegativeLogLikelihood(NONE), perfect).unit == "nats"


def test_constant_predictions():
    y = np.array([0] * 6 + [1] * 3 + [2])
    constant = Given(scores_of(np.tile([0.6, 0.3, 0.1], (10, 1)), "probabilities"), labels_of(y))
    assert only(Accuracy(NONE), constant).value == pytest.approx(0.6)
    assert only(BalancedAccuracy(NONE), constant).value == pytest.approx(1 / 3)
    assert only(Worst(WorstConfig(2)), constant).value == 0
    assert only(MacroF1(NONE), constant).value == pytest.approx(2 * 0.6 / 1.6 / 3)
    assert only(MeanAveragePrecision(NONE), constant).value == pytest.approx((0.6 + 0.3 + 0.1) / 3)
    assert only(ExpectedCalibrationError(ECEConfig()), constant).value == pytest.approx(0, abs=1e-7)
    entropy = -sum(p * math.log(p) for p in (0.6, 0.3, 0.1))
    assert only(NegativeLogLikelihood(NONE), constant).value == pytest.approx(entropy, rel=1e-6)


def slow_ece(p, y, bins):
    total = 0.0
    for b in range(bins):
        inside = [
            i
            for i in range(len(y))
            if b / bins < p[i].max() <= (b + 1) / bins or (b == 0 and p[i].max() == 0)
        ]
        if inside:
            accuracy = sum(p[i].argmax() == y[i] for i in inside) / len(inside)
            total += len(inside) / len(y) * abs(accuracy - sum(p[i].max() for i in inside) / len(inside))
    return total


@pytest.mark.parametrize("bins", [1, 4, 15, 1000])
def test_calibration_error_equals_plain_loops(bins):
    outcome = random_outcome(5, n=300, unknown=0.1)
    y, _, p = arrays(outcome)
    assert only(ExpectedCalibrationError(ECEConfig(bins)), outcome).value == pytest.approx(
        slow_ece(p, y, bins), abs=1e-12
    )


def test_a_confidence_on_an_edge_is_in_the_bin_below_whatever_its_type():
    # 6/10 is right in 3 of 10, 7/10 in all of 10: in one bin the two errors of 0.3 would cancel.
    share, right = np.repeat([0.6, 0.7], 10), np.r_[np.arange(10) < 3, np.ones(10, dtype=bool)]
    for dtype in (np.float64, np.float32):
        confidence = share.astype(dtype).astype(np.float64)
        assert calibration_error(confidence, right, 10) == pytest.approx(0.3, abs=1e-6)


def test_overconfidence_and_the_floor_of_the_likelihood():
    values = np.tile([1.0, 0.0], (4, 1))
    outcome = Given(scores_of(values, "probabilities"), labels_of([0, 0, 0, 1]))
    assert only(ExpectedCalibrationError(ECEConfig()), outcome).value == pytest.approx(0.25)
    assert only(NegativeLogLikelihood(NONE), outcome).value == pytest.approx(-math.log(1e-12) / 4)


def test_scores_without_probabilities():
    similar = Given(scores_of(np.eye(3), "similarities"), labels_of([0, 1, 2]))
    for evaluator in (ExpectedCalibrationError(ECEConfig()), NegativeLogLikelihood(NONE)):
        measure = only(evaluator, similar)
        assert math.isnan(measure.value)
        assert "no probabilities" in measure.how
    assert only(Accuracy(NONE), similar).value == only(MeanAveragePrecision(NONE), similar).value == 1
    warm = Given(scores_of(np.eye(3), "similarities", temperature=0.01), labels_of([0, 1, 2]))
    assert only(NegativeLogLikelihood(NONE), warm).value < 1e-6


# -- absent classes, unknown targets, resampling units -------------------------------------------------------


def test_classes_absent_from_a_split_are_left_out_and_said_so():
    values = np.eye(4)[[0, 1, 2, 0]]
    outcome = Given(scores_of(values), labels_of([0, 1, 1, 0]))
    balanced, worst, f1 = (
        only(e, outcome) for e in (BalancedAccuracy(NONE), Worst(WorstConfig(3)), MacroF1(NONE))
    )
    assert (balanced.value, worst.value, f1.value) == (0.75, 0.75, pytest.approx((1 + 2 / 3) / 2))
    assert all("2 of 4 classes have no item here and are left out" in m.how for m in (balanced, worst, f1))
    assert "all 2 classes there are" in worst.how
    (table,) = PerClass(NONE).measure(outcome).tables
    assert math.isnan(table.columns["recall"][2])
    assert table.columns["precision"][2] == 0
    assert math.isnan(table.columns["precision"][3])


def test_a_split_without_known_targets_has_no_value():
    outcome = Given(scores_of(np.eye(3)), labels_of([-1, -1, -1]))
    for evaluator in (
        Accuracy(NONE),
        BalancedAccuracy(NONE),
        Worst(WorstConfig()),
        MacroF1(NONE),
        MeanAveragePrecision(NONE),
        ExpectedCalibrationError(ECEConfig()),
        NegativeLogLikelihood(NONE),
    ):
        (measure,) = evaluator.measure(outcome).scalars
        assert math.isnan(measure.value), measure.name
        assert measure.how == "no target is known here"


def test_terms_are_sums_over_resampling_units():
    outcome = Given(
        scores_of(np.eye(2)[[0, 1, 1, 0, 1]]), labels_of([0, 1, 0, 0, -1]), unit=np.array([7, 3, 7, 3, 3])
    )
    parts = only(Accuracy(NONE), outcome).terms
    assert (parts.units.tolist(), parts.numerator.tolist(), parts.denominator.tolist()) == (
        [3, 7],
        [2, 1],
        [2, 2],
    )
    parts = only(BalancedAccuracy(NONE), outcome).terms
    assert parts.numerator.tolist() == pytest.approx([1 + 1 / 3, 1 / 3])
    assert parts.denominator.tolist() == pytest.approx([1 + 1 / 3, 2 / 3])


def test_every_split_is_measured():
    outcome = random_outcome(splits=("test", "test:blur"))
    assert [m.split for m in Accuracy(NONE).measure(outcome).scalars] == ["test", "test:blur"]
    assert [t.split for t in PerClass(NONE).measure(outcome).tables] == ["test", "test:blur"]


def test_many_medium_and_few():
    train = np.array([101, 100, 20, 19, 0])
    y = np.array([0, 0, 1, 2, 2, 3, 3, 3])
    top = np.array([0, 1, 1, 2, 0, 3, 0, 0])
    outcome = Given(scores_of(np.eye(5)[top]), labels_of(y), train_counts=train)
    many, medium, few = Groups(GroupsConfig()).measure(outcome).scalars
    assert [m.name for m in (many, medium, few)] == ["many-observed", "medium-observed", "few-observed"]
    assert [m.value for m in (many, medium, few)] == [0.5, pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert [m.n for m in (many, medium, few)] == [2, 3, 3]
    assert many.how == "classes with more than 100 training items as observed: 1"
    assert few.terms.denominator.sum() == 3
    nobody, *_ = Groups(GroupsConfig(many=1000)).measure(outcome).scalars
    assert math.isnan(nobody.value)
    assert "no item of them here" in nobody.how
    with pytest.raises(ConfigError, match="few=20 is above many=10"):
        GroupsConfig(many=10)


# -- multi-labels --------------------------------------------------------------------------------------------


def multi_outcome(seed=0, n=60, c=4, partly=True):
    rng = np.random.default_rng(seed)
    observed = rng.random((n, c)) < 0.7 if partly else np.ones((n, c), dtype=bool)
    positive = (rng.random((n, c)) < 0.4) & observed
    values = rng.standard_normal((n, c)) + positive
    return (
        Given(scores_of(values, activation="sigmoid"), MultiLabels(positive=positive, observed=observed)),
        positive,
        observed,
    )


def test_multi_labels_leave_unknown_entries_out():
    outcome, positive, observed = multi_outcome()
    p = outcome.score.probabilities()
    predicted = p > 0.5
    columns = [
        (positive[observed[:, k], k], predicted[observed[:, k], k], p[observed[:, k], k]) for k in range(4)
    ]
    assert only(Accuracy(NONE), outcome).value == pytest.approx((predicted == positive)[observed].mean())
    assert only(BalancedAccuracy(NONE), outcome).value == pytest.approx(
        np.mean([sk.recall_score(y, z) for y, z, _ in columns])
    )
    assert only(MacroF1(NONE), outcome).value == pytest.approx(
        np.mean([sk.f1_score(y, z) for y, z, _ in columns])
    )
    assert only(MeanAveragePrecision(NONE), outcome).value == pytest.approx(
        np.mean([sk.average_precision_score(y, s) for y, _, s in columns])
    )
    assert only(NegativeLogLikelihood(NONE), outcome).value == pytest.approx(
        sk.log_loss(positive[observed], p[observed])
    )
    assert only(Worst(WorstConfig(2)), outcome).value == pytest.approx(
        np.sort([sk.recall_score(y, z) for y, z, _ in columns])[:2].mean()
    )
    events = np.stack([1 - p[observed], p[observed]], axis=1)
    by_hand = 0.0
    for b in range(15):
        inside = (events[:, 1] > b / 15) & (events[:, 1] <= (b + 1) / 15)
        if inside.any():
            by_hand += inside.mean() * abs(positive[observed][inside].mean() - events[inside, 1].mean())
    assert only(ExpectedCalibrationError(ECEConfig()), outcome).value == pytest.approx(by_hand)
    (table,) = PerClass(NONE).measure(outcome).tables
    assert table.columns["precision"] == pytest.approx([sk.precision_score(y, z) for y, z, _ in columns])
    outcome.train_counts = np.array([500, 50, 5, 1])
    few = Groups(GroupsConfig()).measure(outcome).scalars[2]
    hits, total = (predicted & positive)[:, 2:].sum(), positive[:, 2:].sum()
    assert few.value == pytest.approx(hits / total)


# -- detection -----------------------------------------------------------------------------------------------


def detected(keep, clean, wrong, judged=None):
    assessment = Assessment(np.arange(len(wrong)), clean_probability=clean, keep=keep)
    outcome = Given(
        scores_of(np.eye(2)),
        labels_of([0, 1]),
        assessment=assessment,
        is_wrong=np.asarray(wrong),
        is_judged=judged,
    )
    return {m.name: m for m in Detection(NONE).measure(outcome).scalars}


def test_detection_equals_scikit_learn():
    rng = np.random.default_rng(0)
    wrong = rng.random(200) < 0.3
    clean = np.round(np.clip(rng.random(200) - 0.3 * wrong, 0, 1), 2).astype(np.float32)
    keep = clean > 0.35
    got = detected(keep, clean, wrong)
    assert got["detection-precision"].value == pytest.approx(sk.precision_score(wrong, ~keep))
    assert got["detection-recall"].value == pytest.approx(sk.recall_score(wrong, ~keep))
    assert got["detection-f1"].value == pytest.approx(sk.f1_score(wrong, ~keep))
    assert got["detection-auroc"].value == pytest.approx(sk.roc_auc_score(wrong, 1 - clean))
    assert all(m.split == "" and m.n == 200 for m in got.values())


def test_detection_counts_corrections_as_flags():
    from dataclasses import replace

    from burnish.testing.outcomes import outcome

    made = outcome("mixed")
    found, wrong = made.assessment, made.wrong()
    y = made.observed.take(found.index).y
    fixed = np.where(wrong, (y + 1) % len(made.classes), y)
    for keep, flags in ((None, wrong), (np.arange(len(y)) % 7 > 0, wrong | (np.arange(len(y)) % 7 == 0))):
        corrected = replace(made, assessment=replace(found, keep=keep, corrected=Labels(y=fixed)))
        got = {m.name: m.value for m in Detection(NONE).measure(corrected).scalars}
        assert got["detection-recall"] == 1
        assert got["detection-precision"] == pytest.approx(wrong.sum() / flags.sum())
    alone = replace(made, assessment=replace(found, keep=None, corrected=None))
    assert alone.flagged() is None


def test_detection_leaves_out_items_whose_truth_is_unknown():
    rng = np.random.default_rng(1)
    judged, wrong = rng.random(120) < 0.7, rng.random(120) < 0.3
    clean = np.round(np.clip(rng.random(120) - 0.3 * wrong, 0, 1), 1).astype(np.float32)
    keep = clean > 0.35
    got, alone = (
        detected(keep, clean, wrong | ~judged, judged),
        detected(keep[judged], clean[judged], wrong[judged]),
    )
    assert {name: m.value for name, m in got.items()} == {name: m.value for name, m in alone.items()}
    assert {m.n for m in got.values()} == {int(judged.sum())}
    assert all(
        m.how.endswith(f"; label or truth of {(~judged).sum()} items is unknown") for m in got.values()
    )
    nothing = detected(keep, clean, wrong, np.zeros(120, dtype=bool))
    assert all(math.isnan(m.value) and m.n == 0 for m in nothing.values())


def test_detection_where_something_is_not_defined():
    nothing_wrong = detected(np.ones(4, dtype=bool), np.ones(4, dtype=np.float32), np.zeros(4, dtype=bool))
    assert all(math.isnan(m.value) and m.how for m in nothing_wrong.values())
    says_nothing = detected(None, None, np.array([True, False]))
    assert all(math.isnan(m.value) for m in says_nothing.values())
    assert "keeps or drops no item" in says_nothing["detection-f1"].how
    assert Detection(NONE).measure(random_outcome()).scalars == ()


def test_descriptors():
    assert [e.name for e in EVALUATORS] == [
        "accuracy",
        "balanced-accuracy",
        "per-class",
        "worst",
        "macro-f1",
        "mean-average-precision",
        "ece",
        "nll",
        "groups",
        "detection",
    ]
    assert all("truth" in e.needs for e in EVALUATORS)
    assert EVALUATORS[-1].needs == {"truth", "assessment"}
