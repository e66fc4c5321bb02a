"""The weighted ensemble against a slow second implementation, and the evaluators' values."""

from dataclasses import replace

import numpy as np
import pytest

from burnish.data import Classes, MultiLabels, Split
from burnish.errors import DataError, FitError
from burnish.testing.data import changed, outcome, practice
from burnish_cmm import TEMPLATES, CPEConfig, MarginConfig, MeanConfig
from burnish_cmm.ensemble import WeightedPromptEnsemble, prompt_weights
from burnish_cmm.evaluators import GeometricMean, HarmonicMean, LabelledMargin, PredictedMargin
from burnish_cmm.margin import class_sums, matching_margin, similarity


def slow_weights(texts, features, y, temperature):
    """Softmax over prompts of each class's margin, in plain loops."""
    p, c, _ = texts.shape
    omega = np.zeros((p, c))
    for i in range(c):
        margins = []
        for prompt in range(p):
            rows = features[y == i]
            cos = [
                [float(v @ t / np.linalg.norm(v) / np.linalg.norm(t)) for t in texts[prompt]] for v in rows
            ]
            mean = np.mean(cos, axis=0)
            margins.append(mean[i] - max(mean[k] for k in range(c) if k != i))
        e = [np.exp(m / temperature) for m in margins]
        omega[:, i] = np.array(e) / sum(e)
    return omega


def test_classwise_weights_are_the_softmax_of_margins_and_the_classifier_their_sum():
    given = practice(3, dim=5)
    templates = ("a {}", "b {}", "the {}")
    made = WeightedPromptEnsemble(CPEConfig(templates, labels="given", temperature=0.05, scale=1.0)).fit(
        given.task
    )
    index = given.task.splits["train"].index
    texts, features, y = (
        given.task.class_embeddings(templates),
        given.task.features("train")[:, 0],
        given.task.supervision.y[index],
    )
    omega = slow_weights(texts.astype(np.float64), features.astype(np.float64), y, 0.05)
    expected = np.zeros((3, 5))
    for i in range(3):
        for p in range(3):
            expected[i] += omega[p, i] * texts[p, i] / np.linalg.norm(texts[p, i])
        expected[i] /= np.linalg.norm(expected[i])
    assert np.allclose(made.state()["weights"].numpy(), expected, atol=1e-6)


def test_pseudo_labels_are_the_plain_ensembles_predictions():
    given = practice(3, dim=5)
    tuner = WeightedPromptEnsemble(CPEConfig(("a {}", "b {}")))
    hidden = replace(
        given.task, supervision=replace(given.task.supervision, y=np.full_like(given.task.supervision.y, -1))
    )
    assert np.array_equal(
        tuner.fit(given.task).state()["weights"].numpy(), tuner.fit(hidden).state()["weights"].numpy()
    )
    with pytest.raises(FitError, match="no item of train has a label"):
        WeightedPromptEnsemble(CPEConfig(("a {}",), labels="given")).fit(hidden)


def test_one_weight_a_template_is_the_mean_over_classes_that_have_items():
    margins = np.array([[0.1, 0.3, np.nan], [0.2, 0.0, np.nan]])
    omega = prompt_weights(margins, 0.1, each=False)
    first = np.exp(2) / (np.exp(2) + np.exp(1))
    assert np.allclose(omega[0], first)
    assert np.allclose(omega.sum(axis=0), 1)
    own = prompt_weights(margins, 0.1, each=True)
    assert np.allclose(own[:, 2], 0.5)  # a class without items: every prompt alike
    cold = prompt_weights(margins, 1e-6, each=True)
    assert np.allclose(cold[:, :2], [[0, 1], [1, 0]])


