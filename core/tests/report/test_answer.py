"""The answer in words: what is claimed, and what is not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from burnish.report.answer import answer, joined, some
from burnish.report.summary import Difference, Summary


def said(made: Any, values: dict[str, float], comparisons: list[Any] | None = None, **other: Any) -> str:
    better = other.pop("better", "up")
    unit = other.pop("unit", "fraction")
    rows = {
        (x, 0, tuner): {"in": made.number(value - x / 10, 0.0, 1.0, better=better, unit=unit)}
        for tuner, value in values.items()
        for x in (0, 0.3)
    }
    return " ".join(answer(Summary.of(made.summary_of(rows, comparisons=comparisons or [], **other))))


def test_a_difference_that_excludes_zero_is_said(made: Any) -> None:
    text = said(made, {"mlp": 0.8, "nmtune": 0.9}, [made.difference("nmtune", "in", 0.1, 0.05, 0.15, 0.004)])
    assert "`nmtune` has the highest mean over all rows: 88.5 points in “in”." in text
    assert (
        "In “in”, `nmtune` is higher than `mlp` (+10.0 points, 95 % interval [+5.0, +15.0], corrected p"
        " 0.004)." in text
    )
    assert (
        "From `backbone.noise` 0 to 0.3, in “in” `nmtune` goes from 90.0 to 87.0 and `mlp` from 80.0 to 77.0."
        in text
    )


def test_words_on_the_axis_are_no_way_from_one_to_the_other(made: Any) -> None:
    rows = {
        (x, 0, tuner): {"in": made.number(value)}
        for tuner, value in (("mlp", 0.8), ("nmtune", 0.9))
        for x in ("solid", "sketch")
    }
    text = " ".join(answer(Summary.of(made.summary_of(rows))))
    assert "has the highest mean" in text
    assert "From" not in text


@pytest.mark.parametrize(("low", "high", "p"), [(-0.05, 0.15, 0.3), (0.01, 0.15, 0.06), (-0.15, 0.0, 0.01)])
def test_a_difference_that_may_be_chance_is_never_called_one(
    made: Any, low: float, high: float, p: float
) -> None:
    text = said(made, {"mlp": 0.8, "nmtune": 0.9}, [made.difference("nmtune", "in", 0.1, low, high, p)])
    assert "`nmtune` and `mlp` cannot be told apart" in text
    assert "higher than" not in text
    assert "lower than" not in text


def test_a_difference_without_an_interval_is_no_tie(made: Any) -> None:
    nothing = (math.nan, math.nan, math.nan)
    text = said(
        made,
        {"mlp": 0.8, "a": 0.9, "b": 0.1},
        [made.difference("a", "in", 0.1, *nothing), made.difference("b", "in", -0.7, *nothing)],
    )
    assert (
        "In “in”, `a` is +10.0 points from `mlp`, with no interval to judge it by; for `b` there is no"
        " interval of the difference." in text
    )
    assert "told" not in text


def test_a_baseline_that_is_best_is_said_and_the_others_are_placed(made: Any) -> None:
    compared = [
        made.difference(n, "in", -0.1, low, high)
        for n, low, high in (("a", -0.2, -0.01), ("b", -0.2, 0.1), ("c", -0.3, -0.1))
    ]
    text = said(made, {"mlp": 0.9, "a": 0.8, "b": 0.8, "c": 0.7}, compared)
    assert "`mlp` has the highest mean" in text
    assert "`a` and `c` are lower than `mlp`; `b` cannot be told from `mlp`" in text


def test_a_mean_that_hides_opposite_differences_says_so(made: Any) -> None:
    rows = [
        made.difference("a", "in", v, v - 0.02, v + 0.02, 0.01, backbone=b)
        for v, b in ((0.1, "x"), (0.1, "y"), (-0.1, "z"), (0.0, "w"))
    ]
    text = said(made, {"mlp": 0.8, "a": 0.7}, [made.difference("a", "in", 0.0, -0.02, 0.02, 0.9), *rows])
    assert (
        "`a` cannot be told from `mlp`; row by row, `a` is higher than `mlp` in 2 and lower in 1 of 4 rows."
        in text
    )


def test_lower_may_be_better_and_no_direction_has_no_best(made: Any) -> None:
    assert "`a` has the lowest mean over all rows: 0.485 nats" in said(
        made, {"mlp": 0.8, "a": 0.5}, better="down", unit="nats"
    )
    assert "highest" not in said(made, {"mlp": 0.8, "a": 0.5}, better="none", unit="nats")


def test_panels_with_different_leaders_are_told_apart(made: Any) -> None:
    rows = {
        (0, 0, t): {"in": made.number(a), "out": made.number(b)}
        for t, a, b in (("mlp", 0.9, 0.5), ("nmtune", 0.8, 0.6))
    }
    text = " ".join(answer(Summary.of(made.summary_of(rows))))
    assert (
        "depends on the test data: in “in” it is `mlp` (90.0 points) and in “out” it is `nmtune` (60.0"
        " points)" in text
    )


def test_incomplete_lines_are_not_ranked(made: Any) -> None:
    rows = {(x, 0, t): {"in": made.number(v)} for t, v in (("mlp", 0.5), ("nmtune", 0.9)) for x in (0, 0.3)}
    summary = made.summary_of(rows)
    summary["rows"][-1]["numbers"] = {}
    summary["rows"][-1]["errors"] = ["loss became NaN"]
    text = " ".join(answer(Summary.of(summary)))
    assert "`mlp` has the highest mean" in text
    assert "`nmtune`: not every row has a value, so no mean over all rows is given." in text


def test_one_row_is_told_by_its_numbers(made: Any) -> None:
    text = " ".join(
        answer(Summary.of(made.summary_of({(0, 0, "mlp"): {"in": made.number(0.5, 0.4, 0.6)}}, x="")))
    )
    assert (
        text
        == "One tuner: 1 row, 2 replicates each, measured by `accuracy`. `mlp`: 50.0 [40.0, 60.0] points in"
        " “in”, with 95 % intervals."
    )
    assert answer(Summary.of(made.summary_of({}))) == []


def test_lists_in_words() -> None:
    assert [joined(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert some([str(i) for i in range(9)]) == "0, 1, 2, 3 and 5 more"


def test_verdicts(made: Any) -> None:
    def verdict(low: float, high: float, p: float) -> str:
        return Difference.of(made.difference("a", "in", 0.0, low, high, p)).verdict

    assert verdict(0.1, 0.2, 0.01) == "above"
    assert verdict(-0.2, -0.1, 0.01) == "below"
    assert [verdict(0.1, 0.2, 0.05), verdict(-0.1, 0.2, 0.01), verdict(0.0, 0.2, 0.01)] == ["open"] * 3
    assert verdict(math.nan, math.nan, math.nan) == "unknown"
