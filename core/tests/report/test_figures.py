"""What is drawn: the numbers behind the figures, read back from the axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from burnish.report import figures, pictures
from burnish.report.study import Study
from burnish.report.style import LINES, THEMES, looks, ramp
from burnish.report.summary import Summary


def dots(figure: Figure) -> list[tuple[float, float]]:
    """Return the positions of all markers."""
    return [
        (float(x), float(y))
        for line in figure.axes[0].lines
        if line.get_marker() not in ("None", "")
        for x, y in zip(*line.get_data(), strict=True)
    ]


def test_rows_that_share_an_x_are_points_and_the_line_is_their_mean(made: Any) -> None:
    cells = {
        (x, seed, t): {"in": made.number(0.5 + x + seed / 10)}
        for x in (0, 0.3)
        for seed in (0, 1)
        for t in ("mlp", "linear")
    }
    picture = figures.along_x(Summary.of(made.summary_of(cells)), ["in"], wide=True)[0]
    assert sorted(round(y, 6) for _, y in dots(picture.figure)) == [50, 50, 60, 60, 80, 80, 90, 90]
    mean = picture.figure.axes[0].lines[0]
    assert [round(float(y), 6) for y in mean.get_ydata()] == [55, 85]
    assert list(picture.figure.axes[0].get_xticks()) == [0, 0.3]


def test_an_interval_is_a_bar(made: Any) -> None:
    cells = {(x, 0, "mlp"): {"in": made.number(0.5, 0.4, 0.7)} for x in (0, 0.3)}
    axes = figures.along_x(Summary.of(made.summary_of(cells)), ["in"], wide=True)[0].figure.axes[0]
    bars = [
        line.get_ydata()
        for line in axes.lines
        if len(set(line.get_xdata())) == 1 and len(line.get_xdata()) == 2
    ]
    assert [[round(float(y), 6) for y in bar] for bar in bars] == [[40, 70], [40, 70]]


def test_a_line_far_below_is_told_in_words_and_the_same_in_every_picture(made: Any) -> None:
    values = {"nothing": (0.1, 0.1), "linear": (0.7, 0.4), "mlp": (0.75, 0.45)}
    cells = {
        (x, 0, t): {"in": made.number(a), "out": made.number(b)}
        for t, (a, b) in values.items()
        for x in (0, 0.3)
    }
    drawn = [
        picture.figure.axes[0]
        for picture in figures.along_x(Summary.of(made.summary_of(cells)), ["in", "out"], wide=False)
    ]
    for axes in drawn:
        assert min(y for _, y in dots(axes.figure)) > axes.get_ylim()[0] > 20
        assert [text.get_text() for text in axes.texts] == ["↓ below: nothing 10.0 to 10.0"]
    assert len({round(axes.get_ylim()[1] - axes.get_ylim()[0], 6) for axes in drawn}) == 1, "the same scale"


def test_words_may_be_an_x(made: Any) -> None:
    cells = {(name, 0, "mlp"): {"in": made.number(0.5)} for name in ("small", "large", "$x^2")}
    axes = figures.along_x(Summary.of(made.summary_of(cells)), ["in"], wide=False)[0].figure.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["small", "large", "$x^2"]
    assert list(axes.get_xticks()) == [0, 1, 2]


def test_differences_keep_zero_and_room(made: Any) -> None:
    compared = [
        made.difference(n, "in", v, v - 0.01, v + 0.01)
        for n, v in (("nothing", -0.6), ("linear", -0.02), ("nmtune", 0.03))
    ]
    cells = {(0, 0, t): {"in": made.number(0.5)} for t in ("nothing", "linear", "mlp", "nmtune")}
    axes = figures.differences(Summary.of(made.summary_of(cells, comparisons=compared)))[0].figure.axes[0]
    low, high = axes.get_xlim()
    assert low < 0 < high
    assert low > -10
    assert [text.get_text() for text in axes.texts] == ["← \u221260.0"]


def test_rows_far_below_leave_room_for_the_others(made: Any) -> None:
    values = {"nothing": 0.1, "linear": 0.9, "mlp": 0.92}
    cells = {
        (0, seed, t): {"in": made.number(v, v - 0.01, v + 0.01)}
        for seed in range(3)
        for t, v in values.items()
    }
    axes = figures.by_row(Summary.of(made.summary_of(cells, x="")))[0].figure.axes[0]
    assert axes.get_xlim()[0] > 85
    assert [text.get_text() for text in axes.texts] == ["← 10.0"] * 3
    assert len(axes.get_yticks()) == 9


def test_curves_are_means_by_x_for_the_backbone_and_by_line_for_the_tuner(made: Any) -> None:
    plan = made.make_plan(noises=(0, 0.3), seeds=(0, 1), tuners=("linear", "mlp", "nmtune"), replicates=2)
    records = made.make_records(plan, groups=3, dim=6)
    cells = {
        (n, s, t): {"in": made.number(0.5), "out": made.number(0.4)}
        for n in (0, 0.3)
        for s in (0, 1)
        for t in ("linear", "mlp", "nmtune")
    }
    found = pictures.curves(Summary.of(made.summary_of(cells)), list(records.values()))
    assert [(c.name, c.panel, list(c.lines)) for c in found] == [
        ("spectrum", "in", ["0", "0.3"]),
        ("spectrum", "out", ["0", "0.3"]),
        ("tuner-spectrum", "in", ["mlp", "nmtune"]),
        ("tuner-spectrum", "out", ["mlp", "nmtune"]),
    ]
    mine = [
        c["y"]
        for r in records.values()
        if "noise=0.3" in r.axes["backbone"]
        for c in r.curves
        if (c["name"], c["split"]) == ("spectrum", "test")
    ]
    assert list(found[0].lines["0.3"][1]) == pytest.approx(
        [sum(ys) / len(ys) for ys in zip(*mine, strict=True)]
    )


def test_classes_are_means_over_rows_replicates_and_splits(made_study: Path) -> None:
    opened = Study(made_study)
    records = opened.trials(extras=True)
    found = pictures.per_class(opened.results, records, "recall")
    slow = [
        table["columns"]["recall"][table["columns"]["class"].index("3")]
        for record in records
        if record.axes["tuner"] == "mlp"
        for table in record.tables
        if table["split"].startswith("test:")
    ]
    assert found["out"]["3"]["mlp"] == pytest.approx(sum(slow) / len(slow))
    assert list(found["in"]) == list("0123456789")


def test_seconds_are_per_trial(made_study: Path) -> None:
    opened = Study(made_study)
    mine = [record.seconds for record in opened.trials() if record.axes["tuner"] == "linear"]
    assert pictures.seconds(opened.results)["linear"] == pytest.approx(sum(mine) / len(mine))


def test_no_state_of_matplotlib_is_kept(made_study: Path) -> None:
    before = {key: repr(dict.__getitem__(mpl.rcParams, key)) for key in mpl.rcParams}
    summary = Study(made_study).results
    figures.along_x(summary, ["in"], wide=False)
    assert {key: repr(dict.__getitem__(mpl.rcParams, key)) for key in mpl.rcParams} == before


def _light(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_stands_out_from_its_background(theme: str) -> None:
    colours = THEMES[theme]
    for name, least in [
        ("--ink", 7.0),
        ("--muted", 4.5),
        *((f"--c{i}", 3.0) for i in range(len(LINES))),
        *((f"--r{i}", 2.5) for i in range(6)),
    ]:
        high, low = sorted((_light(colours[name]), _light(colours["--paper"])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= least, name


def test_looks_differ() -> None:
    many = looks([str(i) for i in range(24)])
    assert len({(look.colour, str(look.dashes)) for look in many.values()}) == 24
    assert len(set(ramp(6))) == 6
    assert len(ramp(40)) == 40
    assert ramp(1) == ramp(6)[:1]
    assert ramp(0) == []
