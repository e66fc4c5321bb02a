"""The contract kit on everything this plugin offers."""

from burnish.testing import EvaluatorContract, LossContract, RecipeContract, TunerContract, missing_contracts


class TestNMTune(TunerContract):
    plugin, name = "nmtune", "nmtune"
    example = {"epochs": 30, "lr": 0.02}


class TestNMTuneReleased(TunerContract):
    plugin, name = "nmtune", "nmtune"
    example = {"variant": "released", "epochs": 30, "lr": 0.02}


class TestConsistency(LossContract):
    plugin, name = "nmtune", "consistency"


class TestCovariance(LossContract):
    plugin, name = "nmtune", "covariance"


class TestCovarianceAlone(LossContract):
    plugin, name = "nmtune", "covariance"
    example = {"base": "none"}


class TestSpectrumPenalty(LossContract):
    plugin, name = "nmtune", "spectrum"


class TestSpectrum(EvaluatorContract):
    plugin, name = "nmtune", "spectrum"
    targets = ("labels", "multi-labels")


class TestSpectrumAsReleased(EvaluatorContract):
    plugin, name = "nmtune", "spectrum"
    example = {"normalise": True, "center": "row"}


class TestNoisyPretraining(RecipeContract):
    plugin, name = "nmtune", "noisy-pretraining"


class TestNoisyPretrainingFolder(RecipeContract):
    plugin, name = "nmtune", "noisy-pretraining-folder"
    options_given = {"data": ["digits"]}


def test_everything_it_offers_has_a_contract():
    assert missing_contracts("nmtune", globals()) == []
