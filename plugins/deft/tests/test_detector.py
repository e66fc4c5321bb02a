"""The detector inside a backbone.

Who is moved, which items are judged when, and what is found in a model that knows its classes.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pretrained import CLASSES, evidence, pretrained
from torch.nn.functional import normalize

from burnish.blocks import ModuleBatch
from burnish.data import Labels, MultiLabels
from burnish.errors import DataError, FitError
from burnish.testing.assessor import auroc
from burnish.testing.data import changed
from burnish.testing.evidence import evidence_on_pictures
from burnish_deft import DeFTConfig, LabelMatchConfig, SmallLossConfig
from burnish_deft.assess import DeFT
from burnish_deft.detector import PROMPTS, Detector, complementary_labels, protocol
from burnish_deft.items import judged
from burnish_deft.label_match import LabelMatch
from burnish_deft.prompted import prompting
from burnish_deft.small_loss import SmallLoss

QUICK = DeFTConfig(context=1, visual=2, epochs=24, batch=16)


def found(assessment, shown, wrong):
    """Return the mean AUROC within each observed class, so that no class needs a threshold of its own."""
    places = np.searchsorted(shown.index, assessment.index)
    w, y = wrong[places], shown.supervision.y[places]
    return np.mean(
        [auroc(-assessment.clean_probability[y == c].astype(np.float64), w[y == c]) for c in range(CLASSES)]
    )


# -- what it finds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [QUICK, replace(QUICK, variant="released"), replace(QUICK, noise="real")])
def test_wrong_labels_are_found_in_a_model_that_knows_its_classes(config):
    shown, wrong = evidence(wrong=0.2, unknown=0.1)
    assessment = DeFT(config).assess(shown)
    assert found(assessment, shown, wrong) > 0.85
    table = assessment.tables["deft"].columns
    assert table["epoch"] == list(range(1, 25))
    assert table["dual prompt loss"][-1] < table["dual prompt loss"][0]


def test_the_baselines_find_them_too():
    shown, wrong = evidence(wrong=0.25, unknown=0.1)
    for assessor in (
        SmallLoss(SmallLossConfig(context=1, visual=2, epochs=8, batch=16, rate=0.25)),
        LabelMatch(LabelMatchConfig(templates=("photo of {}.",), scale=30)),
    ):
        assessment = assessor.assess(shown)
        assert found(assessment, shown, wrong) > 0.9
        w = wrong[np.searchsorted(shown.index, assessment.index)]
        assert assessment.keep[~w].mean() > 0.8 > 0.3 > assessment.keep[w].mean()
        if isinstance(assessor, SmallLoss):
            assert assessment.keep.sum() == int(0.75 * len(assessment.index))


# -- how it is trained ---------------------------------------------------------------------------------------


def gradients(epoch, config=QUICK, only=None):
    """Return which trained parameters a batch's loss reaches; `only` sets the losses that count."""
    shown, _ = evidence(wrong=0.25)
    task = shown.task
    items = judged(task, "tests")
    with prompting(task, items, config, PROMPTS, "tests") as prompted:
        detector = Detector(task, items, config, prompted)
        at = np.arange(16)
        loss = detector.loss(ModuleBatch(epoch, at, task.inputs("train").prepared(items.rows[at])))
        loss.backward()
        return {
            name: float(p.grad.abs().sum()) if p.grad is not None else 0.0
            for name, p in prompted._lease.parameters().items()
        }


def test_dual_prompt_loss_moves_negative_prompts_and_similarity_loss_the_others(monkeypatch):
    from burnish_deft import objective

    both = gradients(0)
    assert set(both) == {
        "parts.positive.context",
        "parts.negative.context",
        "parts.prompts.0.tokens",
        "parts.prompts.1.tokens",
    }
    assert all(size > 0 for size in both.values())
    monkeypatch.setattr(objective, "similarity_loss", lambda positive, y, weights: torch.zeros(()))
    assert {name for name, size in gradients(0).items() if size} == {"parts.negative.context"}
    monkeypatch.undo()
    monkeypatch.setattr(
        objective, "dual_prompt_loss", lambda p, target, complementary, weights: torch.zeros(())
    )
    assert {name for name, size in gradients(0).items() if not size} == {"parts.negative.context"}


@pytest.mark.parametrize(
    ("options", "agree", "symmetric", "warmup", "trusting"),
    [
        ({}, False, False, 1, 1),
        ({"noise": "real"}, True, True, 5, 5),
        ({"noise": "real", "variant": "released"}, True, True, 5, 1),
        ({"noise": "real", "warmup": 2}, True, True, 2, 2),
        ({"warmup": 3, "variant": "released"}, False, False, 3, 3),
    ],
)
def test_the_two_protocols(options, agree, symmetric, warmup, trusting):
    rule = protocol(DeFTConfig(**options))
    assert (rule.agree, rule.symmetric, rule.warmup, rule.trusting) == (agree, symmetric, warmup, trusting)


