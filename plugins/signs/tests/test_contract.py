"""The contract kit on everything this plugin offers."""

from burnish.testing import SourceContract, missing_contracts


class TestSigns(SourceContract):
    plugin, name = "signs", "signs"


class TestSignsWithoutShifts(SourceContract):
    plugin, name = "signs", "signs"
    example = {"shifts": False}


class TestScenes(SourceContract):
    plugin, name = "signs", "scenes"
    example = {"per_class": 3, "test_per_class": 2}


class TestScenesWithAStyleHeldOut(SourceContract):
    plugin, name = "signs", "scenes"
    example = {"per_class": 3, "test_per_class": 2, "hold_out": "noisy"}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("signs", globals()) == []
