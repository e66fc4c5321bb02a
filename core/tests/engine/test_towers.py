"""Studies with methods that work inside a backbone, or with its text tower.

What they are given, and what is left of it.
"""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import towers_plugin

from burnish.data import Classes
from burnish.engine.features.prompts import prompts_of
from burnish.engine.predict.saved import load_predictor
from burnish.engine.runner import RunOptions
from burnish.engine.store import Store
from burnish.engine.study import run_study
from burnish.errors import ConfigError, DataError, PluginError
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.recipe import make_recipe


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    towers_plugin.ENCODED.clear()
    return Manager(files=[Path(towers_plugin.__file__)], only=frozenset())


class Heard:
    """A progress that keeps what each stage was told."""

    def __init__(self):
        self.stages = {}

    @contextmanager
    def stage(self, name, total, unit):
        told = self.stages.setdefault(f"{name}: {total} {unit}", [])
        yield told.append

    def say(self, line):
        """Keep nothing of single lines."""


def study(manager, folder, tuner, options=RunOptions, **parts):
    recipe = {
        "data": "pictures",
        "backbone": "towers",
        "tuner": tuner,
        "evaluate": "known",
        "replicates": 2,
    } | parts
    plan = build_plan(make_recipe(recipe), manager)
    run_study(plan, folder, "plan", lambda: manager, options)
    with Store(folder / "study.sqlite") as store:
        return list(store.records().values())


def values(record, name):
    return {measure.split: measure.value for measure in record.measures if measure.name == name}


def test_a_tuner_inside_the_backbone_is_measured_on_what_it_made_of_it_and_predicts_the_same_when_loaded(
    manager, tmp_path
):
    records = study(manager, tmp_path / "study", "shift", assess="training")
    assert [record.error for record in records] == ["", ""]
    assert all(
        values(record, "accuracy")["test"] > 0.45 for record in records
    )  # half of the items are of the new class, and cannot be right
    assert all(values(record, "known")["test"] == 3 for record in records)
    (folder,) = (tmp_path / "study" / "predictors").iterdir()
    loaded = load_predictor(folder, manager)
    assert loaded.classes.known.tolist() == [True, True, True, False]
    dataset = towers_plugin.Pictures(None).load()
    test = dataset.assigned["test"]
    top = loaded.predict([dataset.read(int(p)) for p in test]).top()
    right = float((top == dataset.supervision.take(test).y).mean())
    assert right == values(records[0], "accuracy")["test"]


def test_an_assessment_is_a_stage_of_its_own_and_tells_how_far_it_is(manager, tmp_path):
    heard = Heard()
    study(manager, tmp_path / "study", "shift", lambda: RunOptions(display=heard), assess="training")
    assert heard.stages["assessing: 2 assessments"] == [0.25, 1, 1.25, 2]
    assert heard.stages["trials: 2 trials"][-1] == 2
    study(manager, tmp_path / "other", "shift", lambda: RunOptions(display=heard))
    assert list(heard.stages).count("assessing: 2 assessments") == 1


def test_replicates_that_no_setting_can_be_trained_in_do_not_decide_about_the_others(manager, tmp_path):
    towers_plugin.FAILED.clear()
    tune = {"budget": 2, "space": {"tuner.how": ["stop", "whole"]}, "replicates": 3}
    records = study(manager, tmp_path / "study", "shift", assess="fickle", replicates=3, tune=tune)
    errors = [record.error for record in sorted(records, key=lambda record: record.replicate)]
    assert "nothing to train on" in errors[0]
    assert "it diverged" in errors[1]
    assert errors[2] == ""
    assert towers_plugin.FAILED == [1]
    with Store(tmp_path / "study" / "study.sqlite") as store:
        (choice,) = store.choices().values()
    assert choice["options"] == {"tuner.how": "whole"}
    assert [row["trials"] for row in choice["candidates"]] == [1, 1]


def test_prompts_are_encoded_once_and_kept_in_the_cache(manager, tmp_path):
    first = study(manager, tmp_path / "one", "texts")
    prompts = {"a black", "a red", "a green", "a blue", "black black", "red red", "green green", "blue blue"}
    assert set(towers_plugin.ENCODED) == prompts
    towers_plugin.ENCODED.clear()
    second = study(manager, tmp_path / "two", "texts", replicates=3)
    assert towers_plugin.ENCODED == []
    assert [values(record, "accuracy") for record in first] == [
        values(record, "accuracy") for record in second[:2]
    ]


def test_who_changes_the_frozen_weights_stops_the_study_and_nothing_of_it_is_kept(manager, tmp_path):
    with pytest.raises(PluginError, match="frozen weights of the backbone were changed"):
        study(manager, tmp_path / "study", "shift:how=vandal")
    with Store(tmp_path / "study" / "study.sqlite") as store:
        assert not store.records()


def test_a_fit_that_breaks_off_leaves_the_backbone_to_the_next_trial(manager, tmp_path):
    records = study(manager, tmp_path / "study", ["shift:how=stop", "shift"])
    assert ["it stopped in the middle" in record.error for record in records] == [True, True, False, False]
    alone = study(manager, tmp_path / "alone", "shift")
    assert [values(record, "accuracy") for record in records[2:]] == [
        values(record, "accuracy") for record in alone
    ]


def test_prompts_need_names_and_a_place_for_them():
    classes = Classes.of(["cat", "dog"])
    assert prompts_of(classes, ["a {}", "{}!"]) == ["a cat", "a dog", "cat!", "dog!"]
    assert prompts_of(Classes.of(["hot_dog", "cat"]), ["a {}"]) == ["a hot dog", "a cat"]
    described = Classes.of(["cat", "dog"], [["it purrs"], ["it barks", "loudly"]])
    assert prompts_of(described, ["a {}, {description}"]) == ["a cat, it purrs", "a dog, it barks"]
    with pytest.raises(DataError, match="class 'cat' has no description"):
        prompts_of(classes, ["a {}, {description}"])
    with pytest.raises(ConfigError, match="the template 'a photo' has no place for the class name"):
        prompts_of(classes, ["a {}", "a photo"])
    with pytest.raises(ConfigError, match="no prompt template"):
        prompts_of(classes, [])
    with pytest.raises(DataError, match="the classes have no names"):
        prompts_of(Classes(("0", "1"), ("0", "1"), np.ones(2, dtype=bool), named=False), ["a {}"])
    with pytest.raises(DataError, match="the classes have no names"):
        prompts_of(Classes((" ", "dog"), ("0", "1"), np.ones(2, dtype=bool)), ["a {}"])
