"""Ranks of tuners over everything else that a study varies."""

import math

import pytest

from burnish.contracts.study import StudyMeasures, StudyRow
from burnish.errors import ConfigError
from burnish_basics._summaries import RankConfig
from burnish_basics.summaries import Rank


def row(tuner, data, *values, loss="ce", measure="accuracy", panel="test"):
    return StudyRow({"data": data, "tuner": tuner, "loss": loss}, {}, {(measure, panel): values})


def table(rows, *, better="up", **options):
    study = StudyMeasures(rows, {"accuracy": better}, "accuracy", {"test": ("test",)})
    (found,) = Rank(RankConfig(**options)).summarise(study).tables
    assert (found.name, found.split) == ("rank by accuracy", "test")
    return found.columns


ROWS = [
    row("a", "x", 0.9, 0.8),
    row("b", "x", 0.5, 0.8),
    row("c", "x", 0.1, 0.1),
    row("a", "y", 0.2, math.nan),
    row("b", "y", 0.4, 0.5),
    row("c", "y", 0.3, 0.4),
]


def test_ranks_are_averaged_over_data_and_replicates_that_all_have():
    # x, first: 1 2 3; x, second: 1.5 1.5 3; y, first: 3 1 2; y, second lacks a.
    assert table(ROWS) == {
        "tuner": ["a", "b", "c"],
        "mean rank": [pytest.approx(5.5 / 3), pytest.approx(4.5 / 3), pytest.approx(8 / 3)],
        "best in": [2, 2, 0],
        "blocks": [3, 3, 3],
    }


def test_where_less_is_better_the_least_is_first():
    assert table(ROWS, better="down")["best in"] == [1, 0, 2]


def test_a_tuner_with_its_own_loss_is_ranked_under_every_loss():
    rows = [
        row("a", "x", 0.9, loss="own"),
        row("b", "x", 0.5, loss="ce"),
        row("b", "x", 0.95, loss="gce"),
    ]
    assert table(rows)["mean rank"] == [1.5, 1.5]
    assert table(rows)["blocks"] == [2, 2]


def test_another_axis_can_be_ranked():
    assert table(ROWS[:2] + ROWS[3:5], of="data")["mean rank"] == [1.0, 2.0]


def test_without_a_common_block_nothing_is_ranked():
    columns = table([row("a", "x", 0.9), row("b", "y", 0.5)])
    assert columns["blocks"] == [0, 0]
    assert all(math.isnan(value) for value in columns["mean rank"])


def test_a_single_value_has_no_rank():
    study = StudyMeasures([row("a", "x", 0.9)], {"accuracy": "up"}, "accuracy", {"test": ("test",)})
    assert Rank(RankConfig()).summarise(study).tables == ()


def test_a_measure_that_no_trial_has_is_told():
    with pytest.raises(ConfigError, match=r"no trial has the measure 'acuracy'\. Possible: accuracy"):
        table(ROWS, measure="acuracy")
