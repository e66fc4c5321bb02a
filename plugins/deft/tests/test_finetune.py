"""Full fine-tuning: which parameters are trained, what is saved, that a restored predictor is the same."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from burnish.contracts.noise import Assessment
from burnish.data import Labels
from burnish.errors import FitError, ModelFileError
from burnish.testing.data import practice_on_pictures
from burnish.testing.stand_ins import CrossEntropy
from burnish_deft import FullFineTuneConfig
from burnish_deft.finetune import FullFineTune, linear_head

QUICK = FullFineTuneConfig(lr=0.05, batch=12, epochs=6)


def given(**options):
    return practice_on_pictures(3, loss=CrossEntropy(), **options)


def test_the_blocks_and_the_head_are_trained_and_nothing_else():
    state = FullFineTune(QUICK).fit(given().task).state()
    tuned = {name for name in state if name.startswith("tuned.")}
    assert set(state) - tuned == {"parts.head.weight", "parts.head.bias"}
    assert tuned == {
        f"tuned.{name}"
        for name, _ in given().backbone.module.named_parameters()
        if name.startswith("image.blocks.")
    }
    last = FullFineTune(replace(QUICK, blocks=1)).fit(given().task).state()
    assert {name for name in last if name.startswith("tuned.")} == {
        name for name in tuned if name.startswith("tuned.image.blocks.1.")
    }
    with pytest.raises(FitError, match="1 to 2"):
        FullFineTune(replace(QUICK, blocks=3)).fit(given().task)


def test_every_trained_parameter_moves():
    practice = given()
    state = FullFineTune(QUICK).fit(practice.task).state()
    frozen = dict(practice.backbone.module.named_parameters())
    head = linear_head(16, 3, torch.Generator().manual_seed(practice.task.seed))
    still = [
        name
        for name, tensor in state.items()
        if name.startswith("tuned.") and torch.equal(tensor, frozen[name.removeprefix("tuned.")])
    ]
    assert still == []
    assert not torch.equal(state["parts.head.weight"], head.weight)


def test_items_that_an_assessor_dropped_play_no_part():
    practice = given()
    train = practice.task.splits["train"]
    kept = replace(train, index=train.index[::2])
    y = practice.task.supervision.y.copy()
    y[np.setdiff1d(train.index, kept.index)] = 0
    options = {"splits": {**practice.task.splits, "train": kept}}
    tasks = [
        replace(practice.task, supervision=Labels(y=one), **options)
        for one in (y, practice.task.supervision.y)
    ]
    states = [FullFineTune(QUICK).fit(task).state() for task in tasks]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_an_assessor_that_kept_nothing_is_named():
    task = given().task
    index = task.splits["train"].index
    nothing = replace(task, splits={**task.splits, "train": replace(task.splits["train"], index=index[:0])})
    assessment = Assessment(index, keep=np.zeros(len(index), dtype=bool))
    with pytest.raises(FitError, match=f"the assessor kept none of {len(index)} items"):
        FullFineTune(QUICK).fit(replace(nothing, assessment=assessment))
    with pytest.raises(FitError, match="no training item has a label"):
        FullFineTune(QUICK).fit(nothing)


def test_the_head_begins_as_torchs_linear_layers_do():
    head = linear_head(400, 300, torch.Generator().manual_seed(0))
    usual = torch.nn.Linear(400, 300)
    assert head.weight.abs().max() <= 0.05
    assert head.weight.std().item() == pytest.approx(usual.weight.std().item(), rel=0.02)
    assert head.bias.std().item() == pytest.approx(usual.bias.std().item(), rel=0.2)


def test_a_predictor_of_another_backbone_is_refused():
    practice = given()
    predictor = FullFineTune(QUICK).fit(practice.task)
    other = given().backbone
    other.sites = replace(other.sites, blocks=other.sites.blocks[:1])
    with pytest.raises(ModelFileError, match="unknown"), predictor.adapt(other):
        pass


def test_a_state_that_does_not_fit_its_info_is_refused():
    practice = given()
    predictor = FullFineTune(QUICK).fit(practice.task)
    state, info = dict(predictor.state()), dict(predictor.info())
    name = "parts.head.bias"
    cases = {
        "not one for 3 classes": (
            {**state, name: state[name][:2]},
            {**info, "tensors": {**info["tensors"], name: "2 float32"}},
        ),
        "does not say": (state, {**info, "activation": "tanh"}),
    }
    for message, (crafted, told) in cases.items():
        with pytest.raises(ModelFileError, match=message):
            FullFineTune(QUICK).restore(crafted, told, practice.task.classes)
