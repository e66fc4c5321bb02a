"""Baseline tuners against scikit-learn and plain loops, and that they keep their promises.

Weights, absent classes, save and restore.
"""

import math

import numpy as np
import pytest
import torch

from burnish import HeadConfig, NoConfig
from burnish.blocks import TrainingData
from burnish.contracts.loss import Targets
from burnish.contracts.tuner import FeaturesAlone, Run, Task
from burnish.data import Classes, Labels, MultiLabels, Split
from burnish.errors import DataError, FitError, ModelFileError
from burnish.testing.data import practice
from burnish_basics._tuners import (
    TUNERS,
    KNNConfig,
    LinearConfig,
    MLPConfig,
    NearestClassMeanConfig,
    RidgeConfig,
    ZeroShotConfig,
)
from burnish_basics.tuners import KNN, MLP, Linear, NearestClassMean, Nothing, Ridge, ZeroShot
from burnish_basics.tuners.closed_form import NEVER, ridge


def blobs(n=200, dim=6, classes=4, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=n)
    x = 2.0 * rng.standard_normal((classes, dim))[y] + rng.standard_normal((n, dim)) + shift
    return x.astype(np.float32), y.astype(np.int64)


def data_of(x, classes, *, hard=None, multi=None, observed=None, weights=None, views=1):
    n = len(x)
    weights = np.ones(n, dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
    if hard is not None:
        weights = np.where(hard >= 0, weights, 0).astype(np.float32)
        targets = Targets(hard=torch.as_tensor(hard).clamp(min=0))
        prior = np.bincount(hard[hard >= 0], weights=weights[hard >= 0], minlength=classes)
    else:
        observed = np.ones_like(multi) if observed is None else observed
        targets = Targets(
            multi=torch.as_tensor(multi, dtype=torch.float32),
            observed=torch.as_tensor(observed, dtype=torch.float32),
        )
        prior = weights @ (multi * observed)
    features = torch.as_tensor(x).unsqueeze(1).repeat(1, views, 1)
    names = Classes.of([f"c{k}" for k in range(classes)])
    return TrainingData(
        features,
        targets,
        torch.as_tensor(weights),
        names,
        torch.as_tensor(prior, dtype=torch.float32),
        np.random.default_rng(0),
    )


def solved(tuner, data):
    """Build the module, load the closed form strictly, and return it as a function of numpy features."""
    module = tuner.build(data.x.shape[2], len(data.classes))
    state = tuner.solve(data)
    module.load_state_dict(state, strict=True)
    assert all(t.dtype == torch.float32 for t in state.values())
    return lambda x: module.eval()(torch.as_tensor(x)).detach().numpy()


# -- nothing -------------------------------------------------------------------------------------------------


def test_nothing_predicts_the_most_frequent_class():
    x, _ = blobs(10)
    y = np.array([2, 2, 2, 1, 1, 0, 0, -1, -1, -1])
    logits = solved(Nothing(NoConfig()), data_of(x, 4, hard=y))(x)
    assert logits.shape == (10, 4)
    assert (logits.argmax(1) == 2).all()
    assert torch.softmax(torch.as_tensor(logits[0]), 0).tolist() == pytest.approx(
        [3 / 11, 3 / 11, 4 / 11, 1 / 11]
    )
    heavy = solved(Nothing(NoConfig()), data_of(x, 4, hard=y, weights=[1, 1, 1, 1, 1, 9, 9, 1, 1, 1]))(x)
    assert (heavy.argmax(1) == 0).all()


def test_nothing_gives_the_prevalence_of_multi_labels_among_known_entries():
    multi = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)
    observed = np.array([[1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 1, 1]], dtype=np.float32)
    logits = solved(Nothing(NoConfig()), data_of(blobs(4)[0], 3, multi=multi, observed=observed))(blobs(2)[0])
    assert logits[0].tolist() == pytest.approx([math.log(4 / 2), math.log(1 / 5), math.log(3 / 1)], rel=1e-6)


