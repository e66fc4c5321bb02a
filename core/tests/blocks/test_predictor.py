"""Predictors: an item's scores do not depend on its company.

A state survives a round trip, and a tampered one is refused.
"""

import json

import numpy as np
import pytest
import torch

from burnish.contracts.tuner import Run
from burnish.data import Classes
from burnish.errors import DataError, ModelFileError
from burnish.heads.predictor import CHUNK, check_state
from burnish.heads.stacked import fit_heads


@pytest.fixture
def fitted(heads):
    job = heads.jobs(1, heads.MLP, n=60)[0]
    return job, fit_heads([job], Run())[0].predictor


def rows(count, dim=12, seed=0):
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def test_logits_are_the_modules_in_evaluation_mode(fitted):
    job, predictor = fitted
    module = job.tuner.build(12, 4)
    module.load_state_dict(predictor.state())
    x = rows(CHUNK + 3)
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(x))
    scores = predictor.predict(x)
    assert scores.meaning == "logits"
    assert scores.values.dtype == np.float32
    assert np.allclose(scores.values, expected.logits.numpy(), atol=1e-5)
    assert np.allclose(predictor.embed(x), expected.embeddings.numpy(), atol=1e-5)


def test_scores_are_bitwise_independent_of_the_other_items(fitted):
    _, predictor = fitted
    x = rows(2 * CHUNK + 9)
    whole = predictor.predict(x).values
    for i in (0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 8):
        assert np.array_equal(predictor.predict(x[i : i + 1]).values[0], whole[i])
    assert np.array_equal(predictor.predict(x[::-1]).values[::-1], whole)


def test_threads_change_no_score(fitted):
    _, predictor = fitted
    x = rows(700)
    torch.set_num_threads(1)
    one = predictor.predict(x).values
    torch.set_num_threads(2)
    assert np.array_equal(predictor.predict(x).values, one)
    assert torch.get_num_threads() == 2


def test_no_items_give_no_scores(fitted):
    _, predictor = fitted
    assert predictor.predict(rows(0)).values.shape == (0, 4)
    assert predictor.embed(rows(0)) is None


def test_a_head_on_the_features_themselves_has_no_embeddings(heads):
    predictor = fit_heads(heads.jobs(1), Run())[0].predictor
    assert predictor.embed(rows(5)) is None


def test_round_trip_through_json_and_tensors(fitted):
    job, predictor = fitted
    info = json.loads(json.dumps(predictor.info()))
    assert info == {"dim": 12, "activation": "softmax"}
    again = job.tuner.restore(predictor.state(), info, job.classes)
    x = rows(10)
    assert np.array_equal(again.predict(x).values, predictor.predict(x).values)
    assert again.state().keys() == predictor.state().keys()


@pytest.mark.parametrize("x", [rows(3, dim=11), rows(3)[0], rows(6).reshape(3, 2, 12)])
def test_features_of_another_width_are_refused(fitted, x):
    with pytest.raises(
        DataError, match=r"features of shape .*Possible: \(M, 12\)\. Use the backbone it was trained on"
    ):
        fitted[1].predict(x)


def test_features_that_are_not_finite_give_no_silent_scores(fitted):
    x = rows(300)
    x[270, 3] = np.inf
    with pytest.raises(DataError, match="the scores of row 270 are NaN or infinite"):
        fitted[1].predict(x)


def drop(state):
    del state["head.bias"]


def add(state):
    state["evil"] = torch.zeros(1)


def reshape(state):
    state["head.weight"] = state["head.weight"].T.contiguous()


def retype(state):
    state["head.weight"] = state["head.weight"].double()


def poison(state):
    state["head.weight"][1, 2] = torch.nan


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (drop, "tensor 'head.bias' is missing"),
        (add, "tensor 'evil' is not part of this model"),
        (reshape, "tensor 'head.weight' is (12, 4) torch.float32. Possible: (4, 12) torch.float32"),
        (retype, "tensor 'head.weight' is (4, 12) torch.float64"),
        (poison, "tensor 'head.weight' has values that are NaN or infinite"),
    ],
)
def test_a_tampered_state_is_refused(fitted, tamper, message):
    job, predictor = fitted
    state = {name: t.clone() for name, t in predictor.state().items()}
    tamper(state)
    with pytest.raises(ModelFileError) as caught:
        job.tuner.restore(state, predictor.info(), job.classes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("info", "message"),
    [
        ({}, "the width of the features is given as None"),
        ({"dim": "12", "activation": "softmax"}, "given as '12'"),
        ({"dim": True, "activation": "softmax"}, "given as True"),
        ({"dim": 0, "activation": "softmax"}, "given as 0"),
        ({"dim": 10**9, "activation": "softmax"}, "given as 1000000000"),
        (
            {"dim": 10**7, "activation": "softmax"},
            "tensor 'body.0.weight' is",
        ),  # nothing of this size is ever allocated
        ({"dim": 12, "activation": "exp"}, "the activation is given as 'exp'"),
    ],
)
def test_tampered_info_is_refused(fitted, info, message):
    job, predictor = fitted
    with pytest.raises(ModelFileError) as caught:
        job.tuner.restore(predictor.state(), info, job.classes)
    assert message in str(caught.value)


def test_other_classes_are_refused(fitted):
    job, predictor = fitted
    with pytest.raises(ModelFileError, match=r"head\.(weight|bias)"):
        job.tuner.restore(predictor.state(), predictor.info(), Classes.of(["a", "b"]))


SHAPES = {"weight": (2, 3), "bias": (2,)}
GOOD = {"weight": torch.ones(2, 3), "bias": torch.ones(2)}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"weight": torch.ones(2, 3)}, "mine: tensor 'bias' is missing. Possible: bias, weight"),
        (GOOD | {"evil": torch.ones(1)}, "mine: tensor 'evil' is not part of this model"),
        (
            GOOD | {"bias": torch.ones(3)},
            "mine: tensor 'bias' is (3,) torch.float32. Possible: (2,) torch.float32",
        ),
        (GOOD | {"bias": torch.ones(2).long()}, "mine: tensor 'bias' is (2,) torch.int64"),
        (
            GOOD | {"bias": torch.tensor([1, torch.inf])},
            "mine: tensor 'bias' has values that are NaN or infinite",
        ),
    ],
)
def test_a_state_is_held_against_shapes(state, message):
    check_state(GOOD, SHAPES, "mine")
    with pytest.raises(ModelFileError) as caught:
        check_state(state, SHAPES, "mine")
    assert message in str(caught.value)


def test_a_state_is_held_against_a_module():
    check_state(GOOD, torch.nn.Linear(3, 2))
    with pytest.raises(ModelFileError, match="tensor 'weight' is"):
        check_state(GOOD, torch.nn.Linear(4, 2))
