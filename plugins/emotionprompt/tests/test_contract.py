"""The contract kit on everything this plugin offers."""

from pathlib import Path

from burnish.testing import EvaluatorContract, RecipeContract, TunerContract, missing_contracts

TEXTS = str(Path(__file__).with_name("texts.csv"))


class TestPlainPrompt(TunerContract):
    plugin, name = "emotionprompt", "plain-prompt"
    example = {"shots": 2}


class TestBest(TunerContract):
    plugin, name = "emotionprompt", "emotionprompt"


class TestOneStimulusWithDemonstrations(TunerContract):
    plugin, name = "emotionprompt", "emotionprompt"
    example = {"stimulus": "EP02", "shots": 3, "variant": "released", "placement": "after-input"}


class TestAnswers(EvaluatorContract):
    plugin, name = "emotionprompt", "answers"
    example = {"chance": 0.25}
    best = {"exact-match": 1.0, "unparsed": 0.0, "normalised-score": 1.0}


class TestRecipe(RecipeContract):
    plugin, name = "emotionprompt", "emotionprompt"
    options_given = {"data": [TEXTS], "backbone": ["openai-server:model=m"]}


class TestFullRecipe(RecipeContract):
    plugin, name = "emotionprompt", "emotionprompt-full"
    options_given = {"data": [TEXTS], "backbone": ["hf-lm:random_seed=0,model=gpt2"]}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("emotionprompt", globals()) == []
