"""What `burnish predict` writes, against lines written by hand."""

import json

import numpy as np
import pytest

from burnish.contracts import NewItem
from burnish.contracts.scores import Scores
from burnish.data import Classes
from burnish.engine.predict.loaded import ScoredCell
from burnish.report.predictions import Layout, answers, written

CLASSES = Classes.of(["cat", "dog", "=fox"])


def cell(values, names, activation="softmax", meaning="probabilities", bad=None):
    items = [NewItem(name, lambda: None) for name in names]
    good = tuple(place for place in range(len(names)) if place not in (bad or {}))
    return ScoredCell(
        items,
        good,
        Scores(meaning, np.array(values, dtype=np.float32).reshape(-1, 3), CLASSES, activation),
        bad or {},
    )


ONE = [[0.5, 0.25, 0.25], [0.125, 0.0, 0.875]]
MANY = [[0.75, 0.5, 0.0], [0.25, 0.25, 0.125]]


def text(layout, *cells):
    return "".join(written(cells, CLASSES, layout))


def test_csv_by_hand():
    assert (
        text(Layout(), cell(ONE, ["a  b.png", "+b.png"]))
        == "item,prediction,confidence,p:cat,p:dog,p:=fox\na "
        " b.png,cat,0.5,0.5,0.25,0.25\n'+b.png,'=fox,0.875,0.125,0,0.875\n"
    )
    layout = Layout(top=2, min_confidence=0.6, reasons=True)
    assert (
        text(layout, cell(ONE, ["a", "b", "c"], bad={1: "it, is\nbroken"}))
        == "item,prediction,confidence,abstained,error,class_1,p_1,class_2,p_2\n"
        "a,,0.5,true,,cat,0.5,dog,0.25\n"
        'b,,,false,"it, is\nbroken",,,,\n'
        "c,'=fox,0.875,false,,'=fox,0.875,cat,0.125\n"
    )


@pytest.mark.parametrize("meaning", ["probabilities", "logits"])
def test_multi_labels_by_hand(meaning):
    values = (
        MANY if meaning == "probabilities" else np.log(np.maximum(MANY, 1e-9)) - np.log1p(-np.array(MANY))
    )
    first, second = answers(cell(values, ["a", "b"], "sigmoid", meaning))
    assert (first.prediction, second.prediction) == (("cat", "dog"), ())
    assert (first.confidence, second.confidence) == pytest.approx((0.5, 0.75))
    assert "a,cat|dog,0.5" in text(Layout(), cell(values, ["a", "b"], "sigmoid", meaning))
    lines = text(
        Layout("jsonl", min_confidence=0.6), cell(values, ["a", "b"], "sigmoid", meaning)
    ).splitlines()
    assert [json.loads(line)["prediction"] for line in lines] == [None, []]


def test_json_lines_by_hand():
    line = text(Layout("jsonl", top=1), cell(ONE[:1], ["ä"]))
    assert line == '{"item": "ä", "prediction": "cat", "confidence": 0.5, "probabilities": {"cat": 0.5}}\n'
    (record,) = map(
        json.loads, text(Layout("jsonl", reasons=True), cell([], ["a"], bad={0: "gone"})).splitlines()
    )
    assert record == {
        "item": "a",
        "prediction": None,
        "confidence": None,
        "error": "gone",
        "probabilities": {},
    }


def test_repeated_names_become_ids():
    classes = Classes(("x", "x", "y"), ("1", "2", "3"), np.ones(3, dtype=bool))
    assert next(written([], classes, Layout())) == "item,prediction,confidence,p:1,p:2,p:3\n"
