"""Paired differences against a slow second implementation: loops over rows, replicates and test groups."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from burnish.engine.jobs.compare import Compared, compare
from burnish.engine.jobs.statistics import Bootstrap, Ratio
from burnish.notation.part_text import called


def row(labels: dict[str, str], values: list[float], draws: object = None) -> Compared:
    array = np.full(200, np.nanmean(values)) if draws is None else np.asarray(draws)
    return Compared(labels, {"in": values}, {"in": array}, {"in": 1_000})


def labels(tuner: str, backbone: str = "b", loss: str = "ce") -> dict[str, str]:
    return {"backbone": backbone, "tuner": tuner, "loss": loss}


def test_differences_are_those_of_loops_over_drawn_replicates_and_groups() -> None:
    rng = np.random.default_rng(0)
    replicates, groups, draws = 4, 6, 300
    right = {
        (tuner, b): rng.integers(0, 11, (replicates, groups)).astype(float)
        for tuner in ("mlp", "new")
        for b in ("b0", "b1")
    }
    boot = Bootstrap(replicates, groups, draws=draws)
    drawn = boot.ratios([Ratio(array, np.full_like(array, 10.0)) for array in right.values()])
    rows = [
        row(labels(*key), (array.sum(1) / 60).tolist(), drawn[:, i])
        for i, (key, array) in enumerate(right.items())
    ]
    found = compare(rows, ["in"], lines="tuner", baseline="mlp")[0]

    by_replicate, by_group = boot._by_replicate, boot._by_unit
    assert by_group is not None
    slow = []
    for draw in range(draws):
        per_backbone = []
        for b in ("b0", "b1"):
            means = {}
            for tuner in ("mlp", "new"):
                total = 0.0
                for r in range(replicates):
                    hits = sum(by_group[draw, g] * right[tuner, b][r, g] for g in range(groups))
                    total += by_replicate[draw, r] * hits / (10 * by_group[draw].sum())
                means[tuner] = total / by_replicate[draw].sum()
            per_backbone.append(means["new"] - means["mlp"])
        slow.append(sum(per_backbone) / 2)
    point = np.mean([right["new", b].mean() - right["mlp", b].mean() for b in ("b0", "b1")]) / 10
    assert found["difference"] == pytest.approx(point)
    assert (found["low"], found["high"]) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))
    tail = min(sum(d <= 0 for d in slow), sum(d >= 0 for d in slow))
    assert found["p"] == pytest.approx(min(1.0, 2 * (1 + tail) / (1 + draws)))


def test_rows_are_paired_by_every_other_label_and_corrected_within_their_table() -> None:
    rows = [
        row(labels(t, b), [v])
        for t, b, v in (
            ("mlp", "b0", 0.5),
            ("mlp", "b1", 0.7),
            ("a", "b0", 0.6),
            ("a", "b1", 0.8),
            ("c", "b1", 0.4),
        )
    ]
    found = compare(rows, ["in"], lines="tuner", baseline="mlp")
    assert [(e["line"], e["over"], e["axes"].get("backbone"), round(e["difference"], 6)) for e in found] == [
        ("a", "2 rows", None, 0.1),
        ("c", "1 row", None, -0.3),
        ("a", "1 row", "b0", 0.1),
        ("a", "1 row", "b1", 0.1),
        ("c", "1 row", "b1", -0.3),
    ]
    least = 2 / 201
    assert [e["p_holm"] for e in found] == pytest.approx(
        [2 * least, 2 * least, 3 * least, 3 * least, 3 * least]
    )
    json.dumps(found, allow_nan=False)


def test_a_tuner_with_its_own_loss_is_compared_with_the_baseline_under_every_loss() -> None:
    rows = [
        row(labels("mlp"), [0.5]),
        row(labels("mlp", loss="gce"), [0.7]),
        row(labels("nothing", loss="own"), [0.1]),
    ]
    found = compare(rows, ["in"], lines="tuner", baseline="mlp")
    assert [(e["line"], round(e["difference"], 6)) for e in found if not e["axes"]] == [("nothing", -0.5)]


def test_rows_without_a_value_are_left_out() -> None:
    rows = [row(labels("mlp", b), [0.5]) for b in ("b0", "b1")] + [
        row(labels("a", "b0"), [0.6]),
        Compared(labels("a", "b1"), {"in": [np.nan]}, {"in": np.full(200, np.nan)}),
    ]
    found = compare(rows, ["in", "out"], lines="tuner", baseline="mlp")
    assert [(e["over"], round(e["difference"], 6)) for e in found if not e["axes"]] == [("1 row", 0.1)]
    assert compare(rows, ["in"], lines="tuner", baseline="absent") == []


@pytest.mark.parametrize(
    ("values", "units", "least"),
    [
        ([0.5] * 10, 0, 2**-9),
        ([0.5] * 3, 0, 0.25),
        ([0.5], 0, 1.0),
        ([0.5] * 2, 5, 2**-4),
        ([0.5], 2, 0.5),
        ([0.5, 0.5, *[math.nan] * 8], 0, 0.5),
    ],
)
def test_few_replicates_and_groups_bound_what_a_p_value_can_say(values, units, least) -> None:
    """All draws differ in one direction: only what was resampled tells how sure that is."""
    made = [
        Compared(
            labels(name), {"in": [v + up for v in values]}, {"in": np.full(9_999, 0.5 + up)}, {"in": units}
        )
        for name, up in (("mlp", 0.0), ("new", 0.1))
    ]
    found = compare(made, ["in"], lines="tuner", baseline="mlp")
    assert [entry["p"] for entry in found] == [least, least]


def test_the_mean_over_rows_says_what_the_row_with_most_groups_can_say() -> None:
    made = [
        Compared(labels(name, b), {"in": [v]}, {"in": np.full(9_999, v)}, {"in": units})
        for name, v in (("mlp", 0.5), ("new", 0.6))
        for b, units in (("b0", 10), ("b1", 2))
    ]
    assert [e["p"] for e in compare(made, ["in"], lines="tuner", baseline="mlp")] == [2**-9, 2**-9, 0.5]


def test_a_baseline_is_named_with_or_without_plugin_and_options() -> None:
    labels = ["basics/mlp:lr=0.1", "linear", "linear:epochs=1", "lift/linear", "mlp:lr=2"]
    assert called("basics/mlp:lr=0.1", labels) == called("basics/mlp", labels) == ["basics/mlp:lr=0.1"]
    assert called("linear", labels) == ["linear"], "an exact label comes first"
    assert called("linear", labels[2:]) == ["linear:epochs=1"], "then the name with its plugin, if any"
    assert called("mlp", labels[:4]) == ["basics/mlp:lr=0.1"]
    assert called("mlp", [*labels, "mlp:lr=3"]) == ["mlp:lr=2", "mlp:lr=3"]
    assert called("basics", labels) == []


def test_the_baseline_is_the_row_of_that_label_and_no_other_of_the_component() -> None:
    rows = [row(labels(t), [v]) for t, v in (("linear", 0.9), ("linear:epochs=1", 0.4), ("nothing", 0.1))]
    found = [e for e in compare(rows, ["in"], lines="tuner", baseline="linear") if not e["axes"]]
    assert [(e["line"], round(e["difference"], 6)) for e in found] == [
        ("linear:epochs=1", -0.5),
        ("nothing", -0.8),
    ]


def test_a_panel_is_the_mean_of_the_test_sets_that_a_row_has():
    """Where data leaves one style out, each row has a test set of its own."""
    from burnish.engine.jobs.summarise import _add_panels, _Drawn
    from burnish.engine.store import StoredMeasure

    def drawn(value: float) -> _Drawn:
        sample = StoredMeasure("accuracy", "test:ink", value, "fraction", "up", 4, "", None)
        return _Drawn([value], np.array([value, value]), "drawn", sample, 4)

    panels = {"in": ("test",), "out": ("test:ink", "test:oil")}
    both = {
        ("accuracy", "test"): drawn(0.9),
        ("accuracy", "test:ink"): drawn(0.2),
        ("accuracy", "test:oil"): drawn(0.4),
    }
    one = {place: number for place, number in both.items() if place[1] != "test:oil"}
    for row in (both, one):
        _add_panels(row, panels)
    assert both["accuracy", "out"].values == pytest.approx([0.3])
    assert both["accuracy", "out"].how == "drawn; mean of 2 test sets"
    assert one["accuracy", "out"].values == [0.2]
    assert one["accuracy", "out"].how == "drawn; mean of 1 of 2 test sets"
    assert one["accuracy", "in"].how == "drawn"
    both["accuracy", "test:oil"] = replace(
        drawn(0.4), draws=np.full(2, np.nan), how="one replicate: no interval"
    )
    del both["accuracy", "out"]
    _add_panels(both, panels)
    assert both["accuracy", "out"].how == "one replicate: no interval; mean of 2 test sets"
    without = {("accuracy", "test"): drawn(0.9)}
    _add_panels(without, panels)
    assert ("accuracy", "out") not in without
