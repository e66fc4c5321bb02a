"""The contract kit on everything this plugin offers."""

from burnish.testing import BackboneContract, missing_contracts


class TestSentenceTransformers(BackboneContract):
    plugin, name = "sentence-transformers", "sentence-transformers"
    others = ({"prompt": "query: "}, {"random_seed": 0}, {"random_seed": 1})


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("sentence-transformers", globals()) == []