# -- nearest class mean --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_nearest_class_mean_agrees_with_scikit_learn(shift):
    from sklearn.neighbors import NearestCentroid

    x, y = blobs(shift=shift)
    new = blobs(100, seed=0, shift=shift)[0] + 0.3
    logits = solved(NearestClassMean(NearestClassMeanConfig()), data_of(x, 4, hard=y))(new)
    assert np.array_equal(
        logits.argmax(1), NearestCentroid().fit(x.astype(np.float64), y).predict(new.astype(np.float64))
    )


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_nearest_class_mean_equals_plain_loops(metric):
    x, y = blobs(60, 5, 3)
    y[:7] = -1
    w = np.random.default_rng(1).random(60).astype(np.float32)
    w[10:13] = 0
    logits = solved(NearestClassMean(NearestClassMeanConfig(metric)), data_of(x, 3, hard=y, weights=w))(x)
    unit = (lambda v: v / np.linalg.norm(v)) if metric == "cosine" else (lambda v: v)
    rows = [unit(row.astype(np.float64)) for row in x]
    used = [i for i in range(60) if y[i] >= 0 and w[i] > 0]
    means = [
        unit(sum(w[i] * rows[i] for i in used if y[i] == c) / sum(w[i] for i in used if y[i] == c))
        for c in range(3)
    ]
    total = sum(float(w[i]) for i in used)
    variance = sum(w[i] * np.mean((rows[i] - means[y[i]]) ** 2) for i in used) / total
    expected = np.array([[-np.sum((row - mean) ** 2) / (2 * variance) for mean in means] for row in rows])
    expected -= expected.max(axis=1, keepdims=True)
    assert logits - logits.max(axis=1, keepdims=True) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_class_without_items_is_never_predicted(metric):
    x, y = blobs(80, classes=3)
    y[y == 1] = -1
    logits = solved(NearestClassMean(NearestClassMeanConfig(metric)), data_of(x, 3, hard=y))(x)
    assert (logits[:, 1] == np.float32(NEVER)).all()
    assert np.isfinite(logits).all()


def test_one_item_a_class_and_views():
    x, _ = blobs(3)
    tuner = NearestClassMean(NearestClassMeanConfig())
    one = solved(tuner, data_of(x, 3, hard=np.arange(3)))(x)
    assert one.argmax(1).tolist() == [0, 1, 2]
    assert np.allclose(solved(tuner, data_of(x, 3, hard=np.arange(3), views=2))(x), one, atol=1e-5)
    with pytest.raises(FitError, match="multi-labels"):
        tuner.solve(data_of(x, 3, multi=np.eye(3, dtype=np.float32)))


# -- ridge ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "dim"), [(200, 6), (20, 50), (5000, 3)])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
def test_ridge_agrees_with_scikit_learn(n, dim, alpha):
    from sklearn.linear_model import RidgeClassifier

    x, y = blobs(n, dim, shift=5.0)
    w = np.random.default_rng(2).random(n).astype(np.float32) + 0.1
    logits = solved(Ridge(RidgeConfig(alpha)), data_of(x, 4, hard=y, weights=w))(x)
    reference = RidgeClassifier(alpha=alpha).fit(x.astype(np.float64), y, sample_weight=w.astype(np.float64))
    assert logits == pytest.approx(reference.decision_function(x.astype(np.float64)), abs=2e-4)


def test_ridge_solves_either_system_alike():
    rng = torch.Generator().manual_seed(0)
    x, y, w = (
        torch.randn(12, 12, generator=rng).double(),
        torch.randn(12, 2, generator=rng).double(),
        torch.rand(12, generator=rng).double(),
    )
    wide = torch.cat([x, torch.zeros(12, 1, dtype=torch.float64)], dim=1)
    mean, weight, bias = ridge(x, y, w, 0.5)
    _, dual, same = ridge(wide, y, w, 0.5)
    assert torch.allclose(weight, dual[:12], atol=1e-10)
    assert torch.allclose(bias, same)
    # The gradient of the objective vanishes.
    parameters = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    loss = (w[:, None] * (y - (x - mean) @ parameters[0] - parameters[1]).square()).sum() + 0.5 * parameters[
        0
    ].square().sum()
    assert all(g.abs().max() < 1e-10 for g in torch.autograd.grad(loss, parameters))


