"""Studies from Python: tuning that survives a crash, untrainable beside trainable rows, one replicate."""

import math
import sqlite3

import numpy as np
import pytest

import burnish
from burnish.errors import FitError, RecipeError, StoreError
from burnish.report.study import Study

DIGITS = "digits:features=true"
QUICK = {"use": "linear", "with": {"epochs": 8, "batch": 256, "lr": 0.1}}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))


def recipe(**keys):
    return {
        "data": DIGITS,
        "tuner": ["nothing", QUICK],
        "replicates": 1,
        "evaluate": ["accuracy", "nll"],
    } | keys


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
        study(
            tmp_path,
            tune={"budget": 2, "space": {"tuner.lr": [0.01, 0.05]}},
            select={"measure": "sve"},
            evaluate=["spectrum"],
        )


def test_a_row_that_cannot_be_trained_ends_no_other(tmp_path):
    # The bare consistency penalty needs embeddings, which a linear head on the features does not have.
    made = study(
        tmp_path,
        loss=["ce", "consistency:base=none"],
        tune={"budget": 2, "space": {"tuner.lr": [0.01, 0.05]}},
    )
    errors = {
        record.axes["loss"]: record.error for record in made.trials() if record.axes["tuner"] != "nothing"
    }
    assert not errors["ce"]
    assert "no setting could be tuned" in errors["consistency:base=none"]
    assert made.complete
    assert "consistency" in made.table()


def test_one_replicate_without_test_groups_has_no_interval_and_no_p_value(tmp_path):
    made = study(tmp_path, evaluate=["macro-f1"], report={"lines": "tuner", "baseline": "nothing"})
    summary = made.summary()
    row, *_ = summary["rows"]
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
    with pytest.raises(
        StoreError, match=r"the folder holds another study: tuner\.2\.with\.epochs was 8, is 9"
    ):
        study(
            tmp_path,
            tuner=["nothing", {"use": "linear", "with": {"epochs": 9, "batch": 256, "lr": 0.1}}, "ridge"],
        )


def test_a_kept_predictor_gives_the_accuracy_of_the_table(tmp_path):
    made = study(tmp_path)
    (record,) = [r for r in made.trials() if r.axes["tuner"].startswith("linear")]
    predictor = made.predictor(record)
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    scores = predictor.predict((x / 16).astype("float32"))
    assert (scores.top() == y).mean() > 0.8
    with pytest.raises(StoreError, match="was not kept"):
        made.predictor(type(record)(**{**record.__dict__, "key": "0" * 64}))


