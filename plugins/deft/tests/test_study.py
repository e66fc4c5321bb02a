"""Both phases in a study.

What `deft` keeps is what `full-finetune` trains on, and the saved predictor puts its blocks into the backbone
again.
"""

from pathlib import Path

import numpy as np
import pictures_plugin
import pytest
from pretrained import pretrained

from burnish.blocks import frozen_digest
from burnish.engine.predict.saved import load_predictor
from burnish.engine.runner import RunOptions
from burnish.engine.store import Store
from burnish.engine.study import run_study
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe

QUICK = {"context": 1, "visual": 2, "epochs": 3, "batch": 16}


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    return Manager(files=[Path(pictures_plugin.__file__)], only=frozenset({"deft"}))


def test_a_study_of_both_phases(manager, tmp_path):
    values = {
        "data": "pictures",
        "backbone": "knowing",
        "loss": "ce",
        "evaluate": "found",
        "split": {"validation": 0.2},
        "replicates": 1,
        "assess": [
            {"use": "deft", "with": QUICK},
            {"use": "label-match", "with": {"templates": ["photo of {}."], "scale": 30.0}},
        ],
        "tuner": {"use": "full-finetune", "with": {"lr": 0.02, "batch": 16, "epochs": 4}},
    }
    before = frozen_digest(pretrained().module)
    run_study(
        build_plan(make_recipe(values), manager), tmp_path / "study", "plan", lambda: manager, RunOptions
    )
    assert frozen_digest(pretrained().module) == before
    with Store(tmp_path / "study" / "study.sqlite") as store:
        records = list(store.records().values())
    assert [record.error for record in records] == [""] * 2
    for record in records:
        found = {m.name: m.value for m in record.measures}
        assert found["accuracy"] > 0.6
        if record.axes["assess"].startswith("label-match"):
            assert found["wrong dropped"] > 0.8 > 0.2 > found["right dropped"]
    dataset = pictures_plugin.Pictures(None).load()
    test = dataset.assigned["test"]
    for folder in (tmp_path / "study" / "predictors").iterdir():
        scores = load_predictor(folder, manager).predict([dataset.read(int(p)) for p in test])
        assert (scores.top() == dataset.supervision.take(test).y).mean() > 0.6
        assert np.isfinite(scores.values).all()