def _hard():
    """Return a task of three classes in five dimensions; class 2 has a poor name, and alone a description."""
    given = practice(3, dim=5)
    described = Classes.of(given.task.classes.names, [[], [], ["three"]])

    def embed(templates, at=None):
        texts = given.task.class_embeddings(templates)
        if not any("{description}" in template for template in templates):
            texts[0, 2] = texts[0, 0] + texts[0, 1]
        elif at is None or any(not described.descriptions[i] for i in at):
            raise DataError("no description")
        return texts if at is None else texts[:, at]

    return changed(given.task, classes=described, class_embeddings=embed)


def test_enriched_prompts_are_for_the_worst_classes_alone_and_need_no_other_description():
    task, config = _hard(), CPEConfig(("a {}",), labels="given")
    enriched = replace(config, worst=1, enriched=("a {}: {description}",))
    plain = WeightedPromptEnsemble(config).fit(task).state()["weights"].numpy()
    more = WeightedPromptEnsemble(enriched).fit(task).state()["weights"].numpy()
    assert np.array_equal(plain[:2], more[:2])
    assert not np.allclose(plain[2], more[2])
    with pytest.raises(DataError, match="no description"):
        WeightedPromptEnsemble(replace(enriched, worst=2)).fit(task)


@pytest.mark.parametrize("weights", ["class", "template"])
def test_a_prompt_is_compared_on_the_worst_classes_with_the_texts_its_rivals_keep(weights):
    task, temperature = _hard(), 0.05
    config = CPEConfig(
        ("a {}",),
        labels="given",
        worst=1,
        enriched=("a {}: {description}",),
        weights=weights,
        temperature=temperature,
    )
    made = WeightedPromptEnsemble(config).fit(task).state()["weights"].numpy()
    y = task.supervision.y[task.splits["train"].index]
    v = task.features("train")[:, 0].astype(np.float64)
    v = v[y == 2] / np.linalg.norm(v[y == 2], axis=1, keepdims=True)
    texts = task.class_embeddings(("a {}",))[0].astype(np.float64)
    own = task.class_embeddings(("a {}: {description}",), np.array([2]))[0, 0].astype(np.float64)
    texts, own = texts / np.linalg.norm(texts, axis=1, keepdims=True), own / np.linalg.norm(own)
    rival = max((v @ texts[k]).mean() for k in (0, 1))
    e = np.exp(np.array([(v @ texts[2]).mean() - rival, (v @ own).mean() - rival]) / temperature)
    assert e[1] > 2 * e[0]
    expected = (e[0] * texts[2] + e[1] * own) / e.sum()
    assert np.allclose(made[2], expected / np.linalg.norm(expected), atol=1e-5)


def test_the_pool_can_be_asked_for_and_must_be_there():
    given = practice(3, dim=5)
    tuner = WeightedPromptEnsemble(CPEConfig(("a {}",), items="pool"))
    with pytest.raises(FitError, match="there is no pool split"):
        tuner.fit(given.task)
    pool = {**given.task.splits, "pool": Split("pool", given.task.splits["validation"].index)}
    features = lambda name: given.task.features("validation" if name == "pool" else name)  # noqa: E731
    assert tuner.fit(changed(given.task, splits=pool, features=features)).classes is given.task.classes
    several = MultiLabels(positive=np.ones((len(given.task.supervision), 3), dtype=bool))
    with pytest.raises(FitError, match="not defined"):
        tuner.fit(replace(given.task, splits=pool, supervision=several))


def test_the_default_prompts_have_a_place_for_the_name_each():
    assert len(set(TEMPLATES)) == len(TEMPLATES)
    assert all(template.count("{}") == 1 for template in TEMPLATES)


# -- evaluators ----------------------------------------------------------------------------------------------


