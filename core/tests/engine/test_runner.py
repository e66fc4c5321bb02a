"""The runner: what it keeps, what it lets go of, and what a part that raises costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import parts_plugin
import pytest
from parts_plugin import CALLS, ITEMS

from burnish.engine.jobs import kinds
from burnish.engine.runner import Runner, RunOptions
from burnish.engine.store import Store
from burnish.engine.study import run_study
from burnish.engine.tools import Tools
from burnish.engine.values import Values
from burnish.errors import FitError
from burnish.manager import Manager
from burnish.plan import build_plan
from burnish.plan.graph import Graph
from burnish.recipe import make_recipe

PARTS = {
    "data": "rows",
    "backbone": "numbers",
    "noise": "shift",
    "assess": "doubt",
    "tuner": "means",
    "evaluate": ["right", "right:name=2"],
    "replicates": 2,
}


@pytest.fixture
def manager(tmp_path, monkeypatch):
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "cache"))
    CALLS.clear()
    return Manager(files=[Path(parts_plugin.__file__)], only=frozenset())


def plan_of(manager, **parts):
    return build_plan(make_recipe(PARTS | parts), manager)


def study(manager, folder, options=RunOptions, **parts):
    run_study(plan_of(manager, **parts), folder, "plan", lambda: manager, options)
    return records_of(folder)


def records_of(folder):
    with Store(folder / "study.sqlite") as store:
        return list(store.records(extras=True).values())


def values(record):
    return {measure.name: measure.value for measure in record.measures}


# -- a part that raises --------------------------------------------------------------------------------------


WHERE = [
    ("data", "rows", "init"),
    ("data", "rows", "load"),
    ("backbone", "numbers", "init"),
    ("backbone", "numbers", "prepare"),
    ("backbone", "numbers", "encode"),
    ("noise", "shift", "init"),
    ("noise", "shift", "corrupt"),
    ("assess", "doubt", "init"),
    ("assess", "doubt", "assess"),
    ("tuner", "means", "init"),
    ("tuner", "means", "fit"),
    ("tuner", "means", "predict"),
    ("tuner", "means", "embed"),
    ("tuner", "means", "state"),
    ("tuner", "means", "info"),
]
KINDS = {"data": "source", "assess": "noise"}


@pytest.mark.parametrize(("key", "name", "at"), WHERE)
def test_a_part_that_raises_costs_its_own_rows_and_is_named(manager, tmp_path, key, name, at):
    records = study(manager, tmp_path / "study", **{key: [name, f"{name}:at={at}"]})
    good = [record for record in records if f"at={at}" not in record.axes[key]]
    bad = [record for record in records if f"at={at}" in record.axes[key]]
    assert len(good) == len(bad) == 2
    assert all(record.error == "" and values(record)["right"] > 0.6 for record in good)
    for record in bad:
        assert f"{KINDS.get(key, key)} parts-plugin/{name} of plugin parts-plugin" in record.error
        assert f"parts_plugin.py line {line_of_raise()}" in record.error
        assert f"at {at}" in record.error


@pytest.mark.parametrize("at", ["init", "measure"])
def test_an_evaluator_that_raises_costs_its_own_measures(manager, tmp_path, at):
    whole = study(manager, tmp_path / "whole")
    records = study(manager, tmp_path / "study", evaluate=["right", f"right:at={at},name=2"])
    for record, expected in zip(records, whole, strict=True):
        assert record.error == ""
        assert values(record)["right"] == values(expected)["right"]
        (lost,) = [measure for measure in record.measures if "KeyError" in measure.how]
        assert np.isnan(lost.value)
        assert "evaluator parts-plugin/right of plugin parts-plugin, parts_plugin.py line" in lost.how


def test_where_every_trial_is_lost_the_reason_is_the_error(manager, tmp_path):
    with pytest.raises(FitError, match=r"tuner parts-plugin/means of plugin parts-plugin.*KeyError"):
        study(manager, tmp_path / "study", tuner="means:at=fit")


def line_of_raise():
    lines = Path(parts_plugin.__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if "raise KeyError" in line)


# -- what is kept --------------------------------------------------------------------------------------------


class KilledError(BaseException):
    """Ends a run as a kill would: nothing catches it."""


def test_an_assessment_is_committed_as_soon_as_it_is_made_and_not_asked_for_again(
    manager, tmp_path, monkeypatch
):
    def killed(self, task):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(parts_plugin.Means, "fit", killed)
        with pytest.raises(KilledError):
            study(manager, tmp_path / "study")
    assert CALLS["Doubt.assess"] == 2
    with Store(tmp_path / "study" / "study.sqlite") as store:
        first, second = store.assessments()
        assert not store.finished()
    assert first.axes == {"data": "rows", "backbone": "numbers", "noise": "shift", "assess": "doubt"}
    assert (first.replicate, second.replicate) == (0, 1)
    keep = np.frombuffer(first.keep, dtype=np.uint8)
    assert keep.tolist() == [int(row % 5 > 0) for row in range(len(keep))]
    assert np.frombuffer(first.clean_probability, dtype="<f4").tolist() == [
        0.875 if k else 0.25 for k in keep
    ]
    assert len(first.ids) == 32 * len(keep)
    assert first.tables[0]["columns"] == {"class": ["a", "b"], "doubt": [0.25, 0.5]}
    resumed = study(manager, tmp_path / "study")
    assert CALLS["Doubt.assess"] == 2
    assert [values(record) for record in resumed] == [
        values(record) for record in study(manager, tmp_path / "whole")
    ]


def test_a_fit_is_committed_before_it_is_measured(manager, tmp_path, monkeypatch):
    def killed(self, outcome):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(parts_plugin.Right, "measure", killed)
        with pytest.raises(KilledError):
            study(manager, tmp_path / "study", replicates=1)
    assert (CALLS["Means.fit"], CALLS["Means.restore"]) == (1, 0)
    (resumed,) = study(manager, tmp_path / "study", replicates=1)
    assert (CALLS["Means.fit"], CALLS["Means.restore"]) == (1, 1)
    (whole,) = study(manager, tmp_path / "whole", replicates=1)
    assert values(resumed) == values(whole)
    with Store(tmp_path / "study" / "study.sqlite") as store:
        assert store.pending_keys() == []


def test_a_committed_fit_that_cannot_be_restored_costs_its_own_row(manager, tmp_path, monkeypatch):
    def killed(self, outcome):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(parts_plugin.Right, "measure", killed)
        with pytest.raises(KilledError):
            study(manager, tmp_path / "study", tuner="means:at=restore", replicates=1)
    with pytest.raises(FitError, match=r"tuner parts-plugin/means of plugin parts-plugin.*at restore"):
        study(manager, tmp_path / "study", tuner="means:at=restore", replicates=1)


def test_rows_are_stored_as_backbones_get_ready(manager, tmp_path, monkeypatch):
    stored = []
    made = kinds.SHARED["features"]

    def watched(tools, job, given):
        with Store(tmp_path / "study" / "study.sqlite") as store:
            stored.append(len(store.finished()))
        return made(tools, job, given)

    monkeypatch.setitem(kinds.SHARED, "features", watched)
    study(manager, tmp_path / "study", backbone=["numbers", "numbers:name=b", "numbers:name=c"])
    assert stored == [0, 2, 4]


def test_features_of_one_backbone_are_in_memory_at_a_time(manager, tmp_path, monkeypatch):
    alive = []
    plan = plan_of(manager, backbone=["numbers", "numbers:name=b", "numbers:name=c"])
    made = kinds.SHARED["features"]

    def watched(tools, job, given):
        alive.append(sum(key in runner.values._values for key in tables))
        return made(tools, job, given)

    monkeypatch.setitem(kinds.SHARED, "features", watched)
    (tmp_path / "study").mkdir()
    with Store(tmp_path / "study" / "study.sqlite") as store:
        runner = Runner(plan, store, tmp_path / "study", manager, RunOptions())
        tables = [key for key, job in runner.graph.jobs.items() if job.kind == "features"]
        runner.run()
    assert alive == [0, 0, 0]
    assert runner.values._values == {}


def test_an_executor_is_given_every_job(manager, tmp_path):
    class Counting:
        def __init__(self):
            self.jobs = 0

        def submit(self, work):
            self.jobs += 1
            return work()

    counting = Counting()
    study(manager, tmp_path / "study", lambda: RunOptions(executor=counting))
    kinds_run = {"data": 1, "features": 1, "corrupt": 2, "assess": 2, "fit": 2}
    assert counting.jobs == sum(kinds_run.values())


# -- values --------------------------------------------------------------------------------------------------


def test_a_value_is_let_go_after_its_last_use_and_made_again_when_asked(manager):
    plan = plan_of(manager)
    found = Values(Graph(plan), Tools.of(plan, manager))
    (row,) = plan.rows
    key = found.graph.shown(row, 0)
    found.expect([key])
    shown = found.get(key)
    assert set(found._values) == {key}
    found.done([key])
    assert found._values == {}
    assert np.array_equal(found.get(key).splits["train"].index, shown.splits["train"].index)


def test_nothing_of_the_data_set_can_be_reached_from_a_task(manager):
    from cheats import reachable

    from burnish.contracts.tuner import Run
    from burnish.data import Dataset
    from burnish.engine.jobs.features import Tables
    from burnish.engine.jobs.task import RowReads, task

    plan = plan_of(manager)
    found = Values(Graph(plan), Tools.of(plan, manager))
    (row,) = plan.rows
    keys = found.reads(row, 0)
    found.expect(keys)
    data, shown, table = (found.get(key) for key in keys)
    reads = RowReads(data.dataset, row.backbone, found.tools.backbones, Tables(table.table))
    given = task(reads, shown, data.dataset.columns, 0, Run())
    clean = data.dataset.supervision.y
    for name, value in reachable(given, depth=2):
        assert not isinstance(value, Dataset), name
        assert not (isinstance(value, np.ndarray) and value.shape == (ITEMS,) and (value == clean).all()), (
            name
        )
    tests = np.concatenate([s.index for s in shown.splits.values() if s.role == "test"])
    assert not given.supervision.known[tests].any()
