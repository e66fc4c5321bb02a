"""Axes that not every row has: no value of x, several numbers of views; names that no trial has.

What there is nothing to compare with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from burnish.engine.jobs.summarise import summarise
from burnish.engine.store import Store
from burnish.errors import RecipeError
from burnish.plan import Plan, ReportSpec
from burnish.report import figures, pictures
from burnish.report.answer import answer
from burnish.report.exports import comparisons_to_csv, to_csv
from burnish.report.formatting import NO_X
from burnish.report.html import render_report
from burnish.report.study import Study
from burnish.report.summary import Summary
from burnish.report.tables import render

PANELS = {"in": ("test",), "out": ("test:blur", "test:noise")}


def words(text: str) -> str:
    return " ".join(text.split())


# -- no value of x -------------------------------------------------------------------------------------------


@pytest.fixture
def noisy(made: Any) -> Plan:
    """Label noise none, 0.2 and 0.4, of one backbone and two tuners."""
    plan = made.make_plan(
        (), (), ("mlp", "nmtune"), 2, report=ReportSpec("noise.rate", "tuner", PANELS, "accuracy", "mlp")
    )
    noises = [(), (made.part("noise", "symmetric", rate=0.2),), (made.part("noise", "symmetric", rate=0.4),)]
    return replace(plan, rows=tuple(replace(row, noise=noise) for noise in noises for row in plan.rows))


def test_rows_without_x_have_a_column_of_their_own(made: Any, noisy: Plan) -> None:
    content = summarise(noisy, made.make_records(noisy, groups=4, dim=4, extras=False))
    assert [row["x"] for row in content["rows"]] == [None, None, 0.2, 0.2, 0.4, 0.4]
    text = render(content, width=100)
    assert next(line for line in text.splitlines() if line.startswith("tuner")).split() == [
        "tuner",
        NO_X,
        "0.2",
        "0.4",
    ]
    results = [
        line
        for line in text.partition("difference from")[0].splitlines()
        if line.startswith(("  mlp ", "  nmtune "))
    ]
    assert [line.count("±") for line in results] == [3] * 4, "a mean with its interval in every column"
    (drawn,) = figures.along_x(Summary.of(content), ["in"], wide=False)
    assert [label.get_text() for label in drawn.figure.axes[0].get_xticklabels()] == [NO_X, "0.2", "0.4"]
    assert f"{NO_X} : rows without noise.rate." in text
    assert (
        to_csv(Summary.of(content)).splitlines()[1].startswith("signs,features,none,none,mlp,ce,,accuracy,")
    )
    sentences = answer(Summary.of(content))
    assert "at 2 values of `noise.rate` and without it: 6 rows" in sentences[0]
    assert any(sentence.startswith("From `noise.rate` 0.2 to 0.4, ") for sentence in sentences)


def test_a_study_in_which_one_row_has_x_shows_the_others(made: Any, noisy: Plan) -> None:
    content = summarise(replace(noisy, rows=noisy.rows[2:3] + noisy.rows[:1]), {})
    assert Summary.of(content).xs == [0.2, None]
    without = summarise(replace(noisy, rows=noisy.rows[:2]), {})
    assert Summary.of(without).xs == []


def test_what_has_no_x_stands_beside_the_numbers() -> None:
    assert pictures.positions([None, 0.2, 0.4]) == [0.0, 0.2, 0.4]
    assert pictures.positions([0.25, 0.5, None]) == [0.25, 0.5, 0.75]
    assert pictures.positions([None, 3]) == [2.0, 3.0]
    assert pictures.positions([None, "a", 2]) == [0.0, 1.0, 2.0]
    assert pictures.positions([0.1, 0.3]) == [0.1, 0.3]
    assert pictures.positions([True, None]) == [0.0, 1.0]


# -- views ---------------------------------------------------------------------------------------------------


@pytest.fixture
def viewed(made: Any, tmp_path: Path) -> tuple[Plan, Path]:
    """Two tuners with 1 and with 2 views, as a study that began with 1 view alone."""
    plan = made.make_plan(
        (), (), ("mlp", "nmtune"), 2, report=ReportSpec("", "tuner", PANELS, "accuracy", "mlp")
    )
    first = made.make_records(plan, groups=4, dim=4)
    rows = tuple(replace(row, views=views, views_vary=True) for views in (1, 2) for row in plan.rows)
    wider = replace(plan, rows=rows)
    later = made.make_records(wider, groups=4, dim=4)
    records = {key: first.get(key, record) for key, record in later.items()}
    return wider, made.write_study(tmp_path / "viewed", wider, records)


def test_rows_are_compared_at_equal_views(viewed: tuple[Plan, Path]) -> None:
    plan, folder = viewed
    with Store(folder / "study.sqlite", create=False) as store:
        content = summarise(plan, store.records(terms=True))
    value = {
        (r["line"], r["axes"]["views"]): r["numbers"]["accuracy"]["in"]["value"] for r in content["rows"]
    }
    assert len(value) == 4
    single = {
        c["axes"]["views"]: c["difference"]
        for c in content["comparisons"]
        if c["axes"] and c["panel"] == "in"
    }
    assert single == {v: pytest.approx(value["nmtune", v] - value["mlp", v]) for v in ("fixed:1", "fixed:2")}
    overall = [c for c in content["comparisons"] if not c["axes"] and c["panel"] == "in"]
    assert [c["over"] for c in overall] == ["2 rows"]
    assert overall[0]["difference"] == pytest.approx(sum(single.values()) / 2)


def test_tables_and_figures_take_views_for_an_axis(viewed: tuple[Plan, Path]) -> None:
    _, folder = viewed
    study = Study(folder)
    assert study.results.axes == ["views", "tuner"]
    text = words(study.table(width=120))
    assert "fixed:1 mlp " in text
    assert "fixed:2 nmtune " in text
    assert (
        "Fixed views of each item: mlp, nmtune train on 2. They are drawn once: all replicates share them"
        in text
    )
    assert "all replicates share them" in render_report(study)
    assert to_csv(study.results).startswith("data,backbone,views,noise,assess,tuner,loss,")


def test_trials_from_before_the_axis_belong_to_their_rows(viewed: tuple[Plan, Path]) -> None:
    plan, folder = viewed
    study = Study(folder)
    with Store(folder / "study.sqlite", create=False) as store:
        assert sum("views" not in record.axes for record in store.records().values()) == 4
    assert [record.axes for record in study.trials()] == [trial.row.axes() for trial in plan.trials()]
    again = study.against("nmtune")
    assert {c.line: c.over for c in again.results.comparisons if not c.axes} == {"mlp": "2 rows"}
    there = {(c.panel, c.axes["views"]): c.difference for c in study.results.comparisons if c.axes}
    assert there == {
        (c.panel, c.axes["views"]): pytest.approx(-c.difference) for c in again.results.comparisons if c.axes
    }
    assert "fixed:2" in comparisons_to_csv(again.results)
    found = pictures.per_class(study.results, study.trials(extras=True), "recall")
    assert set(found["in"]["0"]) == {"mlp", "nmtune"}


# -- names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (
            ReportSpec(measure="acuracy"),
            (
                r"^report, measure: no trial has the measure 'acuracy'\. Did you mean 'accuracy'\? Possible:"
                r" accuracy, worst-1, sve\. "
            ),
        ),
        (
            ReportSpec(panels={"in": ("test",), "out": ("test:blur", "test:blurr")}),
            (
                r"^report, panels: no trial has the test set 'test:blurr'\. Did you mean 'test:blur'\?"
                r" Possible: test, test:blur, "
            ),
        ),
    ],
)
def test_a_name_that_no_trial_has_is_refused(
    made: Any, noisy: Plan, report: ReportSpec, message: str
) -> None:
    plan = replace(noisy, report=report)
    records = made.make_records(plan, groups=4, extras=False)
    with pytest.raises(RecipeError, match=message):
        summarise(plan, records)
    failed = {key: replace(record, error="NaN", measures=()) for key, record in records.items()}
    assert summarise(plan, failed)["rows"], "where nothing could be trained, that is what has to be told"
    one = next(iter(records))
    with pytest.raises(RecipeError, match=message):
        summarise(plan, failed | {one: records[one]})


# -- nothing to compare with ---------------------------------------------------------------------------------


def test_what_there_is_nothing_to_compare_with_is_said_in_one_line(made: Any, noisy: Plan) -> None:
    def caption(**changes: Any) -> list[str]:
        content = made.summary_of(
            {(0, 0, "mlp"): {"in": made.number(0.5)}, (0, 0, "nmtune"): {"in": made.number(0.5)}}, **changes
        )
        return [line for line in render(content, width=200).splitlines() if line.startswith("No ")]

    advice = ["No do-nothing row: add --tuner idle."]
    assert caption() == []
    assert caption(advice=advice) == advice
    assert caption(baseline="") == ["No baseline: add -s report.baseline=NAME."]
    assert caption(baseline="", advice=advice) == [
        "No do-nothing row: add --tuner idle. No baseline: add -s report.baseline=NAME."
    ]
    alone = made.summary_of({(0, 0, "mlp"): {"in": made.number(0.5)}}, baseline="")
    assert "No baseline: add a second tuner and -s report.baseline=NAME." in render(alone, width=200)
    assert summarise(replace(noisy, advice=("No do-nothing row.",)), {})["advice"] == ["No do-nothing row."]


def test_a_baseline_that_is_asked_for_later_is_one(study: Callable[..., Path]) -> None:
    opened = Study(study(plain=True))
    assert "No baseline:" in opened.table()
    assert "No baseline:" not in opened.against("mlp").table()
