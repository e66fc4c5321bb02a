"""Measures that a recipe names are checked in the plan, before anything is trained."""

import pytest

from burnish.errors import RecipeError
from burnish.plan import build_plan
from burnish.recipe import make_recipe

CPU = {"numeric": {"dtype": "fp32", "device": "cpu", "threads": 2}}
BASE = {"data": "pictures", "backbone": "small", "tuner": "linear", **CPU}
TUNED = {"tune": {"budget": 1, "space": {"tuner.lr": [0.1]}}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"report": {"measure": "acuracy"}},
            "report.measure: no evaluator of the recipe measures 'acuracy'. Did you mean 'accuracy'?"
            " Possible: accuracy, worst-2. Add an evaluator that gives it to evaluate.",
        ),
        (
            {"select": {"measure": "worst-1"}, **TUNED},
            "select.measure: no evaluator of the recipe measures 'worst-1'. Did you mean 'worst-2'? Possible:"
            " accuracy, worst-2. Add an evaluator that gives it to evaluate.",
        ),
        (
            {"report": {"measure": "accuracy"}, "evaluate": "worst"},
            "report.measure: no evaluator of the recipe measures 'accuracy'. Possible: worst-1. Add"
            " accuracy to evaluate.",
        ),
    ],
)
def test_a_measure_that_no_evaluator_gives_is_refused_in_the_plan(study, values, message):
    recipe = {**BASE, "evaluate": ["accuracy", "worst:k=2"], **values}
    with pytest.raises(RecipeError) as caught:
        build_plan(make_recipe(recipe), study)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "values",
    [
        {"report": {"measure": "worst-2"}, "select": {"measure": "accuracy"}, **TUNED},
        # Nothing is tuned, so nothing is selected by it.
        {"select": {"measure": "other"}},
        # `detection` does not tell what it measures.
        {"report": {"measure": "other"}, "assess": "joint", "evaluate": ["accuracy", "detection"]},
    ],
)
def test_a_measure_that_an_evaluator_may_give_is_planned(study, values):
    recipe = {**BASE, "evaluate": ["accuracy", "worst:k=2"], **values}
    assert build_plan(make_recipe(recipe), study).rows