def test_ridge_of_multi_labels_leaves_unknown_entries_out():
    x, y = blobs(90, 4, 3)
    multi = (np.eye(3)[y] + np.eye(3)[(y + 1) % 3]).astype(np.float32)
    tuner = Ridge(RidgeConfig(0.7))
    whole = solved(tuner, data_of(x, 3, multi=multi))(x)
    for c in range(3):
        alone = solved(tuner, data_of(x, 2, hard=multi[:, c].astype(np.int64)))(x)
        assert whole[:, c] == pytest.approx(alone[:, 1], abs=1e-4)
    observed = np.ones_like(multi)
    observed[:30, 1], observed[:, 2] = 0, 0
    partly = solved(tuner, data_of(x, 3, multi=multi, observed=observed))(x)
    assert partly[:, 0] == pytest.approx(whole[:, 0], abs=1e-4)
    rest = solved(tuner, data_of(x[30:], 2, hard=multi[30:, 1].astype(np.int64)))(x)
    assert partly[:, 1] == pytest.approx(rest[:, 1], abs=1e-4)
    assert (partly[:, 2] < -1e29).all()


@pytest.mark.parametrize(
    "tuner", [Nothing(NoConfig()), NearestClassMean(NearestClassMeanConfig()), Ridge(RidgeConfig())]
)
def test_closed_forms_need_a_labelled_item(tuner):
    with pytest.raises(FitError, match="no training item"):
        tuner.solve(data_of(blobs(3)[0], 2, hard=np.full(3, -1)))
    assert tuner.uses_loss is False


# -- trained heads -------------------------------------------------------------------------------------------


def test_linear_and_mlp_are_what_they_say():
    assert LinearConfig().lr == 1e-2
    assert MLPConfig().lr == HeadConfig().lr == 1e-3
    assert [type(m).__name__ for m in Linear(LinearConfig()).build(5, 3).modules()] == ["Linear"]
    head = MLP(MLPConfig()).build(5, 3)
    assert {name: tuple(p.shape) for name, p in head.named_parameters()} == {
        "body.scale": (5,),
        "body.mlp.0.weight": (20, 5),
        "body.mlp.0.bias": (20,),
        "body.mlp.1.weight": (20,),
        "body.mlp.1.bias": (20,),
        "body.mlp.3.weight": (5, 20),
        "body.mlp.3.bias": (5,),
        "head.weight": (3, 5),
        "head.bias": (3,),
    }
    plain = MLP(MLPConfig(ratio=2, blocks=2, residual=False)).build(5, 3)
    assert "body.scale" not in dict(plain.named_parameters())
    assert sum(isinstance(m, torch.nn.BatchNorm1d) for m in plain.modules()) == 2


# -- k nearest neighbours ------------------------------------------------------------------------------------


def task_of(x, supervision, classes, views=1):
    split = Split("train", np.arange(len(x)))
    done = []
    run = Run("cpu", lambda *steps: done.append(steps))
    names = Classes.of([f"c{k}" for k in range(classes)])
    features = np.repeat(x[:, None], views, axis=1)
    return Task(names, {"train": split}, supervision, None, None, {}, FeaturesAlone(features), run=run)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("vote", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_knn_agrees_with_scikit_learn(metric, vote, k):
    from sklearn.neighbors import KNeighborsClassifier

    x, y = blobs(300, shift=3.0)
    new = blobs(70, seed=0, shift=3.0)[0] + np.float32(0.2)
    reference = KNeighborsClassifier(k, metric=metric, weights=vote, algorithm="brute")
    expected = reference.fit(x.astype(np.float64), y).predict_proba(new.astype(np.float64))
    scores = KNN(KNNConfig(k, metric, vote)).fit(task_of(x, Labels(y=y), 4)).predict(new)
    assert scores.meaning == "probabilities"
    assert scores.values == pytest.approx(expected, abs=1e-4)


def test_knn_weights_unknown_labels_and_few_items():
    x = np.array([[0.0], [1.0], [2.0], [3.0]], dtype=np.float32)
    labels = Labels(y=np.array([0, 1, -1, 1]), weights=np.array([3, 1, 1, 0], dtype=np.float32))
    predictor = KNN(KNNConfig(10, "euclidean")).fit(task_of(x, labels, 3))
    assert predictor.predict(np.array([[1.5]], dtype=np.float32)).values.tolist() == [
        pytest.approx([0.75, 0.25, 0])
    ]
    with pytest.raises(FitError, match="no training item"):
        KNN(KNNConfig()).fit(task_of(x, Labels(y=np.full(4, -1)), 3))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("shape", [(3, 7), (3, 5), (0, 5), (6,)])
def test_knn_refuses_another_width(metric, shape):
    x, y = blobs(20)
    predictor = KNN(KNNConfig(metric=metric)).fit(task_of(x, Labels(y=y), 4))
    with pytest.raises(DataError) as caught:
        predictor.predict(np.zeros(shape, dtype=np.float32))
    assert (
        str(caught.value)
        == f"features of shape {shape}. Possible: (M, 6). Use the backbone it was trained on."
    )


def test_knn_of_multi_labels():
    x = np.array([[0.0], [1.0], [2.0], [9.0]], dtype=np.float32)
    positive = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
    observed = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]], dtype=bool)
    predictor = KNN(KNNConfig(3, "euclidean")).fit(
        task_of(x, MultiLabels(positive=positive & observed, observed=observed), 3)
    )
    scores = predictor.predict(np.array([[1.0]], dtype=np.float32))
    assert scores.activation == "sigmoid"
    assert scores.probabilities().tolist() == [pytest.approx([2 / 3, 1 / 2, 1 / 2])]


