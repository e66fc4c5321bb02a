"""Studies from Python: tuning that survives a crash, rows that cannot be trained beside rows that can, one replicate."""

import math
import sqlite3

import pytest

import burnish
from burnish.errors import RecipeError, StoreError

DIGITS = "digits:features=true"
QUICK = {"use": "linear", "with": {"epochs": 8, "batch": 256, "lr": 0.1}}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))


def recipe(**keys):
    return {"data": DIGITS, "tuner": ["nothing", QUICK], "replicates": 1, "evaluate": ["accuracy", "nll"]} | keys


def study(tmp_path, name="study", **keys):
    return burnish.run(recipe(**keys), out=tmp_path / name, settings=["numeric.threads=2"])


def test_tuning_on_a_measure_that_is_better_down_chooses_the_same_after_a_crash_before_the_choice(tmp_path):
    tune = {"budget": 2, "space": {"tuner.lr": [1e-5, 0.05]}}
    first = study(tmp_path, tune=tune, select={"measure": "nll"})
    with sqlite3.connect(first.folder / "study.sqlite") as db:
        chosen = db.execute("SELECT options FROM choices").fetchall()
        for table in ("measures", "extras", "costs", "trials", "choices", "summaries"):
            db.execute(f"DELETE FROM {table}")
    again = study(tmp_path, tune=tune, select={"measure": "nll"})
    with sqlite3.connect(again.folder / "study.sqlite") as db:
        assert db.execute("SELECT options FROM choices").fetchall() == chosen == [('{"tuner.lr": 0.05}',)]


def test_a_measure_without_a_direction_cannot_select(tmp_path):
    with pytest.raises(RecipeError, match="sve is neither better up nor better down"):
        study(tmp_path, tune={"budget": 2, "space": {"tuner.lr": [0.01, 0.05]}}, select={"measure": "sve"}, evaluate=["spectrum"])


def test_a_row_that_cannot_be_trained_ends_no_other(tmp_path):
    # The bare consistency penalty needs embeddings, which a linear head on the features does not have.
    made = study(tmp_path, loss=["ce", "consistency:base=none"], tune={"budget": 2, "space": {"tuner.lr": [0.01, 0.05]}})
    errors = {record.labels["loss"]: record.error for record in made.trials() if record.labels["tuner"] != "nothing"}
    assert not errors["ce"]
    assert "no setting could be tuned" in errors["consistency:base=none"]
    assert made.complete
    assert "consistency" in made.table()


def test_one_replicate_without_test_groups_has_no_interval_and_no_p_value(tmp_path):
    made = study(tmp_path, evaluate=["macro-f1"], report={"lines": "tuner", "baseline": "nothing"})
    summary = made.summary()
    (row, *_) = summary["rows"]
    assert row["numbers"]["macro-f1"]["test"]["low"] is None
    assert all(entry["p"] is None and entry["low"] is None for entry in summary["comparisons"])
    assert all(math.isfinite(entry["difference"]) for entry in summary["comparisons"])
    made.table()


def test_a_study_is_extended_by_rows_and_refused_where_a_setting_changed(tmp_path):
    first = study(tmp_path)
    before = {record.key: record.seconds for record in first.trials()}
    more = study(tmp_path, tuner=["nothing", QUICK, "ridge"])
    after = {record.key: record.seconds for record in more.trials()}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1
    with pytest.raises(StoreError, match=r"the folder holds another study: tuner\.2\.with\.epochs was 8, is 9"):
        study(tmp_path, tuner=["nothing", {"use": "linear", "with": {"epochs": 9, "batch": 256, "lr": 0.1}}, "ridge"])


def test_a_kept_predictor_gives_the_accuracy_of_the_table(tmp_path):
    made = study(tmp_path)
    (record,) = [r for r in made.trials() if r.labels["tuner"].startswith("linear")]
    predictor = made.predictor(record)
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    scores = predictor.predict((x / 16).astype("float32"))
    assert (scores.top() == y).mean() > 0.8
    with pytest.raises(StoreError, match="was not kept"):
        made.predictor(type(record)(**{**record.__dict__, "key": "0" * 64}))
