"""A study from recipe to saved predictor, with classes that no training item has."""

import math
from pathlib import Path

import numpy as np
import points_plugin
import pytest

from burnish.engine.predict.saved import load_predictor
from burnish.engine.runner import RunOptions
from burnish.engine.store import Store
from burnish.engine.study import run_study
from burnish.errors import RecipeError
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe

RECIPE = {
    "data": "points",
    "backbone": "encoder",
    "tuner": {"use": "candle", "with": {"templates": ["{}"], "heads": 2, "epochs": 5, "scale": 20}},
    "evaluate": {"use": "base-to-new", "with": {"new": "test:new"}},
    "split": {"validation": 0.2},
    "replicates": 2,
    "tune": {"budget": 2, "space": {"tuner.lr": [1e-3, 1e-2]}},
    "select": {"measure": "base-accuracy-own"},
}


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    return Manager(files=[Path(points_plugin.__file__)], only=frozenset({"candle"}))


def test_a_study_and_its_predictor(manager, tmp_path):
    plan = build_plan(make_recipe(RECIPE), manager)
    run_study(plan, tmp_path / "study", "plan", lambda: manager, RunOptions)
    with Store(tmp_path / "study" / "study.sqlite") as store:
        records = list(store.records().values())
    assert [record.error for record in records] == ["", ""]
    values = {(m.name, m.split): (m.value, m.n) for m in records[0].measures}
    assert values["base-accuracy-own", "test"][1] == points_plugin.TEST * points_plugin.BASE
    assert values["new-accuracy-own", "test"][1] == points_plugin.TEST * (
        len(points_plugin.NAMES) - points_plugin.BASE
    )
    base, new = values["base-accuracy-own", "test"][0], values["new-accuracy-own", "test"][0]
    assert base > 0.8
    assert new > 0.6  # of two classes
    assert math.isclose(values["base-new-harmonic-own", "test"][0], 2 * base * new / (base + new))
    (folder,) = (tmp_path / "study" / "predictors").iterdir()
    loaded, dataset = load_predictor(folder, manager), points_plugin.Points(None).load()
    assert loaded.classes.known.tolist() == [True] * points_plugin.BASE + [False] * 2
    test = dataset.assigned["test"]
    scores = loaded.predict([dataset.read(int(p)) for p in test]).values[:, : points_plugin.BASE]
    assert float((scores.argmax(1) == dataset.supervision.take(test).y).mean()) == base
    assert np.isfinite(scores).all()


def test_a_plan_says_what_is_transductive_and_refuses_a_backbone_without_a_text_tower(manager):
    released = build_plan(make_recipe(RECIPE | {"tuner": "candle:variant=released", "tune": None}), manager)
    assert released.advice[0].startswith("Transductive")
    with pytest.raises(RecipeError, match="needs text-tower"):
        build_plan(make_recipe(RECIPE | {"backbone": "no-names"}), manager)