def test_margins_of_an_outcome_with_and_without_labels():
    made = outcome("mixed")
    texts = made.class_embeddings(("a photo of a {}.",))[0]
    features, y = made.features("test"), made.targets("test").y
    labelled = {m.name: m for m in LabelledMargin(MarginConfig(k=2)).measure(made).scalars}
    margins = matching_margin(similarity(*class_sums(features, y, 3), texts))
    assert labelled["labelled-matching-margin"].value == pytest.approx(margins.mean(), abs=1e-6)
    assert labelled["worst-2-labelled-matching-margin"].value == pytest.approx(
        np.sort(margins)[:2].mean(), abs=1e-6
    )
    predicted = PredictedMargin(MarginConfig()).measure(made.without_truth())
    own = matching_margin(similarity(*class_sums(features, made.scores("test").top(), 3), texts))
    assert predicted.scalars[0].value == pytest.approx(own.mean(), abs=1e-6)
    assert predicted.tables[0].columns["margin"] == pytest.approx(own.tolist(), abs=1e-6)
    assert all(
        rival in "abc" and rival != name
        for name, rival in zip("abc", predicted.tables[0].columns["rival"], strict=True)
    )


def test_the_rank_correlation_is_spearmans():
    made = outcome("mixed", classes=5, n=200)
    found = {m.name: m for m in LabelledMargin(MarginConfig()).measure(made).scalars}[
        "margin-rank-correlation"
    ]
    top, y = made.scores("test").top(), made.targets("test").y
    texts = made.class_embeddings(("a photo of a {}.",))[0]
    margins = matching_margin(similarity(*class_sums(made.features("test"), top, 5), texts))
    accuracy = [float((top[y == i] == i).mean()) for i in range(5)]

    def ranks(values):
        return np.array([sum(v < w for v in values) + (sum(v == w for v in values) - 1) / 2 for w in values])

    assert found.value == pytest.approx(np.corrcoef(ranks(margins), ranks(accuracy))[0, 1])
    perfect = {m.name: m for m in LabelledMargin(MarginConfig()).measure(outcome("perfect")).scalars}[
        "margin-rank-correlation"
    ]
    assert np.isnan(perfect.value)


def test_a_class_that_is_never_predicted_does_not_count_and_is_told():
    made = outcome("constant").without_truth()
    found = {m.name: m for m in PredictedMargin(MarginConfig(k=2)).measure(made).scalars}
    texts = made.class_embeddings(("a photo of a {}.",))[0]
    margins = matching_margin(
        similarity(*class_sums(made.features("test"), made.scores("test").top(), 3), texts)
    )
    assert np.isnan(margins).sum() == 2
    assert (
        found["worst-2-matching-margin"].value
        == found["matching-margin"].value
        == pytest.approx(np.nanmean(margins), abs=1e-6)
    )
    assert all("2 of 3 classes have no item here and do not count" in one.how for one in found.values())


class _Accuracies:
    """An outcome whose class accuracies are given: 10 items a class."""

    splits = ("test",)

    def __init__(self, accuracies):
        c = len(accuracies)
        self.classes = Classes.of([str(i) for i in range(c)])
        self.y = np.repeat(np.arange(c), 10)
        self.top = np.concatenate(
            [np.where(np.arange(10) < round(10 * a), i, (i + 1) % c) for i, a in enumerate(accuracies)]
        )

    def targets(self, split):
        from burnish.data import Labels

        return Labels(y=self.y)

    def units(self, split):
        return np.arange(len(self.y))

    def scores(self, split):
        from burnish.contracts.scores import Scores

        return Scores("logits", np.eye(len(self.classes), dtype=np.float32)[self.top], self.classes)


def test_means_golden_values():
    made = _Accuracies([0, 0.1, 0.5, 0.9, 1])
    (harmonic,) = HarmonicMean(MeanConfig()).measure(made).scalars
    assert harmonic.value == pytest.approx(5.0e-5, rel=1e-3)
    assert "1 of them count as 1e-05" in harmonic.how
    (geometric,) = GeometricMean(MeanConfig(floor=0)).measure(made).scalars
    assert geometric.value == 0
    made = _Accuracies([0.5, 1.0])
    assert HarmonicMean(MeanConfig()).measure(made).scalars[0].value == pytest.approx(2 / 3)
    assert GeometricMean(MeanConfig()).measure(made).scalars[0].value == pytest.approx(0.5**0.5)
