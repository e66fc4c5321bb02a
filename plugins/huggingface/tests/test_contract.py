"""The contract kit on everything this plugin offers."""

import pytest

from burnish.testing import BackboneContract, missing_contracts


class Saved(BackboneContract):
    """A backbone with weights in a folder; another one differs in nothing but its weights."""

    plugin = "huggingface"
    family = kind_of_model = ""

    @pytest.fixture(autouse=True)
    def _folders(self, folder_of):
        if self.family:
            type(self).example = {"weights": str(folder_of(self.family, self.kind_of_model))}
            type(self).others = ({"weights": str(folder_of(self.family, self.kind_of_model, 1))},)


class TestClip(Saved):
    name, family, kind_of_model = "hf-clip", "clip", "clip"


class TestSiglip(Saved):
    name, family, kind_of_model = "hf-clip", "clip", "siglip"


class TestVision(Saved):
    name, family, kind_of_model = "hf-vision", "vision", "vit"


class TestText(Saved):
    name, family, kind_of_model = "hf-text", "text", "bert"


class TestLanguageModel(Saved):
    name, family, kind_of_model = "hf-lm", "lm", "gpt2"


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("huggingface", globals()) == []
