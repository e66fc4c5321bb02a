"""Plans: what fits what (supervision, views, backbones) is decided at planning.

What a plan lacks to be judged by is said.
"""

import dataclasses
from pathlib import Path

import pytest

from burnish.errors import BurnishError
from burnish.installed import first_party
from burnish.manager import Manager
from burnish.plan import build_plan, to_yaml
from burnish.recipe import make_recipe, parse_recipe
from burnish.testing.dists import write_dist

CPU = {"numeric": {"dtype": "fp32", "device": "cpu", "threads": 2}}

PLUGIN = '''
"""One of everything, each with what it needs."""

import burnish

BURNISH_API = 1
FEATURES = frozenset({"features"})
X = "burnish_fits.heavy:X"


def views(config):
    return 2


@burnish.hookimpl
def burnish_sources():
    words = {
        "photos": {"image", "labels"},
        "tagged": {"image", "multi-labels"},
        "either": {"image", "labels", "multi-labels"},
        "reviews": {"text", "labels"},
        "rows": {"features", "multi-labels"},
    }
    return [
        burnish.Source(name=name, target=X, summary="Items", provides=provides)
        for name, provides in words.items()
    ]


@burnish.hookimpl
def burnish_backbones():
    yield burnish.Backbone(
        name="moving", target=X, summary="With views", needs={"image"}, provides=FEATURES, views=True
    )
    yield burnish.Backbone(name="still", target=X, summary="Without", needs={"image"}, provides=FEATURES)
    yield burnish.Backbone(name="features", target=X, summary="As given", needs=FEATURES, provides=FEATURES)


@burnish.hookimpl
def burnish_noise_models():
    yield burnish.NoiseModel(name="flip", corrupt=X, summary="Flip", needs={"labels"})
    yield burnish.NoiseModel(name="missing", corrupt=X, summary="Leave out")
    yield burnish.NoiseModel(name="joint", assess=X, summary="Find", needs={"labels"})


@burnish.hookimpl
def burnish_tuners():
    yield burnish.Tuner(
        name="idle", target=X, summary="Nothing", needs=FEATURES, provides={"own-loss", "control"}
    )
    yield burnish.Tuner(name="linear", target=X, summary="Linear probe", needs=FEATURES)
    yield burnish.Tuner(
        name="double", target=X, summary="Two views", needs=FEATURES, views="burnish_fits:views"
    )
    yield burnish.Tuner(
        name="joint", target=X, summary="Items predicted together", needs=FEATURES,
        provides={"own-loss", "transductive"},
    )


@burnish.hookimpl
def burnish_losses():
    yield burnish.Loss(name="ce", target=X, summary="One class", needs={"labels"})
    yield burnish.Loss(name="bce", target=X, summary="Several", needs={"multi-labels"})
    yield burnish.Loss(name="any", target=X, summary="Any targets")


@burnish.hookimpl
def burnish_evaluators():
    yield burnish.Evaluator(name="accuracy", target=X, summary="Share of right answers", needs={"truth"})
'''


@pytest.fixture
def fits(site, monkeypatch):
    write_dist(site, "burnish-fits", "0.1.0", {"fits": "burnish_fits"}, {"burnish_fits.py": PLUGIN})
    monkeypatch.setenv("BURNISH_PLUGINS", "fits")
    return Manager(only=frozenset({"fits"}))


def plan(manager, **values):
    given = {"data": "photos", "backbone": "moving", "tuner": "linear", **CPU, **values}
    return build_plan(make_recipe({key: value for key, value in given.items() if value is not None}), manager)


def fails(manager, **values):
    with pytest.raises(BurnishError) as caught:
        plan(manager, **values)
    return str(caught.value)


# -- supervision ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "backbone", "loss"),
    [("photos", "moving", "ce"), ("either", "moving", "ce"), ("rows", None, "bce")],
)
def test_the_default_loss_follows_the_supervision(fits, data, backbone, loss):
    made = plan(fits, data=data, backbone=backbone)
    assert made.rows[0].loss.name == loss
    again = build_plan(parse_recipe(to_yaml(made), "plan.yaml", name="study", base=Path()), fits)
    assert again.key() == made.key()


def test_data_of_two_kinds_have_no_default_loss(fits):
    assert "loss ce needs labels; data tagged" in fails(fits, data=["tagged", "photos"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"data": "photos", "loss": "bce"},
            (
                "loss: loss bce needs multi-labels; data photos with backbone moving provides features,"
                " image, labels. Take another loss: any, ce."
            ),
        ),
        (
            {"data": "tagged", "loss": "ce"},
            (
                "loss: loss ce needs labels; data tagged with backbone moving provides features, image,"
                " multi-labels. Take another loss: any, bce."
            ),
        ),
        (
            {"data": "tagged", "noise": "flip"},
            (
                "noise: noise flip needs labels; data tagged provides image, multi-labels. Take another"
                " noise: missing."
            ),
        ),
        (
            {"data": "tagged", "assess": "joint"},
            (
                "assess: noise joint needs labels; data tagged with backbone moving provides features, image,"
                " multi-labels. Take another assess."
            ),
        ),
    ],
)
def test_what_does_not_fit_the_supervision_is_refused(fits, values, message):
    assert fails(fits, **values) == message


