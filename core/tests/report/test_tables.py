"""Tables: what they say exactly, how wide they are, what spreadsheet or markdown readers make of them."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import RecipeError
from burnish.report.exports import to_csv, write_csv
from burnish.report.sheet import Column, Section, Sheet, columns_of, to_markdown, to_text
from burnish.report.study import Study
from burnish.report.summary import Summary, options_of, without_option
from burnish.report.tables import render

NUMERIC = {"device": "cpu", "dtype": "float32", "threads": 2, "torch": "2.15.0"}
CHOICES = {
    "k": {
        "text": "mlp",
        "options": {"tuner.lr": 0.001},
        "candidates": [{"options": {"tuner.lr": lr}, "value": 0.5, "error": ""} for lr in (3e-4, 1e-3)],
    }
}

TWO_SEEDS = """\
demo

accuracy in points (%), mean of 2 replicates

              backbone.noise
tuner             0      0.3
──────  ───────────  ───────
in: test
  mlp     81.2 80.4   70.0 -
  best  100.0 100.0  0.0 0.1
"""


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_several_rows_in_a_cell_are_points_without_an_interval(made: Any) -> None:
    n = made.number
    cells = {
        (0, 0, "mlp"): {"in": n(0.812, 0.79, 0.83)},
        (0, 1, "mlp"): {"in": n(0.804, 0.78, 0.82)},
        (0.3, 0, "mlp"): {"in": n(0.7, 0.6, 0.8)},
        (0.3, 1, "mlp"): {"in": n(math.nan, note="no test item")},
        (0, 0, "best"): {"in": n(1.0)},
        (0, 1, "best"): {"in": n(0.9999)},
        (0.3, 0, "best"): {"in": n(-0.0001)},
        (0.3, 1, "best"): {"in": n(0.0009)},
    }
    text = render(made.summary_of(cells), width=80, name="demo")
    assert text.startswith(TWO_SEEDS)
    assert "- : not defined, or no trial of it could be trained (no test item)" in text
    assert "one for each backbone seed, without an interval" in " ".join(text.split())


def test_one_row_in_a_cell_has_its_interval(made: Any) -> None:
    cells = {(0, 0, "mlp"): {"in": made.number(0.812, 0.79, 0.83), "out": made.number(0.5, 0.4, 0.7)}}
    text = render(made.summary_of(cells), width=80)
    assert "81.2 ±2.0" in text
    assert "50.0 ±15.0" in text
    assert "out: mean of 2 test sets (blur, noise)" in text
    assert "After ± stands half of an interval's width." in " ".join(text.split())


def test_without_x_every_row_has_its_axes_and_its_interval(made: Any) -> None:
    cells = {
        (0, seed, tuner): {"in": made.number(0.5 + seed / 10, 0.4, 0.7), "out": made.number(0.2)}
        for seed in (0, 1)
        for tuner in ("mlp", "linear")
    }
    text = render(made.summary_of(cells, x=""), width=80)
    assert "backbone             tuner                  in   out\n" in text
    assert "tiny:noise=0,seed=0  mlp     50.0 [40.0, 70.0]  20.0\n" in text
    assert "signs" not in text, "an axis that does not vary is no column"


def test_units_are_shown_as_they_are_read(made: Any) -> None:
    def cell(value: float, unit: str) -> str:
        text = render(made.summary_of({(0, 0, "mlp"): {"in": made.number(value, unit=unit)}}), width=80)
        return next(line for line in text.splitlines() if line.startswith("  mlp")).split(maxsplit=1)[1]

    assert cell(0.12345, "fraction") == "12.3"
    assert cell(1.23456, "nats") == "1.235"
    assert cell(1234, "count") == "1,234"
    assert cell(1_234_567, "B") == "1.2 MB"
    assert cell(12.34, "s") == "12.3"
    assert cell(0.000123456, "1") == "0.0001235"
    assert cell(math.nan, "fraction") == "-"


def test_comparison_tuning_and_caption(made: Any) -> None:
    compared = [
        made.difference("nmtune", "in", 0.0042, -0.001, 0.009, 0.2),
        made.difference("linear", "in", -0.03, -0.04, -0.02, 0.0002),
    ]
    cells = {
        (x, s, t): {"in": made.number(0.5, 0.4, 0.6)}
        for x in (0, 0.3)
        for s in (0, 1)
        for t in ("mlp", "nmtune", "linear")
    }
    text = render(
        made.summary_of(cells, comparisons=compared),
        width=100,
        choices=CHOICES,
        numeric=NUMERIC,
        notes=[("bad item", "photos/1.jpg: truncated")],
    )
    assert "nmtune  2 rows        +0.4   [-0.1, +0.9]     0.200" in text
    assert "linear  2 rows        -3.0   [-4.0, -2.0]    <0.001" in text
    assert "mlp    lr=0.0003 lr=0.001  lr=0.001" in text
    words = " ".join(text.split())
    assert "95 % percentile bootstrap over 2 replicates and 30 test groups together, 10,000 draws" in words
    assert "how much another pre-training would change them is not in the interval" in words
    assert "Options were chosen on validation, labels as observed (noise and all): 2 settings each." in words
    assert "Numeric mode: cpu, float32, 2 threads, torch 2.15.0." in words
    assert "bad item: photos/1.jpg: truncated" in words


@pytest.mark.parametrize("width", [80, 100])
def test_the_whole_study_fits_a_terminal(whole: dict[str, Any], width: int) -> None:
    text = render(whole, width=width, choices=CHOICES, numeric=NUMERIC)
    assert max(map(columns_of, text.splitlines())) <= width
    head = next(line for line in text.splitlines() if line.startswith("tuner"))
    assert head.split() == ["tuner", "0", "0.05", "0.1", "0.2", "0.3"], "all columns stand beside each other"


def test_columns_that_do_not_fit_stand_below_with_their_row_names_again() -> None:
    sheet = Sheet(
        "s",
        "t",
        (Column("name", numeric=False), *(Column(f"c{i}") for i in range(8))),
        (Section("", (("row", *(["123.45"] * 8)),)),),
    )
    text = to_text(sheet, 40)
    assert max(map(len, text.splitlines())) <= 40
    assert [line.split() for line in text.splitlines() if line.startswith("row")] == [
        ["row", *["123.45"] * 4],
        ["row", *["123.45"] * 4],
    ]


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4), st.integers(40, 120))
def test_no_label_makes_a_table_too_wide_or_breaks_its_lines(labels: list[str], width: int) -> None:
    sheet = Sheet(
        "s",
        labels[0],
        (Column("name", numeric=False), Column("x")),
        (Section(labels[-1], tuple((label, "1.0") for label in labels)),),
    )
    lines = to_text(sheet, width).split("\n")
    assert max(map(columns_of, lines)) <= width
    assert all(c.isprintable() for line in lines for c in line), "no escape sequence reaches the terminal"
    assert sum(line.endswith("1.0") for line in lines) >= len(labels)


def test_markdown_shows_labels_as_they_are(made: Any) -> None:
    text = render(made.summary_of({(0, 0, "a|b*c<d>`e`"): {"in": made.number(0.5)}}), format="markdown")
    assert r"| a\|b\*c\<d\>\`e\` | 50.0 |" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "| tuner | 0 |"
    assert rows[1] == "| --- | ---: |"
    assert to_markdown(Sheet("s", "t", (Column("a"),), ())).startswith("**t**")


def test_csv_has_a_line_per_row_measure_and_split(whole: dict[str, Any]) -> None:
    lines = read(render(whole, format="csv"))
    places = {(name, place) for row in whole["rows"] for name, at in row["numbers"].items() for place in at}
    assert len(lines) == len(whole["rows"]) * len(places)
    first, number = lines[0], whole["rows"][0]["numbers"]["accuracy"]["test"]
    line = next(line for line in lines if line["measure"] == "accuracy" and line["split"] == "test")
    assert first["tuner"] == "nothing"
    assert float(line["value"]) == number["value"]
    assert [float(line[f"replicate_{r}"]) for r in range(3)] == number["values"]
    assert (float(line["low"]), float(line["high"]), int(line["n"])) == (
        number["low"],
        number["high"],
        number["n"],
    )


def test_a_spreadsheet_runs_nothing(made: Any) -> None:
    labels = [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "  =1",
        "\uff1d1+1",
        "-0.5",
        "plain",
        "1e-3",
    ]
    cells = {(-0.5, i, label): {"in": made.number(-0.25)} for i, label in enumerate(labels)}
    lines = read(to_csv(Summary.of(made.summary_of(cells))))
    assert [line["tuner"] for line in lines] == [
        "'=1+1",
        "'+cmd|' /C calc'!A0",
        "'-2+3",
        "'@SUM(A1)",
        "'=1",
        "'=1",
        "'\uff1d1+1",
        "-0.5",
        "plain",
        "1e-3",
    ]
    assert {line["value"] for line in lines} == {"-0.25"}, "a negative number stays a number"
    assert {line["backbone.noise"] for line in lines} == {"-0.5"}


@given(st.text(max_size=30))
def test_no_text_becomes_a_formula(text: str) -> None:
    cell = next(csv.reader(io.StringIO(write_csv([[text, "end"]]))))[0]
    assert not cell.startswith(("=", "@", "\t", "\r"))
    if cell.startswith(("+", "-")):
        float(cell)


def test_json_has_everything_and_no_nan(made: Any) -> None:
    summary = made.summary_of(
        {(0, 0, "mlp"): {"in": made.number(math.nan)}},
        comparisons=[made.difference("a", "in", 0.1, 0.05, 0.2)],
    )
    content = json.loads(
        render(
            summary, format="json", choices=CHOICES, numeric=NUMERIC, notes=[("warning", "w")], name="demo"
        )
    )
    assert content["rows"][0]["numbers"]["accuracy"]["in"]["value"] is None
    assert content["comparisons"][0]["verdict"] == "above"
    assert content["tuning"][0]["options"] == {"tuner.lr": 0.001}
    assert content["notes"] == [{"kind": "warning", "text": "w"}]
    assert content["numeric"] == NUMERIC


def test_failures_are_listed(made: Any) -> None:
    summary = made.summary_of(
        {(0, 0, "mlp"): {"in": made.number(0.5, values=[0.5, math.nan])}, (0, 0, "linear"): {}}
    )
    summary["rows"][1]["errors"] = ["loss became NaN at step 3"]
    text = render(summary, width=80)
    assert "Trials that could not be trained" in text
    assert "linear  loss became NaN at step 3" in text
    assert "1 of these numbers lacks some replicates" in text
    assert next(line for line in text.splitlines() if line.startswith("  linear")).split() == ["linear", "-"]


def test_another_measure_or_panel(made_study: Path) -> None:
    summary = Study(made_study).results
    view = summary.viewed("worst-1", ["out", "test:blur"])
    assert (view.measure, list(view.panels), view.comparisons) == ("worst-1", ["out", "test:blur"], ())
    assert {line["measure"] for line in read(to_csv(view))} == {"worst-1"}
    assert {line["split"] for line in read(to_csv(view))} == {"out", "test:blur"}
    with pytest.raises(
        RecipeError,
        match=r"unknown measure 'acuracy'. Did you mean 'accuracy'\? Possible: accuracy, worst-1, sve",
    ):
        summary.viewed("acuracy")
    with pytest.raises(RecipeError, match=r"unknown split or panel 'test:blurr'. Did you mean 'test:blur'\?"):
        summary.viewed("", ["test:blurr"])
    with pytest.raises(RecipeError, match=r"unknown format 'xml'. Possible: text, markdown, csv, json"):
        render(summary, format="xml")


def test_lines_take_up_axes_that_vary_within_them_alone(made: Any) -> None:
    summary = made.summary_of(
        {(0, 0, tuner): {"in": made.number(0.5)} for tuner in ("nothing", "mlp", "linear")}
    )
    for row, loss in zip(summary["rows"], ("own", "ce", "ce"), strict=True):
        row["axes"]["loss"] = loss
    assert Summary.of(summary).all_series == ["nothing", "mlp", "linear"]
    other = json.loads(json.dumps(summary["rows"][1]))
    other["axes"]["loss"] = "gce:q=0.7"
    assert Summary.of({**summary, "rows": [*summary["rows"], other]}).all_series == [
        "nothing, loss own",
        "mlp, loss ce",
        "linear, loss ce",
        "mlp, loss gce:q=0.7",
    ]


def test_without_x_lines_are_means_over_all_rows(made: Any) -> None:
    summary = Summary.of(
        made.summary_of(
            {(0, seed, t): {"in": made.number(0.5)} for seed in (0, 1) for t in ("mlp", "linear")}, x=""
        )
    )
    assert summary.all_series == ["mlp", "linear"]
    assert summary.axes == ["backbone", "tuner"]


def test_x_may_be_an_option_of_the_lines(made: Any) -> None:
    summary = made.summary_of(
        {(lr, 0, f"mlp:lr={lr},width=8"): {"in": made.number(0.5)} for lr in (0.1, 0.2)}, x="tuner.lr"
    )
    for row in summary["rows"]:
        row["axes"]["backbone"] = "tiny"
    view = Summary.of(summary)
    assert view.all_series == ["mlp:width=8"]
    assert view.xs == [0.1, 0.2]
    assert without_option("mlp:lr=0.1", "lr") == "mlp"
    assert options_of("a/b:x=[1, 2],y='q,r'") == {"x": "[1, 2]", "y": "'q,r'"}


def test_a_panel_of_test_sets_of_which_each_row_has_one(made: Any) -> None:
    splits = ("test:blur", "test:noise")
    rows = {
        (0, 0, tuner): {"out": made.number(0.5), split: made.number(0.5)}
        for tuner, split in zip(("mlp", "linear"), splits, strict=True)
    }
    assert "out: mean of a row's test sets among blur, noise" in render(Summary.of(made.summary_of(rows)))
    both = {key: numbers | {split: made.number(0.5) for split in splits} for key, numbers in rows.items()}
    assert "out: mean of 2 test sets (blur, noise)" in render(Summary.of(made.summary_of(both)))
