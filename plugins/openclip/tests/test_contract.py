"""The contract kit on everything this plugin offers."""

import pytest

from burnish.testing import BackboneContract, missing_contracts


class TestOpenclip(BackboneContract):
    plugin, name = "openclip", "openclip"
    others = (
        {"random_seed": 0, "model": "ViT-B-32"},
        {"random_seed": 1, "model": "ViT-B-32"},
        {"random_seed": 0, "model": "RN50"},
        {"hub": "someone/model", "revision": "0" * 40},
    )

    @pytest.fixture(autouse=True)
    def _folder(self, folders):
        self.folder = folders["vit"]

    def options(self, folder):
        return {"weights": str(self.folder)}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("openclip", globals()) == []
