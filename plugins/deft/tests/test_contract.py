"""The contract kit on everything this plugin offers."""

from burnish.testing import AssessorContract, RecipeContract, TunerContract, missing_contracts

QUICK = {"context": 3, "visual": 2, "epochs": 2}


class TestDeFT(AssessorContract):
    plugin, name, example = "deft", "deft", QUICK
    finds = (
        False  # the practice backbone's text tower is random: test_detector has one that knows its classes
    )


class TestDeFTReleased(AssessorContract):
    plugin, name, example = "deft", "deft", {**QUICK, "variant": "released", "noise": "real", "warmup": 1}
    finds = False


class TestSmallLoss(AssessorContract):
    plugin, name, example = "deft", "small-loss", {**QUICK, "rate": 0.2}
    finds = False


class TestLabelMatch(AssessorContract):
    plugin, name = "deft", "label-match"
    finds = False


class TestFullFineTune(TunerContract):
    plugin, name, example = "deft", "full-finetune", {"lr": 0.05, "batch": 12}


class TestRecipe(RecipeContract):
    plugin, name = "deft", "deft"


class TestCifar10(RecipeContract):
    plugin, name = "deft", "deft-cifar10"
    options_given = {"data": ["digits"]}


class TestCifar10N(RecipeContract):
    plugin, name = "deft", "deft-cifar10n"
    options_given = {"data": ["digits"]}


class TestFullRecipe(RecipeContract):
    plugin, name = "deft", "deft-full"
    options_given = {"data": ["digits"], "backbone": ["openclip:model=ViT-B-16,random_seed=0"]}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("deft", globals()) == []