def npz(path, rows=120, groups=None, **arrays):
    """Three classes that a neighbour tells apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y = np.arange(rows) % 3
    x = (np.random.default_rng(0).normal(size=(rows, 6)) + 3 * np.eye(6)[y]).astype(np.float32)
    np.savez(path, **{"x": x, "y": y} | ({"group": np.arange(rows) // 4 % groups} if groups else {}) | arrays)
    return str(path)


def test_one_test_group_says_nothing_about_another(tmp_path):
    data = f"npz:path={npz(tmp_path / 'few.npz', groups=3)},group=group"
    keys = {
        "data": data,
        "tuner": ["knn", "nothing"],
        "evaluate": ["accuracy"],
        "report": {"baseline": "nothing"},
    }
    (difference,) = {
        (c["difference"] > 0, c["low"], c["p"])
        for c in study(tmp_path, "one", **keys).summary()["comparisons"]
    }
    assert difference == (True, None, None)
    twice = study(tmp_path, "two", **keys | {"replicates": 2}).summary()
    assert {c["p"] for c in twice["comparisons"]} == {0.5}
    assert twice["rows"][0]["numbers"]["accuracy"]["test"]["how"].startswith(
        "95 % percentile bootstrap over 2 replicates,"
    )


def test_data_in_files_of_one_name_are_compared_each_with_itself(tmp_path):
    easy, hard = (
        npz(tmp_path / "easy" / "day.npz"),
        npz(tmp_path / "hard" / "day.npz", y=np.random.default_rng(1).integers(0, 3, 120)),
    )
    made = study(
        tmp_path,
        data=[easy, hard],
        tuner=["knn", "nothing"],
        evaluate=["accuracy"],
        report={"baseline": "nothing"},
    )
    value = {
        (row["axes"]["data"], row["line"]): row["numbers"]["accuracy"]["test"]["value"]
        for row in made.summary()["rows"]
    }
    assert {data for data, _ in value} == {"npz:path=easy/day.npz", "npz:path=hard/day.npz"}
    found = {c["axes"]["data"]: c["difference"] for c in made.summary()["comparisons"] if c["axes"]}
    assert found == {data: pytest.approx(value[data, "knn"] - value[data, "nothing"]) for data in found}
    again = Study(made.folder).against("nothing").results.comparisons
    assert {c.axes["data"]: c.difference for c in again if c.axes} == found


def test_a_study_in_which_nothing_can_be_trained_fails_each_time_and_ties_the_folder_to_nothing(tmp_path):
    for _ in range(2):  # a linear head on the features has no embeddings
        with pytest.raises(FitError, match=r"no trial could be trained: .*embeddings"):
            study(tmp_path, tuner=QUICK, loss="consistency:base=none")
    made = study(tmp_path, tuner=QUICK, loss="ce")
    assert made.complete
    assert [(record.axes["loss"], record.error) for record in made.trials()] == [("ce", "")]


def test_what_another_plan_left_does_not_count(tmp_path):
    """Five failed trials are no five trials of this plan, nor are their choices its choices."""
    tune = {"budget": 2, "space": {"tuner.lr": [0.01, 0.05]}}
    with pytest.raises(FitError):
        study(tmp_path, tuner=QUICK, loss="consistency:base=none", replicates=5, tune=tune)
    made = study(tmp_path, tuner=["knn", "nothing"], evaluate=["accuracy"])
    assert made.complete
    assert len(made.trials()) == 2
    assert not Study(made.folder).choices


def test_data_that_was_mended_after_nothing_could_be_trained(tmp_path):
    x = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
    broken = x.copy()
    broken[3, 0] = np.nan
    keys = {"tuner": QUICK, "on_bad_input": "skip", "data": npz(tmp_path / "a.npz", x=broken)}
    with pytest.raises(FitError):
        study(tmp_path, loss="consistency:base=none", **keys)
    npz(tmp_path / "a.npz", x=x)
    assert study(tmp_path, loss="ce", **keys).complete


def test_trials_are_labelled_as_the_rows_after_an_extension(tmp_path):
    easy, hard = (
        npz(tmp_path / "easy" / "day.npz"),
        npz(tmp_path / "hard" / "day.npz", y=np.random.default_rng(1).integers(0, 3, 120)),
    )
    study(tmp_path, data=[easy], tuner="knn", evaluate=["accuracy"])
    made = study(tmp_path, data=[easy, hard], tuner="knn", evaluate=["accuracy"])
    assert [record.axes["data"] for record in made.trials()] == [
        "npz:path=easy/day.npz",
        "npz:path=hard/day.npz",
    ]


def test_a_row_without_an_interval_is_told_beside_the_mean_that_has_none_for_it(tmp_path):
    many = f"npz:path={npz(tmp_path / 'many.npz', rows=360, groups=40)},group=group"
    one = f"npz:path={npz(tmp_path / 'one.npz', groups=3)},group=group"
    made = study(
        tmp_path,
        data=[many, one],
        tuner=["knn", "nothing"],
        evaluate=["accuracy"],
        report={"baseline": "nothing"},
    )
    overall, first, second = made.summary()["comparisons"]
    assert (overall["over"], overall["low"], overall["p"]) == ("2 rows, 1 without interval", None, None)
    assert first["p"] < 0.05
    assert second["p"] is None


def test_a_report_of_a_measure_that_is_not_there_leaves_a_finished_study_readable(tmp_path):
    made = study(tmp_path)
    with pytest.raises(RecipeError, match="no evaluator of the recipe measures 'ece'"):
        study(tmp_path, report={"measure": "ece"})
    assert made.table() == Study(made.folder).table("text", 100)
    assert "nll" in study(tmp_path, report={"measure": "nll"}).table()


def test_two_measures_of_one_name_are_refused(tmp_path):
    with pytest.raises(RecipeError, match="evaluate: ece:bins=2 and ece:bins=9 both give a measure 'ece'"):
        study(tmp_path, evaluate=["ece:bins=2", "ece:bins=9"])


def test_items_are_counted_as_observed_whatever_they_weigh(tmp_path):
    data = f"npz:path={npz(tmp_path / 'w.npz', weight=np.full(120, 0.1, np.float32))},weights=weight"
    made = study(tmp_path, data=data, tuner="knn", evaluate=["groups:many=20,few=10"])
    (row,) = made.summary()["rows"]
    assert {name for name, at in row["numbers"].items() if at["test"]["value"] is not None} == {
        "many-observed"
    }


def test_predictors_by_number(tmp_path):
    made = study(tmp_path, data=npz(tmp_path / "a.npz"), tuner="knn", evaluate=["accuracy"])
    x = 3 * np.eye(6, dtype=np.float32)[:3]
    assert np.array_equal(
        made.predictor(0).predict(x).probabilities(),
        made.predictor(made.trials()[0]).predict(x).probabilities(),
    )
    assert made.predictor(np.int64(0)).classes.names == made.predictor(0).classes.names
    with pytest.raises(StoreError, match=r"there is no trial 1\. Possible: 0 to 0"):
        made.predictor(1)
