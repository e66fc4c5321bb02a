"""What the plugin announces, and its recipes."""

from importlib.util import find_spec

import pytest

import burnish_deft
from burnish.config import make_config
from burnish.errors import BurnishError
from burnish.manager import get_manager
from burnish.plan import build_plan
from burnish.recipe import find_recipe, with_settings

OTHERS = ("burnish_basics", "burnish_signs", "burnish_tiny_clip")
needs_others = pytest.mark.skipif(
    not all(find_spec(name) for name in OTHERS), reason=f"needs {', '.join(OTHERS)}"
)
needs_openclip = pytest.mark.skipif(
    not all(find_spec(n) for n in ("burnish_basics", "burnish_openclip")), reason="needs basics and openclip"
)


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (burnish_deft.DeFTConfig, {"noise": "syntetic"}, "Possible: synthetic, real"),
        (burnish_deft.DeFTConfig, {"context": 0}, "context is 0"),
        (burnish_deft.DeFTConfig, {"warm_up": 1}, "Did you mean 'warmup'"),
        (burnish_deft.SmallLossConfig, {}, "rate is missing"),
        (burnish_deft.SmallLossConfig, {"rate": 40}, "rate is 40"),
        (burnish_deft.FullFineTuneConfig, {"blocks": 0}, "blocks is 0"),
    ],
)
def test_wrong_options(cls, options, message):
    with pytest.raises(BurnishError, match=message):
        make_config(cls, options, where="deft")


def test_the_papers_numbers_are_the_defaults():
    detector, tuner = burnish_deft.DeFTConfig(), burnish_deft.FullFineTuneConfig()
    shared = {"momentum": 0.9, "weight_decay": 5e-4, "epochs": 10, "batch": 64, "schedule": "cosine"}
    for config, numbers in (
        (detector, {**shared, "lr": 0.03, "context": 16, "visual": 20}),
        (tuner, {**shared, "lr": 5e-4, "blocks": None}),
    ):
        assert {name: getattr(config, name) for name in numbers} == numbers


@needs_others
def test_the_study():
    plan = build_plan(find_recipe("deft", get_manager()))
    assert plan.replicates == 5
    assert [row.assess.name if row.assess else "none" for row in plan.rows[::2]] == [
        "none",
        "confident-joint",
        "label-match",
        "small-loss",
        "deft",
    ]
    assert {row.axes()["tuner"] for row in plan.rows} == {"zero-shot", "linear"}


@needs_openclip
def test_the_full_study_asks_for_the_weights(tmp_path):
    recipe = find_recipe("deft-full", get_manager())
    with pytest.raises(BurnishError, match="which weights is not said"):
        build_plan(with_settings(recipe, [f"data.path={tmp_path}"]))
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.png").write_bytes(b"no image, but planning reads none")
    plan = build_plan(
        with_settings(recipe, [f"data.path={tmp_path}", "backbone.model=ViT-B-16", "backbone.random_seed=0"])
    )
    assert {row.tuner.name for row in plan.rows} == {"zero-shot", "linear", "full-finetune"}
    # The released script for real noise: five epochs, and a schedule that is never stepped.
    assert plan.rows[-1].axes()["tuner"] == "full-finetune:epochs=5,schedule=constant"
    assert plan.rows[-1].assess.text == "deft:noise=real"
