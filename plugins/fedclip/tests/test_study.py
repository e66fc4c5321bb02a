"""A study from recipe to saved predictor: clients by a column, and a hand that none of them has."""

from pathlib import Path

import numpy as np
import pytest
import styles_plugin
import torch

from burnish.engine.predict.saved import load_predictor
from burnish.engine.runner import RunOptions
from burnish.engine.store import Store
from burnish.engine.study import run_study
from burnish.errors import ConfigError, RecipeError
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe
from burnish_fedclip import make_clients
from burnish_fedclip.client_file import file_of, read_client


def recipe(tuners, **more):
    return {
        "data": "styles",
        "backbone": "encoder",
        "tuner": tuners,
        "evaluate": "accuracy",
        "split": {"validation": 0.2},
        "replicates": 2,
    } | more


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
    run_study(plan, tmp_path / "study", "plan", lambda: manager, RunOptions)
    with Store(tmp_path / "study" / "study.sqlite") as store:
        records = list(store.records().values())
    assert [record.error for record in records] == [""] * 8
    for record in records:
        values = {(m.name, m.split): m.value for m in record.measures}
        assert values["accuracy", "test"] > 0.8
        assert values["accuracy", "test:pen"] > 0.5
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
        run_study(unknown, tmp_path / "study", "plan", lambda: manager, RunOptions)


@pytest.mark.parametrize(
    ("who", "files"),
    [
        (["--number", "3"], [3]),
        (["--clients", "hand"], [0, 1]),
        (["--clients", "class", "--count", "4"], [0, 1, 2, 3]),
    ],
)
def test_clients_files_from_data_and_a_backbone(manager, tmp_path, monkeypatch, capsys, who, files):
    monkeypatch.setattr("burnish.values.get_manager", lambda: manager)
    out = tmp_path / "clients"
    assert (
        make_clients.main(
            ["--data", "styles", "--backbone", "encoder", "--template", "{}", "--out", str(out), *who]
        )
        == 0
    )
    assert "run config: dim=8 classes=4" in capsys.readouterr().out
    found = [read_client(file_of(out, number)) for number in files]
    assert [data.number for data in found] == files
    assert sorted(path.name for path in out.iterdir()) == [f"client-{number}.safetensors" for number in files]
    texts = torch.nn.functional.normalize(torch.from_numpy(styles_plugin.directions(4, 0)), dim=1)
    assert all(torch.allclose(data.texts, texts) for data in found)
    assert sum(len(data.train) + len(data.validation) for data in found) == 4 * 2 * 9


def test_no_clients_files_from_nothing(manager, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("burnish.values.get_manager", lambda: manager)
    assert (
        make_clients.main(
            ["--data", "styles", "--backbone", "encoder", "--out", str(tmp_path), "--clients", "dirichlet:x"]
        )
        == 1
    )
    assert "no number above 0" in capsys.readouterr().err
    assert (
        make_clients.main(
            ["--data", "stiles", "--backbone", "encoder", "--out", str(tmp_path), "--number", "0"]
        )
        == 1
    )
    assert "unknown source 'stiles'" in capsys.readouterr().err
