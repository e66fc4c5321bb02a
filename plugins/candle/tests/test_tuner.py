"""Training: what is learnt from, what is not, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from burnish.config import make_config
from burnish.contracts.tuner import Run
from burnish.data import Labels
from burnish.errors import ConfigError, DataError, FitError, ModelFileError
from burnish.testing.data import blobs, changed, practice
from burnish_candle import CandleConfig, provides
from burnish_candle.candle import Candle, learning_rate

SMALL = {"heads": 2, "epochs": 3, "warmup": 0}


def new_task(new=1, **options):
    """Return a task as the engine makes it, with no training and no validation item in the last classes."""
    classes = 3
    given = practice(classes, relabel=lambda y: np.where(y >= classes - new, -1, y), **options)
    known = np.arange(classes) < classes - new
    return replace(given, task=replace(given.task, classes=given.task.classes.with_known(known)))


def fit(given, **options):
    return Candle(CandleConfig(**{**SMALL, **options})).fit(given.task)


def own_accuracy(predictor, given, columns):
    """Return the accuracy on the items of some classes, among these classes."""
    chosen = np.isin(given.test_labels, columns)
    values = predictor.predict(given.test_features[chosen]).values[:, columns]
    return float((np.array(columns)[values.argmax(1)] == given.test_labels[chosen]).mean())


def test_it_learns_base_classes_and_keeps_new_ones():
    given = new_task()
    predictor = fit(given, epochs=20, scale=20.0)
    found = predictor.predict(given.test_features)
    assert own_accuracy(predictor, given, [0, 1]) > 0.9
    assert float((found.top()[given.test_labels == 2] == 2).mean()) > 0.8, (
        "items of the new class, among all classes"
    )


def test_prototypes_are_weighted_means_and_new_ones_start_at_their_text():
    given = new_task()
    supervision = given.task.supervision
    weights = np.random.default_rng(0).random(len(supervision)).astype(np.float32)
    weights[::7] = 0
    given = replace(given, task=replace(given.task, supervision=supervision.with_weights(weights)))
    state = fit(given, lr=0.0, templates=("a {}.", "one {}.")).state()
    index = given.task.splits["train"].index
    y, w, x = supervision.y[index], weights[index], given.task.features("train")[:, 0]
    for c in (0, 1):
        mean = sum(wi * xi for wi, xi, yi in zip(w, x, y, strict=True) if yi == c) / w[y == c].sum()
        np.testing.assert_allclose(state["prototypes"][c].numpy(), mean, atol=1e-5)
    text = given.task.class_embeddings(("a {}.", "one {}.")).mean(axis=0)
    np.testing.assert_allclose(state["texts"].numpy(), text, atol=1e-6)
    np.testing.assert_allclose(state["prototypes"][2].numpy(), text[2], atol=1e-6)


def test_virtual_prototypes_may_start_near_the_mean_prototype():
    state = fit(new_task(), lr=0.0, virtual="visual").state()
    mean = state["prototypes"][:2].mean(dim=0)
    assert 0 < float((state["prototypes"][2] - mean).abs().max()) < 0.3


def test_training_moves_virtual_prototypes_and_no_other():
    before, after = fit(new_task(), lr=0.0).state(), fit(new_task(), lr=1e-2).state()
    assert torch.equal(before["prototypes"][:2], after["prototypes"][:2])
    assert not torch.equal(before["prototypes"][2], after["prototypes"][2])
    assert torch.equal(before["texts"], after["texts"])
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {
        "project_items",
        "project_texts",
        "attention.rho",
        "attention.norm.weight",
        "attention.qkv.weight",
        "attention.out.weight",
    } <= moved


def test_a_class_whose_items_weigh_nothing_is_as_new():
    given = practice(3)
    y = given.task.supervision.y
    task = replace(
        given.task, supervision=given.task.supervision.with_weights(np.where(y == 1, 0, 1).astype(np.float32))
    )
    state = Candle(CandleConfig(**SMALL, lr=0.0)).fit(task).state()
    np.testing.assert_allclose(
        state["prototypes"][1].numpy(), task.class_embeddings(("a photo of a {}.",))[0, 1], atol=1e-6
    )


def test_weight_zero_is_as_left_out():
    given = practice(3)
    y = given.task.supervision.y.copy()
    out = np.arange(len(y)) % 4 == 0
    weighed = replace(
        given,
        task=replace(given.task, supervision=Labels(y=y, weights=np.where(out, 0, 1).astype(np.float32))),
    )
    without = replace(given, task=replace(given.task, supervision=Labels(y=np.where(out, -1, y))))
    a, b = fit(weighed).state(), fit(without).state()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_views_are_further_rows():
    given = practice(3, views=2)
    assert own_accuracy(fit(given), given, [0, 1, 2]) > 0.9


def test_the_validation_split_plays_no_part():
    given = practice(3)
    y = given.task.supervision.y.copy()
    y[given.task.splits["validation"].index] = 0
    a, b = fit(given).state(), fit(replace(given, task=replace(given.task, supervision=Labels(y=y)))).state()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert set(given.asked) == {"train"}


def test_replicates_differ_and_progress_is_told():
    told = []
    given, other = practice(3), practice(3, replicate=1)
    first = (
        Candle(CandleConfig(**SMALL, batch=16))
        .fit(replace(given.task, run=Run(progress=lambda done, total: told.append((done, total)))))
        .state()
    )
    assert told[-1] == (18, 18)
    assert [done for done, _ in told] == list(range(1, 19))
    assert not torch.equal(
        first["attention.qkv.weight"], fit(other, batch=16).state()["attention.qkv.weight"]
    )


def test_the_scale_is_the_one_given_or_what_the_backbone_learnt():
    given = practice(3)
    learnt = changed(given.task, logit_scale=lambda: 17.0)
    found = [
        Candle(CandleConfig(**SMALL, scale=scale)).fit(task).info()["scale"]
        for task in (given.task, learnt)
        for scale in (None, 5.0)
    ]
    assert found == [100.0, 5.0, 17.0, 5.0]
    predictor = Candle(CandleConfig(**SMALL)).fit(learnt)
    again = Candle(CandleConfig(**SMALL)).restore(predictor.state(), predictor.info(), learnt.classes)
    assert np.array_equal(
        again.predict(given.test_features).values, predictor.predict(given.test_features).values
    )
    with pytest.raises(ModelFileError, match="the scale is given as 'x'"):
        Candle(CandleConfig(**SMALL)).restore(
            predictor.state(), {**predictor.info(), "scale": "x"}, learnt.classes
        )


def test_the_schedule():
    """One epoch at 1e-5, then a cosine that begins after it and is as long as all epochs, as released."""
    config = CandleConfig(lr=1e-2, epochs=4)
    expected = [1e-5, 1e-2, 1e-2 * (1 + np.cos(np.pi / 4)) / 2, 1e-2 / 2]
    np.testing.assert_allclose([learning_rate(config, epoch) for epoch in range(4)], expected)
    assert learning_rate(replace(config, warmup=0), 0) == 1e-2


def test_what_it_provides_depends_on_the_mask():
    assert provides(CandleConfig()) == {"own-loss"}
    assert provides(CandleConfig(variant="released")) == {"own-loss", "transductive"}
    assert provides(CandleConfig(variant="released", mask="queries")) == {"own-loss"}
    assert provides(CandleConfig(mask="in-visual")) == {"own-loss", "transductive"}


def test_released_predicts_batches_in_the_order_they_come():
    given = practice(3)
    predictor = fit(given, variant="released", test_batch=7)
    x = given.test_features
    together = predictor.predict(x).values
    parts = np.concatenate([predictor.predict(x[start : start + 7]).values for start in range(0, len(x), 7)])
    np.testing.assert_array_equal(together, parts)
    assert not np.allclose(together[:1], predictor.predict(x[:1]).values, atol=1e-6)


def test_many_items_are_predicted_as_few():
    """More than one chunk."""
    predictor = fit(practice(3))
    x, _ = blobs(600, 6, 3, seed=3)
    np.testing.assert_allclose(
        predictor.predict(x).values[500:510], predictor.predict(x[500:510]).values, atol=1e-4
    )
    assert predictor.embed(x).shape == (600, 6)


# -- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 4}, "6 features cannot be split into 4 heads.*1, 2, 3, 6"),
        ({"lr": 10.0, "scale": 1e4, "weight_decay": 10.0, "epochs": 60}, "the loss became"),
    ],
)
def test_what_cannot_be_trained(options, message):
    with pytest.raises(FitError, match=message):
        fit(practice(3), **options)


def test_features_that_are_not_finite():
    given = practice(3)
    x = given.task.features("train")
    x[4] = np.nan
    with pytest.raises(FitError, match="training item 4 is NaN"):
        Candle(CandleConfig(**SMALL)).fit(changed(given.task, features=lambda split: x))
    with pytest.raises(DataError, match="row 1 are NaN"):
        fit(given).predict(np.array([[0] * 6, [np.nan] * 6], dtype=np.float32))


def test_texts_and_items_of_different_widths():
    given = practice(3)
    task = changed(
        given.task, class_embeddings=lambda templates: np.ones((len(templates), 3, 4), dtype=np.float32)
    )
    with pytest.raises(FitError, match="texts have 4 features, items 6"):
        Candle(CandleConfig(**SMALL)).fit(task)


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_features_of_another_width(variant):
    with pytest.raises(DataError, match=r"\(M, 6\)"):
        fit(practice(3), variant=variant).predict(np.zeros((2, 5), dtype=np.float32))


def test_a_model_for_other_heads_or_classes():
    given = practice(3)
    predictor = fit(given)
    with pytest.raises(ModelFileError, match="multiple of 4"):
        Candle(CandleConfig(heads=4)).restore(predictor.state(), predictor.info(), given.task.classes)
    with pytest.raises(ModelFileError, match="prototypes"):
        Candle(CandleConfig(heads=2)).restore(predictor.state(), predictor.info(), practice(4).task.classes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "papr"}, "paper, released"),
        ({"mask": "all"}, "in-visual"),
        ({"heads": 0}, "heads is 0"),
        ({"capa": 1}, "Did you mean 'kappa'"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(ConfigError, match=message):
        make_config(CandleConfig, options, where="candle")