def test_both_kinds_of_labels_allow_both(fits):
    assert (
        len(
            plan(
                fits, data="either", loss=["ce", "bce", "any"], noise=["flip", "missing"], assess="joint"
            ).rows
        )
        == 6
    )


# -- backbones -----------------------------------------------------------------------------------------------


def test_views_need_a_backbone_that_makes_them(fits):
    assert (
        fails(fits, tuner="double", backbone="still")
        == "tuner: tuner double needs 2 views of each item; backbone still makes none. Backbones that make"
        " views: moving."
    )
    assert (
        fails(fits, tuner=["linear", "idle"], backbone=["moving", "still"], views="fixed:3")
        == "views: views is fixed:3; backbone still makes none. Backbones that make views: moving."
    )
    assert fails(fits, data="rows", backbone=None, tuner="double").endswith(
        "makes none. No installed backbone makes views of this data."
    )
    assert plan(fits, backbone="still", views="fixed:1").rows[0].views == 1


def test_a_missing_backbone_is_named_by_what_the_data_are(fits, site, monkeypatch):
    monkeypatch.setattr(first_party, "BACKBONES", {"burnish-tiny": frozenset({"image"})})
    assert (
        fails(fits, backbone=None)
        == "backbone is missing, and data photos gives no features. Possible: moving, still."
    )
    assert (
        fails(fits, data="reviews", backbone=None)
        == "backbone is missing, and data reviews gives no features; no installed backbone reads text. "
        "Give the data as features, or install a plugin with a backbone that reads it."
    )
    only_features = PLUGIN.replace('needs={"image"}', 'needs={"module"}').replace(
        "burnish_fits", "burnish_bare"
    )
    write_dist(site, "burnish-bare", "0.1.0", {"bare": "burnish_bare"}, {"burnish_bare.py": only_features})
    assert (
        fails(Manager(only=frozenset({"bare"})), backbone=None)
        == "backbone is missing, and data photos gives no features; no installed backbone reads image. pip"
        " install burnish-tiny."
    )
    several = {"burnish-tiny": frozenset({"image"}), "burnish-both": frozenset({"image", "text"})}
    monkeypatch.setattr(first_party, "BACKBONES", several)
    assert fails(Manager(only=frozenset({"bare"})), backbone=None).endswith(
        "reads image. pip install burnish-tiny or burnish-both."
    )
    assert fails(Manager(only=frozenset({"bare"})), data="reviews", backbone=None).endswith(
        "reads text. pip install burnish-both."
    )


# -- views as an axis ----------------------------------------------------------------------------------------


def test_views_are_labels_where_the_recipe_compares_them(fits):
    made = plan(fits, tuner=["linear", "double"], views=["fixed:1", "fixed:2"])
    assert [(row.axes()["tuner"], row.axes()["views"]) for row in made.rows] == [
        ("linear", "fixed:1"),
        ("linear", "fixed:2"),
        ("double", "fixed:1"),
        ("double", "fixed:2"),
    ]
    assert len({tuple(row.axes().items()) for row in made.rows}) == len(made.rows)
    assert list(made.rows[0].axes()) == ["data", "backbone", "views", "noise", "assess", "tuner", "loss"]


def test_a_number_of_views_that_a_tuner_asks_for_is_no_axis(fits):
    for made in (
        plan(fits, tuner=["linear", "double"]),
        plan(fits, tuner=["linear", "double"], views="fixed:2"),
    ):
        assert all("views" not in row.axes() for row in made.rows)


def test_rows_of_equal_views_are_one_whoever_asked_for_them(fits):
    made = plan(fits, tuner=["linear", "double"], views=[None, "fixed:2"])
    assert [(row.axes()["tuner"], row.axes()["views"]) for row in made.rows] == [
        ("linear", "fixed:1"),
        ("linear", "fixed:2"),
        ("double", "fixed:2"),
    ]


def test_the_label_of_views_identifies_nothing(fits):
    alone, among = plan(fits, views="fixed:2").rows[0], plan(fits, views=["fixed:1", "fixed:2"]).rows[1]
    assert alone.digest == among.digest
    assert dataclasses.replace(alone, views_vary=True) == among


# -- what a plan lacks ---------------------------------------------------------------------------------------


def test_a_plan_says_how_to_add_the_row_that_does_nothing(fits, study):
    assert plan(fits).advice == ("No do-nothing row: add --tuner idle.",)
    assert plan(fits, tuner=["linear", "idle"]).advice == ()
    joint = "Transductive, an item's scores depend on the items it is predicted with: joint."
    assert plan(fits, tuner=["joint", "idle", "joint"]).advice == (joint,)
    assert plan(fits, tuner="joint").advice == (joint, "No do-nothing row: add --tuner idle.")
    without = build_plan(
        make_recipe({"data": "pictures", "backbone": "small", "tuner": "linear", **CPU}), study
    )
    assert without.advice == ("No do-nothing row, and no installed tuner gives one.",)
