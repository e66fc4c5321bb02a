"""Summaries: what looks at a whole study, through `burnish.run`."""

import sys

import pytest

import burnish
from burnish.manager import use_plugin_files

PLUGIN = """
import burnish
from burnish.contracts.evaluator import Curve, Measure, Measures, Table

BURNISH_API = 1


class Slope:
    def __init__(self, config):
        del config

    def summarise(self, study):
        points = [(row.options["noise.rate"], row.values["accuracy", "test"][0]) for row in study.rows]
        x, y = zip(*points)
        return Measures(curves=(Curve("slope", "test", list(x), list(y)),))


class Raises(Slope):
    def summarise(self, study):
        raise KeyError("sulks")


class Scalars(Slope):
    def summarise(self, study):
        return Measures(scalars=(Measure("x", "test", 1.0),))


class Uneven(Slope):
    def summarise(self, study):
        return Measures(tables=(Table("t", "test", {"a": [1], "b": []}),))


@burnish.hookimpl
def burnish_summaries():
    return [
        burnish.Summary(name=name.lower(), target=f"my_summaries:{name}", summary="x")
        for name in ("Slope", "Raises", "Scalars", "Uneven")
    ]
"""

RECIPE = {
    "data": "digits:features=true",
    "noise": [{"use": "symmetric", "with": {"rate": [0.1, 0.4]}}],
    "tuner": ["nothing", "ridge"],
    "replicates": 2,
}


@pytest.fixture(autouse=True)
def _plugin(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "my_summaries.py"
    file.write_text(PLUGIN)
    use_plugin_files([file])
    yield
    use_plugin_files(())
    sys.modules.pop("my_summaries", None)


def study(tmp_path, **keys):
    return burnish.run(RECIPE | keys, out=tmp_path / "study", settings=["numeric.threads=2"])


def test_a_finished_study_gets_its_tables_without_any_training(tmp_path):
    plain = study(tmp_path)
    trials = [(record.key, record.seconds) for record in plain.trials()]
    before = plain.summary()
    assert "extra tables" not in before
    made = study(tmp_path, summarise=["rank", "slope"])
    assert [(record.key, record.seconds) for record in made.trials()] == trials
    summary = made.summary()
    assert {key: summary[key] for key in before} == before
    (table,) = summary["extra tables"]
    assert (table["from"], table["name"], table["split"]) == ("rank", "rank by accuracy", "test")
    assert table["columns"] == {
        "tuner": ["nothing", "ridge"],
        "mean rank": [2.0, 1.0],
        "best in": [0, 4],
        "blocks": [4, 4],
    }
    (curve,) = summary["extra curves"]
    assert (curve["from"], curve["x"]) == ("slope", [0.1, 0.1, 0.4, 0.4])
    assert summary["extra errors"] == []
    assert "summarise:" in (made.folder / "plan.yaml").read_text()


def test_a_summary_that_goes_wrong_costs_its_own_tables_and_is_named(tmp_path):
    made = study(tmp_path, summarise=["raises", "scalars", "uneven", "rank"])
    summary = made.summary()
    assert [table["from"] for table in summary["extra tables"]] == ["rank"]
    told = {each["from"]: each["error"] for each in summary["extra errors"]}
    where = f"of plugin my-summaries ({tmp_path / 'my_summaries.py'})"
    assert told == {
        "raises": f"summary my-summaries/raises {where}: KeyError: 'sulks'",
        "scalars": (
            f"summary my-summaries/scalars {where}: ValueError: it gives scalars, which belong to trials: put"
            " them into a table"
        ),
        "uneven": (
            f"summary my-summaries/uneven {where}: ValueError: table 't' has columns of different lengths:"
            " {'a': 1, 'b': 0}"
        ),
    }
