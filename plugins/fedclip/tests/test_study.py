"""A study from recipe to saved predictor: clients by a column, and a hand that none of them has."""

from pathlib import Path

import numpy as np
import pytest
import styles_plugin

from burnish.engine.execute import Options
from burnish.engine.predictors import load_predictor
from burnish.engine.store import Store
from burnish.engine.study import run_study
from burnish.errors import ConfigError, RecipeError
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe


def recipe(tuners, **more):
    return {"data": "styles", "backbone": "encoder", "tuner": tuners, "evaluate": "right", "split": {"validation": 0.2}, "replicates": 2} | more


TUNERS = [
    {"use": name, "with": {"clients": "hand"} | options}
    for name, options in {
        "fedclip": {"templates": ["{}"], "rounds": 5, "lr": 0.01},
        "fedavg-head": {"rounds": 5, "lr": 0.1},
        "fedprox-head": {"rounds": 5, "lr": 0.1},
        "local-head": {"epochs": 5, "lr": 0.1},
    }.items()
]


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    return Manager(files=[Path(styles_plugin.__file__)], only=frozenset({"fedclip"}))


def test_a_study_and_its_predictors(manager, tmp_path):
    plan = build_plan(make_recipe(recipe(TUNERS)), manager)
    run_study(plan, tmp_path / "study", "plan", lambda: manager, Options)
    with Store(tmp_path / "study" / "study.sqlite") as store:
        records = list(store.records().values())
    assert [record.error for record in records] == [""] * 8
    for record in records:
        values = {(m.name, m.split): m.value for m in record.measures}
        assert values["right", "test"] > 0.8
        assert values["right", "test:pen"] > 0.5
    folders = list((tmp_path / "study" / "predictors").iterdir())
    assert len(folders) == 4
    dataset = styles_plugin.Styles(None).load()
    test = dataset.assigned["test"]
    for folder in folders:
        scores = load_predictor(folder, manager).predict([dataset.read(int(p)) for p in test])
        assert (scores.top() == dataset.supervision.take(test).y).mean() > 0.8
        assert np.isfinite(scores.values).all()


def test_what_cannot_be(manager, tmp_path):
    with pytest.raises(RecipeError, match="needs text-tower"):
        build_plan(make_recipe(recipe(TUNERS[:1], backbone="no-names")), manager)
    unknown = build_plan(make_recipe(recipe([{"use": "fedavg-head", "with": {"clients": "hands"}}])), manager)
    with pytest.raises(ConfigError, match=r"no column 'hands'. Did you mean 'hand'\?"):
        run_study(unknown, tmp_path / "study", "plan", lambda: manager, Options)
