"""The contract kit on everything this plugin offers."""

from pathlib import Path

from burnish.testing import EvaluatorContract, RecipeContract, TunerContract, missing_contracts


class TestCPE(TunerContract):
    plugin, name, needs_labels = "cmm", "cpe", False


class TestMatchingMargin(EvaluatorContract):
    plugin, name = "cmm", "matching-margin"


class TestLabelledMatchingMargin(EvaluatorContract):
    plugin, name = "cmm", "labelled-matching-margin"


class TestHarmonicMean(EvaluatorContract):
    plugin, name, best = "cmm", "harmonic-mean", {"harmonic-mean": 1.0}


class TestGeometricMean(EvaluatorContract):
    plugin, name, best = "cmm", "geometric-mean", {"geometric-mean": 1.0}


class TestWorstClasses(RecipeContract):
    plugin, name = "cmm", "worst-classes"


class TestWorstClassesText(RecipeContract):
    plugin, name = "cmm", "worst-classes-text"
    options_given = {"data": [f"csv:path={Path(__file__).parent / 'data' / 'texts.csv'}"]}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("cmm", globals()) == []
