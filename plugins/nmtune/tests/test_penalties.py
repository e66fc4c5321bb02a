"""The penalties as losses: what they give, how they reduce, what they ask of a tuner."""

import numpy as np
import pytest
import torch
from torch.func import vmap

from burnish.blocks import HeadJob, HeadTuner, weighted_mean
from burnish.contracts.loss import LossInput, Targets
from burnish.contracts.tuner import Run
from burnish.data import Classes
from burnish.errors import FitError
from burnish.heads.modules import MLPHead
from burnish.heads.stacked import fit_heads
from burnish.options import HeadConfig
from burnish_nmtune import PenaltyConfig, SpectrumPenaltyConfig
from burnish_nmtune.penalties import ConsistencyPenalty, CovariancePenalty, SpectrumPenalty
from burnish_nmtune.regularisers import consistency, covariance, spectrum

GENERATOR = torch.Generator().manual_seed(0)
FEATURES, EMBEDDINGS = (torch.randn(8, 5, generator=GENERATOR, dtype=torch.float64) for _ in range(2))
LOGITS = torch.randn(8, 3, generator=GENERATOR, dtype=torch.float64)
HARD = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
ALL = [
    (ConsistencyPenalty, PenaltyConfig, consistency(FEATURES, EMBEDDINGS)),
    (CovariancePenalty, PenaltyConfig, covariance(EMBEDDINGS)),
    (SpectrumPenalty, SpectrumPenaltyConfig, spectrum(EMBEDDINGS)),
]


def given(embeddings=EMBEDDINGS, features=FEATURES, **targets):
    targets = targets or {"hard": HARD}
    return LossInput(
        LOGITS, Targets(**targets), embeddings, torch.ones(3), torch.arange(8), torch.tensor(0.0), features
    )


@pytest.mark.parametrize(("penalty", "config", "expected"), ALL)
def test_added_to_cross_entropy(penalty, config, expected):
    value, rows = penalty(config(weight=0.5))(given(), {})
    plain = torch.nn.functional.cross_entropy(LOGITS, HARD, reduction="none")
    assert rows == {}
    assert value.per == "example"
    assert torch.allclose(value.values, plain + 0.5 * expected)
    weights = torch.tensor([1.0, 0, 2, 1, 1, 0, 1, 1], dtype=torch.float64)
    if expected.ndim == 0:  # whatever the weights, the penalty is added once
        assert weighted_mean(value.values, weights).item() == pytest.approx(
            (weighted_mean(plain, weights) + 0.5 * expected).item()
        )


@pytest.mark.parametrize(("penalty", "config", "expected"), ALL)
def test_alone(penalty, config, expected):
    value, _ = penalty(config(weight=2.0, base="none"))(given(), {})
    assert torch.allclose(value.values, 2 * expected)
    assert value.per == ("example" if expected.ndim else "batch")


def test_soft_targets():
    soft = torch.softmax(LOGITS.flip(0), -1)
    value, _ = CovariancePenalty(PenaltyConfig(weight=0.0))(given(soft=soft), {})
    assert torch.allclose(value.values, torch.nn.functional.cross_entropy(LOGITS, soft, reduction="none"))
    hard, _ = CovariancePenalty(PenaltyConfig(weight=0.0))(
        given(soft=torch.eye(3, dtype=torch.float64)[HARD]), {}
    )
    assert torch.allclose(hard.values, torch.nn.functional.cross_entropy(LOGITS, HARD, reduction="none"))


def test_the_number_of_leading_singular_values():
    value, _ = SpectrumPenalty(SpectrumPenaltyConfig(weight=1.0, base="none", top=2))(given(), {})
    assert value.values.item() == pytest.approx(spectrum(EMBEDDINGS, top=2).item())


@pytest.mark.parametrize(("penalty", "config", "expected"), ALL)
def test_under_vmap(penalty, config, expected):
    loss = penalty(config(weight=0.5))
    stack = torch.stack([EMBEDDINGS, EMBEDDINGS.flip(1)])
    values = vmap(lambda z: loss(given(z), {})[0].values)(stack)
    assert torch.allclose(values[0], loss(given(), {})[0].values)


@pytest.mark.parametrize(("penalty", "config", "expected"), ALL)
def test_a_tuner_without_embeddings(penalty, config, expected):
    with pytest.raises(
        FitError,
        match=(
            f"loss {penalty.name}: the tuner gives no embeddings to penalise. Use a tuner with a trained"
            " body, such as mlp"
        ),
    ):
        penalty(config())(given(embeddings=None), {})


@pytest.mark.parametrize("features", [None, FEATURES[:, :4]])
def test_consistency_wants_features_of_the_same_width(features):
    with pytest.raises(
        FitError, match="loss consistency: the tuner's embeddings are not as wide as its features"
    ):
        ConsistencyPenalty(PenaltyConfig())(given(features=features), {})


class Plain(HeadTuner[HeadConfig]):
    def build(self, dim, classes):
        return MLPHead(dim, classes)


def _trained(loss):
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 90)
    x = (rng.normal(size=(90, 1, 8)) + y[:, None, None]).astype(np.float32)
    classes = Classes.of(["a", "b", "c"])
    job = HeadJob(
        Plain(HeadConfig(epochs=15, batch=30)),
        loss,
        x,
        np.arange(90),
        {"hard": y},
        np.ones(90, np.float32),
        classes,
        0,
        0,
        rng,
    )
    (result,) = fit_heads([job], Run())
    assert result.error == ""
    return torch.from_numpy(x[:, 0]), torch.from_numpy(result.predictor.embed(x[:, 0]))


@pytest.mark.parametrize(("penalty", "config", "expected"), ALL)
def test_it_moves_a_trained_head_the_right_way(penalty, config, expected):
    measure = {
        ConsistencyPenalty: lambda x, z: consistency(x, z).mean(),
        CovariancePenalty: lambda x, z: covariance(z),
        SpectrumPenalty: lambda x, z: spectrum(z),
    }[penalty]
    without, strong = (measure(*_trained(penalty(config(weight=weight)))).item() for weight in (0.0, 10.0))
    assert strong < without