def test_knn_scores_do_not_depend_on_companions():
    x, y = blobs(500, 20)
    predictor = KNN(KNNConfig(7, vote="distance")).fit(task_of(x, Labels(y=y), 4))
    new = blobs(600, 20, seed=3)[0]
    whole = predictor.predict(new).values
    assert np.array_equal(predictor.predict(new[:1]).values, whole[:1])
    assert predictor.predict(new[500:]).values == pytest.approx(whole[500:], abs=1e-6)
    assert predictor.predict(new[:0]).values.shape == (0, 4)
    assert predictor.embed(new) is None


@pytest.mark.parametrize("multi", [False, True])
def test_knn_restores_what_it_saved(multi):
    x, y = blobs(50)
    supervision = MultiLabels(positive=np.eye(4, dtype=bool)[y]) if multi else Labels(y=y)
    tuner = KNN(KNNConfig(3, "euclidean"))
    predictor = tuner.fit(task_of(x, supervision, 4, views=2))
    state, info = dict(predictor.state()), dict(predictor.info())
    assert info == {"items": 100, "dim": 6}
    again = tuner.restore(state, info, predictor.classes)
    assert np.array_equal(again.predict(x).values, predictor.predict(x).values)
    name = "multi" if multi else "hard"
    broken = [
        ({k: v for k, v in state.items() if k != "centre"}, info, "the model holds"),
        (state | {"features": state["features"][:-1]}, info, "features is"),
        (state | {"centre": state["centre"] * float("nan")}, info, "centre has a number"),
        (state | {name: state[name] - 5}, info, f"{name} has a number"),
        (state, {"dim": 6}, "does not say"),
        (state, {"items": "100", "dim": 6}, "does not say"),
    ]
    if not multi:
        broken.append((state | {"hard": state["hard"] + 4}, info, "out of range"))
    for tensors, facts, message in broken:
        with pytest.raises(ModelFileError, match=message):
            tuner.restore(tensors, facts, predictor.classes)


def test_descriptors():
    by_name = {t.name: t for t in TUNERS}
    assert list(by_name) == ["nothing", "zero-shot", "nearest-class-mean", "linear", "ridge", "mlp", "knn"]
    assert all(
        t.needs == ({"features", "text-tower"} if t.name == "zero-shot" else {"features"}) for t in TUNERS
    )
    assert [t.name for t in TUNERS if "control" in t.provides] == ["nothing", "zero-shot"]
    for name, target in {
        "nothing": Nothing,
        "nearest-class-mean": NearestClassMean,
        "linear": Linear,
        "ridge": Ridge,
        "mlp": MLP,
    }.items():
        assert ("own-loss" in by_name[name].provides) is not target.uses_loss


# -- zero-shot -----------------------------------------------------------------------------------------------


def test_zero_shot_is_the_mean_of_normalised_prompts_and_never_looks_at_the_items():
    given = practice(3, dim=4)
    templates = ("a {}", "the {}", "one {} here")
    predictor = ZeroShot(ZeroShotConfig(templates, scale=10.0)).fit(given.task)
    texts = given.task.class_embeddings(templates)
    weights = np.zeros((3, 4))
    for p in range(3):
        for c in range(3):
            weights[c] += texts[p, c] / np.linalg.norm(texts[p, c]) / 3
    x = given.test_features.astype(np.float64)
    expected = [[10 * (row @ w) / np.linalg.norm(row) / np.linalg.norm(w) for w in weights] for row in x]
    assert np.allclose(predictor.predict(given.test_features).values, expected, atol=1e-4)
    assert given.asked == []
