"""The contract kit on everything this plugin offers."""

from burnish.testing import RecipeContract, TunerContract, missing_contracts


class TestFedCLIP(TunerContract):
    plugin, name = "fedclip", "fedclip"
    example = {"rounds": 10}


class TestFedCLIPPaper(TunerContract):
    plugin, name = "fedclip", "fedclip"
    example = {"variant": "paper", "loss": "class-ce", "clients": "class", "number": 4, "rounds": 10}


class TestFedAvgHead(TunerContract):
    plugin, name = "fedclip", "fedavg-head"
    example = {"clients": "dirichlet:1", "number": 4, "rounds": 20}


class TestFedProxHead(TunerContract):
    plugin, name = "fedclip", "fedprox-head"
    example = {"clients": "class", "number": 4, "rounds": 20}


class TestLocalHead(TunerContract):
    plugin, name = "fedclip", "local-head"
    example = {"clients": "dirichlet:5", "number": 4, "epochs": 20}


class TestRecipe(RecipeContract):
    plugin, name = "fedclip", "fedclip"


class TestCifar10Recipe(RecipeContract):
    plugin, name = "fedclip", "fedclip-cifar10"
    options_given = {"data": ["signs"]}


class TestFullRecipe(RecipeContract):
    plugin, name = "fedclip", "fedclip-full"
    options_given = {"data": ["digits"], "backbone": ["openclip:random_seed=0,model=ViT-B-32"]}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("fedclip", globals()) == []
