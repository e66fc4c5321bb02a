"""The tuner: what is put in, where it starts, what it learns from, and that the frozen model stays as is."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, linear, normalize

from burnish.blocks import Lease, frozen_digest
from burnish.contracts.backbone import View
from burnish.data import Classes, Labels, MultiLabels
from burnish.errors import DataError, FitError, ModelFileError, PluginError
from burnish.testing.data import changed, practice_on_pictures
from burnish_lift import Adapter, LiftConfig, LossName
from burnish_lift.lift import Lift
from burnish_lift.parts import default_rank

WEIGHT = "parts.head.weight"
QUICK = LiftConfig(epochs=2, lr=0.05, batch=16, templates=("{}",))


def fit(config=QUICK, given=None, **options):
    given = given or practice_on_pictures(3, **options)
    return given, Lift(config).fit(given.task)


def accuracy(given, predictor):
    return float((predictor.predict(given.read_by(predictor)).top() == given.test_labels).mean())


@pytest.mark.parametrize(
    ("classes", "blocks", "rank"),
    [
        (100, 12, 4),
        (365, 12, 8),
        (1000, 12, 32),
        (8142, 12, 256),
        (1000, 24, 16),
        (8142, 24, 128),
        (2, 12, 1),
    ],
)
def test_the_rank_follows_from_the_classes(classes, blocks, rank):
    assert default_rank(classes, blocks) == rank


@pytest.mark.parametrize("adapter", get_args(Adapter))
def test_every_kind_learns_and_leaves_the_frozen_model_as_it_was(adapter):
    if adapter == "lora":
        pytest.importorskip("peft")
    given = practice_on_pictures(3)
    digest = frozen_digest(given.backbone.module)
    _, predictor = fit(replace(QUICK, adapter=adapter, epochs=8), given)
    assert accuracy(given, predictor) >= 0.8
    assert frozen_digest(given.backbone.module) == digest
    inside = [name for name in predictor.state() if not name.startswith("parts.head.")]
    assert bool(inside) == (adapter != "none")


def test_a_fit_that_breaks_off_leaves_the_frozen_model_as_it_was():
    given = practice_on_pictures(3)
    digest = frozen_digest(given.backbone.module)
    for adapter in ("adaptformer", "partial", "vpt-deep"):
        with pytest.raises(FitError, match="the loss became"):
            fit(
                replace(
                    QUICK, adapter=adapter, lr=10.0, momentum=1.0, scale=1e4, epochs=50, weight_decay=10.0
                ),
                given,
            )
        assert frozen_digest(given.backbone.module) == digest


def test_it_begins_as_the_text_towers_view_through_the_projection():
    given, predictor = fit(replace(QUICK, lr=0.0))
    text = given.task.class_embeddings(("{}",))[0]
    expected = normalize(normalize(torch.from_numpy(text), dim=-1) @ given.backbone.projection.T, dim=-1)
    assert torch.allclose(predictor.state()[WEIGHT], expected, atol=1e-6)
    assert predictor.info()["start"] == "text"


def test_without_a_text_tower_it_begins_with_class_means():
    given = practice_on_pictures(3)
    del given.backbone.text_tower
    _, predictor = fit(replace(QUICK, lr=0.0), given)
    rows = given.task.inputs("train").prepared(np.arange(len(given.task.inputs("train"))))
    h, y = (
        given.backbone.forward(rows, projected=False),
        given.task.supervision.take(given.task.splits["train"].index).y,
    )
    for k in range(3):
        assert torch.allclose(
            predictor.state()[WEIGHT][k],
            normalize(h[torch.from_numpy(y.copy()) == k].mean(0), dim=0),
            atol=1e-5,
        )
    assert predictor.info()["start"] == "class-mean"
    with pytest.raises(FitError, match="no text tower"):
        fit(replace(QUICK, start="text"), given)


@pytest.mark.parametrize(
    "error", [PluginError("its tokenizer is not there"), ModelFileError("the folder has no tokenizer")]
)
def test_a_text_tower_that_cannot_be_used_is_none(error):
    given = practice_on_pictures(3)

    class Speechless(type(given.backbone)):
        @property
        def text_tower(self):
            raise error

    given.backbone.__class__ = Speechless
    vars(given.backbone).pop("text_tower", None)
    assert fit(replace(QUICK, lr=0.0), given)[1].info()["start"] == "class-mean"
    assert fit(replace(QUICK, lr=0.0, start="random"), given)[1].info()["start"] == "random"
    with pytest.raises(FitError, match=f"text tower cannot be used: {error.what}"):
        fit(replace(QUICK, start="text"), given)


def test_classes_without_names_begin_with_class_means():
    given = practice_on_pictures(3)
    unnamed = replace(
        given.task, classes=Classes(("0", "1", "2"), ("0", "1", "2"), np.ones(3, dtype=bool), named=False)
    )
    assert Lift(QUICK).fit(unnamed).info()["start"] == "class-mean"


def test_the_first_step_is_that_of_a_slow_second_implementation():
    """One epoch of one batch, no augmentation: a head alone, by hand."""
    given = practice_on_pictures(3, relabel=lambda y: np.where(np.arange(len(y)) % 4 == 0, 0, y))
    config = replace(QUICK, adapter="none", epochs=1, batch=1000, augment=False, weight_decay=0.01)
    weights = np.random.default_rng(0).random(len(given.task.supervision)).astype(np.float32)
    task = replace(given.task, supervision=given.task.supervision.with_weights(weights))
    found = Lift(config).fit(task).state()[WEIGHT]

    items, mine = task.inputs("train"), task.supervision.take(task.splits["train"].index)
    h = given.backbone.forward(items.prepared(np.arange(len(items))), projected=False)
    y, w = torch.from_numpy(mine.y.copy()), torch.from_numpy(mine.weights.copy())
    start = normalize(
        normalize(torch.from_numpy(task.class_embeddings(("{}",))[0]), dim=-1) @ given.backbone.projection.T,
        dim=-1,
    )
    start.requires_grad_()
    pi = torch.stack([w[y == k].sum() for k in range(3)]) / w.sum()
    z = torch.stack([25 * torch.cosine_similarity(h, row.expand_as(h)) for row in start], dim=1) + pi.log()
    loss = sum(w[i] * cross_entropy(z[i : i + 1], y[i : i + 1]) for i in range(len(y))) / w.sum()
    loss.backward()
    expected = start.detach() - 0.05 * (start.grad + 0.01 * start.detach())
    assert torch.allclose(found, expected, atol=1e-5)


def test_a_class_without_items_keeps_the_direction_of_its_text():
    given, predictor = fit(
        replace(QUICK, epochs=8, weight_decay=0.0), relabel=lambda y: np.where(y == 2, -1, y)
    )
    start = Lift(replace(QUICK, lr=0.0)).fit(given.task).state()[WEIGHT]
    assert torch.allclose(predictor.state()[WEIGHT][2], start[2])
    assert not torch.allclose(predictor.state()[WEIGHT][0], start[0], atol=1e-3)


def test_items_of_weight_zero_and_without_a_label_play_no_part():
    given = practice_on_pictures(3)
    y = given.task.supervision.y.copy()
    y[::3] = -1
    weights = np.ones(len(y), dtype=np.float32)
    weights[::3] = 0
    unknown = Lift(QUICK).fit(replace(given.task, supervision=Labels(y=y)))
    weightless = Lift(QUICK).fit(
        replace(given.task, supervision=given.task.supervision.with_weights(weights))
    )
    assert all(torch.equal(tensor, weightless.state()[name]) for name, tensor in unknown.state().items())


@pytest.mark.parametrize("loss", get_args(LossName))
def test_every_loss_trains(loss):
    given, predictor = fit(replace(QUICK, loss=loss, epochs=8))
    assert accuracy(given, predictor) >= 0.8


def test_a_batch_in_parts_learns_what_the_whole_does():
    whole = fit(replace(QUICK, loss="grw"))[1]
    for at_once in (3, 16):
        parts = fit(replace(QUICK, loss="grw", at_once=at_once))[1]
        assert parts.info()["at once"] == at_once
        assert all(
            torch.allclose(tensor, parts.state()[name], atol=1e-4) for name, tensor in whole.state().items()
        )


def test_out_of_memory_halves_what_is_run_at_once():
    given = practice_on_pictures(3)
    forward = given.backbone.forward

    def small(inputs, **more):
        if len(inputs["pixels"]) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(inputs, **more)

    given.backbone.forward = small
    predictor = Lift(QUICK).fit(given.task)
    assert predictor.info()["at once"] == 4
    whole = fit(QUICK)[1]
    assert all(
        torch.allclose(tensor, predictor.state()[name], atol=1e-4) for name, tensor in whole.state().items()
    )


def test_scores_are_the_mean_over_crops_of_cosine_logits():
    given, predictor = fit()
    rows = given.read_by(predictor)
    weight = predictor.state()[WEIGHT]
    crops = torch.from_numpy(rows).view(len(rows), 5, -1)
    expected = (
        sum(25 * linear(normalize(crops[:, k], dim=-1), normalize(weight, dim=-1)) for k in range(5)) / 5
    )
    assert np.allclose(predictor.predict(rows).values, expected.numpy(), atol=1e-4)
    assert predictor.embed(rows).shape == (len(rows), 16)
    with pytest.raises(DataError, match="features of shape"):
        predictor.predict(rows[:, :-1])


def test_a_restored_predictor_adapts_the_model_to_the_same_features():
    for config in (
        QUICK,
        replace(QUICK, adapter="partial", crops="none"),
        replace(QUICK, adapter="ssf", head="linear"),
    ):
        given, predictor = fit(config)
        again = Lift(config).restore(dict(predictor.state()), dict(predictor.info()), given.task.classes)
        assert np.array_equal(given.read_by(again), given.read_by(predictor))
        assert not np.allclose(given.read_by(again)[:, :16], _frozen(given), atol=1e-3)


def _frozen(given):
    items, ids = given.test_items
    return given.backbone.forward(given.backbone.prepare(items, View(), ids), projected=False).numpy()


def test_a_state_of_another_model_is_refused_where_it_is_put_in():
    given, predictor = fit()
    state, info = dict(predictor.state()), dict(predictor.info())
    other = Lift(replace(QUICK, adapter="lora", rank=1)).restore(state, info, given.task.classes)
    with pytest.raises(ModelFileError, match=r"missing|unknown"), other.adapt(given.backbone):
        pass
    with Lease(given.backbone.module):
        pass  # nothing of it is left in


def test_a_model_that_does_not_run_with_the_parts_in_is_an_error_for_people():
    given = practice_on_pictures(3)
    forward = given.backbone.forward

    def rotary(inputs, **more):
        if given.backbone.module.image.blocks[0]._forward_pre_hooks:
            raise RuntimeError(
                "The size of tensor a (27) must match the size of tensor b (17)\nat dimension 1"
            )
        return forward(inputs, **more)

    given.backbone.forward = rotary
    with pytest.raises(FitError, match="does not run with adapter=vpt-deep: The size of tensor a"):
        Lift(replace(QUICK, adapter="vpt-deep")).fit(given.task)
    Lift(QUICK).fit(given.task)


def test_several_classes_an_item_are_refused():
    given = practice_on_pictures(3)
    multi = MultiLabels(positive=np.eye(3, dtype=bool)[np.maximum(given.task.supervision.y, 0)])
    with pytest.raises(FitError, match="multi-labels"):
        Lift(QUICK).fit(replace(given.task, supervision=multi))


def test_a_template_without_a_place_for_the_name_is_an_error_of_the_engines():
    given = practice_on_pictures(3)

    def refuse(templates):
        raise DataError("no place")

    with pytest.raises(DataError):
        Lift(QUICK).fit(changed(given.task, class_embeddings=refuse))
