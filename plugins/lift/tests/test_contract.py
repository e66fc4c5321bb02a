"""The contract kit on everything this plugin offers."""

from burnish.testing import RecipeContract, TunerContract, missing_contracts

QUICK = {"epochs": 12, "lr": 0.05, "batch": 16, "templates": ("{}",)}


class TestLift(TunerContract):
    plugin, name = "lift", "lift"
    example = QUICK


class TestLiftWithoutTexts(TunerContract):
    plugin, name = "lift", "lift"
    example = {
        **QUICK,
        "start": "class-mean",
        "head": "linear",
        "adapter": "vpt-deep",
        "crops": "none",
        "loss": "cb",
    }


class TestLiftUnfrozen(TunerContract):
    plugin, name = "lift", "lift"
    example = {**QUICK, "adapter": "partial", "blocks": 1, "loss": "ldam", "lr": 0.01}


class TestLiftRecipe(RecipeContract):
    plugin, name = "lift", "lift"


class TestLiftCifar10(RecipeContract):
    plugin, name = "lift", "lift-cifar10"
    options_given = {"data": ["signs"]}


class TestLiftFull(RecipeContract):
    plugin, name = "lift", "lift-full"
    options_given = {"data": ["signs"], "backbone": ["openclip:model=ViT-B-32,random_seed=0"]}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("lift", globals()) == []
