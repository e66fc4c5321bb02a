"""The contract kit on everything this plugin offers."""

from burnish.testing import BackboneContract, missing_contracts


class TestTransformer(BackboneContract):
    plugin, name, example = "timm", "timm", {"model": "test_vit", "random_seed": 0}
    others = ({"model": "test_vit", "random_seed": 1}, {"model": "test_vit2", "random_seed": 0})


class TestConvolutional(BackboneContract):
    plugin, name, example = "timm", "timm", {"model": "test_resnet", "random_seed": 0}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("timm", globals()) == []