def losses_of(config, epoch, monkeypatch):
    """Return the arguments that the losses of one batch are called with."""
    from burnish_deft import objective

    shown, _ = evidence(wrong=0.4)
    calls = {}
    for name in ("dual_prompt_loss", "similarity_loss", "symmetric_cross_entropy"):
        monkeypatch.setattr(
            objective,
            name,
            lambda *args, name=name: calls.setdefault(name, args) and torch.zeros((), requires_grad=True),
        )
    items, task, at = judged(shown.task, "tests"), shown.task, np.arange(40)
    with prompting(task, items, config, PROMPTS, "tests") as prompted:
        with torch.no_grad():
            prompted._texts["negative"].context.add_(0.5)
        detector = Detector(task, items, config, prompted)
        detector.loss(ModuleBatch(epoch, at, task.inputs("train").prepared(items.rows[at])))
        clean = torch.from_numpy(detector.keep()[at])
    return calls, torch.from_numpy(items.y[at]), clean


def test_the_warm_up_trusts_every_label(monkeypatch):
    calls, y, _ = losses_of(QUICK, 0, monkeypatch)
    assert torch.equal(calls["dual_prompt_loss"][1], y)
    assert calls["similarity_loss"][2].all()


def test_later_only_clean_labels_count_and_others_are_replaced(monkeypatch):
    calls, y, clean = losses_of(QUICK, 1, monkeypatch)
    assert 0 < clean.sum() < len(clean)
    p_yes, target, complementary, weights = calls["dual_prompt_loss"]
    positive, labels, counted = calls["similarity_loss"]
    assert torch.equal(labels, y)
    assert torch.equal(counted > 0, clean)
    assert weights.all()
    assert torch.equal(target, torch.where(clean, y, positive.argmax(dim=1)))
    assert (complementary != y).all()
    assert p_yes.shape == (40, CLASSES)


def test_real_noise_asks_that_no_class_is_a_likelier_yes(monkeypatch):
    """The detector decides by z+ - z-: with a large scale p_yes of several classes is 1 in float32."""
    monkeypatch.setattr(pretrained(), "logit_scale", 1e4)
    shown, _ = evidence(wrong=0.4)
    items, task, at = judged(shown.task, "tests"), shown.task, np.arange(60)
    with prompting(task, items, replace(QUICK, noise="real"), PROMPTS, "tests") as prompted:
        detector = Detector(task, items, replace(QUICK, noise="real"), prompted)
        inputs = task.inputs("train").prepared(items.rows[at])
        detector.loss(ModuleBatch(0, at, inputs))
        with torch.no_grad():
            image, (positive, negative) = prompted.image(inputs), prompted.texts()
            margin = (
                (normalize(image, dim=1) @ (normalize(positive, dim=1) - normalize(negative, dim=1)).T)
                .double()
                .numpy()
            )
    saturated = (torch.sigmoid(torch.from_numpy(1e4 * margin).float()) == 1).sum(dim=1).numpy()
    assert (saturated > 1).any()
    clear = np.abs(1e4 * margin).min(axis=1) > 1
    wanted = (margin.argmax(axis=1) == items.y[at]) & (margin.max(axis=1) > 0)
    assert np.array_equal(detector.keep()[at][clear], wanted[clear])


def test_real_noise_warms_up_with_symmetric_cross_entropy(monkeypatch):
    for epoch, name in ((4, "symmetric_cross_entropy"), (5, "similarity_loss")):
        calls, _, _ = losses_of(replace(QUICK, noise="real"), epoch, monkeypatch)
        assert set(calls) == {"dual_prompt_loss", name}
        monkeypatch.undo()


def test_the_released_variant_judges_the_last_epochs_own_steps():
    shown, _ = evidence(wrong=0.25)
    asked = {}
    for variant in ("paper", "released"):
        draws = []
        inner = shown.task.inputs("train")

        class Items:
            def prepared(self, rows, draw=None, draws=draws, inner=inner):
                draws.append(draw)
                return inner.prepared(rows, draw)

            def __len__(self, inner=inner):
                return len(inner)

        items = Items()
        task = changed(shown.task, inputs=lambda split, items=items: items)
        asked[variant] = (
            DeFT(replace(QUICK, variant=variant, epochs=2)).assess(replace(shown, task=task)),
            draws,
        )
    (paper, plain), (released, steps) = asked["paper"], asked["released"]
    assert set(plain) == {0, 1, None}
    assert set(steps) == {0, 1}
    assert not np.array_equal(paper.clean_probability, released.clean_probability)


