"""The contract kit on everything this plugin offers."""

from pathlib import Path

from burnish.testing import EvaluatorContract, RecipeContract, TunerContract, missing_contracts

SMALL = {"heads": 2, "epochs": 5}


class TestCandle(TunerContract):
    plugin, name = "candle", "candle"
    example = SMALL


class TestCandleReleased(TunerContract):
    plugin, name = "candle", "candle"
    example = {**SMALL, "variant": "released"}


class TestCandleVisual(TunerContract):
    plugin, name = "candle", "candle"
    example = {**SMALL, "virtual": "visual"}


class TestBaseToNew(EvaluatorContract):
    plugin, name = "candle", "base-to-new"
    best = {"base-accuracy-own": 1.0}


class TestBaseToNewAmongAll(EvaluatorContract):
    plugin, name = "candle", "base-to-new"
    example = {"scope": "all"}
    best = {"base-accuracy-all": 1.0}


class TestCandleRecipe(RecipeContract):
    plugin, name = "candle", "candle"


class TestCandleTexts(RecipeContract):
    plugin, name = "candle", "candle-texts"
    options_given = {"data": [str(Path(__file__).parent / "texts.csv")]}


class TestCandleFull(RecipeContract):
    plugin, name = "candle", "candle-full"
    options_given = {"data": ["digits"], "backbone": ["openclip:random_seed=0,model=ViT-B-32"]}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("candle", globals()) == []
