"""The contract kit on everything this plugin offers."""

from burnish.testing import BackboneContract, missing_contracts


class TestTinyClip(BackboneContract):
    plugin, name = "tiny-clip", "tiny-clip"
    others = ({"noise": 0.3},)


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("tiny-clip", globals()) == []