def test_complementary_labels_are_never_the_label_and_drawn_anew():
    shown, _ = evidence()
    y = np.arange(6000) % 4
    drawn = [complementary_labels(shown.task, y, 4, epoch) for epoch in (0, 1, 0)]
    assert all((c != y).all() and c.min() == 0 and c.max() == 3 for c in drawn)
    assert np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], drawn[1])
    counts = np.bincount((drawn[0] - y) % 4, minlength=4)
    assert counts[0] == 0
    assert np.abs(counts[1:] - 2000).max() < 150
    assert (complementary_labels(shown.task, np.array([0, 1, 1]), 2, 0) == [1, 0, 0]).all()


# -- what it is given ----------------------------------------------------------------------------------------


def test_classes_without_training_items_are_no_candidates():
    shown, _ = evidence(wrong=0.0)
    y = np.where(shown.task.supervision.y == 1, 3, shown.task.supervision.y)
    known = np.array([True, False, True, True])
    task = replace(shown.task, supervision=Labels(y=y), classes=shown.task.classes.with_known(known))
    items = judged(task, "tests")
    assert items.classes.names == ("a", "c", "d")
    assert items.columns.tolist() == [0, 2, 3]
    assert set(items.y) == {0, 1, 2}
    assessment = LabelMatch(LabelMatchConfig(templates=("photo of {}.",))).assess(replace(shown, task=task))
    assert assessment.keep[items.y < 2].mean() > 0.9


def test_what_cannot_be_assessed_is_refused():
    shown, _ = evidence_on_pictures(3, n=40)
    task = shown.task
    cases = {
        "no task": replace(shown, task=None),
        "one class alone": replace(
            shown,
            task=replace(
                task,
                classes=task.classes.subset(np.array([0])),
                supervision=Labels(y=np.zeros(40, dtype=np.int64)),
            ),
        ),
        "multi-labels": replace(
            shown, task=replace(task, supervision=MultiLabels(positive=np.eye(40, 3, dtype=bool)))
        ),
        "no names": replace(shown, task=replace(task, classes=replace(task.classes, named=False))),
    }
    for message, given_ in cases.items():
        with pytest.raises(DataError, match=message):
            DeFT(QUICK).assess(given_)
    with pytest.raises(DataError, match="learnt ones"):
        DeFT(replace(QUICK, context=30)).assess(shown)


@pytest.mark.parametrize(
    "assessor", [DeFT(QUICK), SmallLoss(SmallLossConfig(rate=0.2)), LabelMatch(LabelMatchConfig())]
)
def test_a_replicate_without_labels_or_with_one_class_cannot_be_fitted_and_others_can(assessor):
    shown, _ = evidence_on_pictures(3, n=40)
    task = shown.task
    cases = {
        "no training item has a label": replace(task, supervision=Labels(y=np.full(40, -1))),
        "one class alone": replace(
            task,
            classes=task.classes.with_known(np.array([True, False, False])),
            supervision=Labels(y=np.zeros(40, dtype=np.int64)),
        ),
    }
    for message, task_ in cases.items():
        with pytest.raises(FitError, match=message):
            assessor.assess(replace(shown, task=task_))


@pytest.mark.parametrize(
    ("assessor", "where"),
    [
        (DeFT(QUICK), "assess deft"),
        (SmallLoss(SmallLossConfig(context=1, visual=2, rate=0.2)), "assess small-loss"),
    ],
)
def test_a_tower_of_maps_takes_no_visual_prompts(assessor, where):
    shown, _ = evidence_on_pictures(3, n=40)
    towers = shown.task.backbone()
    towers.sites = replace(towers.sites, layout="BCHW")
    with pytest.raises(
        FitError, match=f"^{where}: prompts are tokens, and this tower has maps. Give visual=0"
    ):
        assessor.assess(shown)
    assert len(type(assessor)(replace(assessor.config, visual=0, epochs=1)).assess(shown).index) == len(
        shown.index
    )


def test_a_loss_that_is_not_finite_ends_it_and_leaves_the_backbone_alone():
    from burnish.blocks import frozen_digest

    shown, _ = evidence()
    before = frozen_digest(pretrained().module)
    with pytest.raises(FitError, match="the loss became"):
        DeFT(replace(QUICK, lr=10.0, weight_decay=10.0, momentum=1.0, epochs=400, visual=4)).assess(shown)
    assert frozen_digest(pretrained().module) == before
