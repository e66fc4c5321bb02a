"""Studies from recipe to saved predictor, on a backbone that makes no features; the answers are scripted."""

import math
from pathlib import Path

import pytest
import scripted_plugin
from scripted_plugin import Model

from burnish.contracts import NewItem
from burnish.engine.predict.saved import load_predictor
from burnish.engine.runner import RunOptions
from burnish.engine.store import Store
from burnish.engine.study import run_study
from burnish.errors import BurnishError, FitError, ItemError
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe
from burnish.report.predictions import Layout, written

RECIPE = {
    "data": "numbers",
    "backbone": "scripted",
    "evaluate": "answers",
    "split": {"validation": 0.3, "test": 0.3},
    "replicates": 2,
}
OPTIONS = {"shots": 1, "temperature": 0, "instruction": "Say how the number is."}
RECIPE["tuner"] = [
    {"use": "plain-prompt", "with": OPTIONS},
    {"use": "emotionprompt", "with": OPTIONS},
    {"use": "emotionprompt", "with": OPTIONS | {"stimulus": "all"}},
]


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    Model.asked.clear()
    return Manager(files=[Path(scripted_plugin.__file__)], only=frozenset({"emotionprompt"}))


def run(recipe, manager, folder):
    run_study(build_plan(make_recipe(recipe), manager), folder, "plan", lambda: manager, RunOptions)
    with Store(folder / "study.sqlite") as store:
        return {(r.axes["tuner"], r.replicate): r for r in store.records().values()}


def values(record):
    assert record.error == ""
    return {m.name: m.value for m in record.measures}


@pytest.mark.parametrize("references", [False, True])
def test_a_study(manager, tmp_path, references):
    records = run(
        RECIPE | {"data": {"use": "numbers", "with": {"references": references}}}, manager, tmp_path / "study"
    )
    assert len(records) == 6
    none, best, every = (values(record) for record in records.values() if record.replicate == 0)
    assert none["exact-match"] < 0.95
    assert best["exact-match"] == every["exact-match"] == every["exact-match-oracle"] == 1
    assert every["exact-match-original"] == none["exact-match"]
    assert math.isclose(every["exact-match-mean-stimulus"], (1 + 10 * none["exact-match"]) / 11)
    assert ("unparsed" in none) is not references
    # Replicates and rows share answers to equal prompts: the likeliest answer has no seed.
    assert len(Model.asked) == len(set(Model.asked))
    before = len(Model.asked)
    run(
        RECIPE | {"data": {"use": "numbers", "with": {"references": references}}}, manager, tmp_path / "again"
    )
    assert len(Model.asked) == before
    for folder in (tmp_path / "study" / "predictors").iterdir():
        loaded = load_predictor(folder, manager)
        scores = loaded.predict(["number 3 is good", "number 4 is bad"])
        assert scores.texts[1] == "Bad.\nThat is all."
        assert scores.top()[1] == (-1 if references else 1)
        if loaded.predictor.names[loaded.predictor.chosen] == "none":
            assert scores.texts[0] == "I cannot say"
            assert scores.top()[0] == -1


def test_what_predict_writes(manager, tmp_path):
    run(RECIPE | {"tuner": "plain-prompt:temperature=0", "replicates": 1}, manager, tmp_path / "study")
    (folder,) = (tmp_path / "study" / "predictors").iterdir()
    loaded = load_predictor(folder, manager)
    items = [NewItem(str(n), lambda n=n, c=c: f"number {n} is {c}") for n, c in ((3, "good"), (4, "so_so"))]
    text = "".join(written(loaded.stream(items), loaded.classes, Layout(), words=loaded.words))
    assert text.splitlines()[0] == "item,prediction,answer"
    assert "3,,I cannot say" in text
    assert '4,so_so,"So-So.' in text
    lines = "".join(
        written(loaded.stream(items), loaded.classes, Layout(format="jsonl"), words=True)
    ).splitlines()
    assert '"prediction": null' in lines[0]
    with pytest.raises(BurnishError, match="no probabilities"):
        list(written(loaded.stream(items), loaded.classes, Layout(top=1), words=True))


def test_a_prompt_that_the_model_refuses_costs_one_item(manager, tmp_path):
    run(RECIPE | {"tuner": "plain-prompt:temperature=0", "replicates": 1}, manager, tmp_path / "study")
    (folder,) = (tmp_path / "study" / "predictors").iterdir()
    loaded = load_predictor(folder, manager)

    def items(*texts):
        return [NewItem(f"line {n}", lambda text=text: text) for n, text in enumerate(texts, 1)]

    (cell,) = loaded.stream(
        items("number 4 is bad", "number 5 is endless", "number 8 is good"), skip_bad=True
    )
    assert cell.good == (0, 2)
    assert [text.split(".")[0] for text in cell.scores.texts] == ["Bad", "Good"]
    assert cell.bad == {1: "a prompt is longer than the context of the model"}
    (cell,) = loaded.stream(items("number 5 is endless", "number 6 is endless"), skip_bad=True)
    assert (cell.good, list(cell.bad)) == ((), [0, 1])
    with pytest.raises(ItemError, match="line 2: a prompt is longer than the context of the model"):
        list(loaded.stream(items("number 4 is bad", "number 5 is endless")))


def test_the_plan_says_what_cannot_be_reproduced(manager):
    plan = build_plan(make_recipe(RECIPE), manager)
    assert any(line.startswith("Not reproducible") and "scripted" in line for line in plan.advice)
    assert not any("do-nothing" in line for line in plan.advice)  # the prompt alone is the control


def test_a_choice_without_validation_is_a_trial_that_failed(manager, tmp_path):
    with pytest.raises(FitError, match="no validation item"):  # no other trial was measured
        run(
            RECIPE | {"tuner": "emotionprompt", "split": {"validation": 0, "test": 0.3}, "replicates": 1},
            manager,
            tmp_path / "study",
        )
