"""The contract kit on everything this plugin offers."""

from burnish.testing import BackboneContract, missing_contracts


class TestTiny(BackboneContract):
    plugin, name = "tiny", "tiny"
    others = ({"noise": 0.3}, {"noise": 0.3, "seed": 1})


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("tiny", globals()) == []
