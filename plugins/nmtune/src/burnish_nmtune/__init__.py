"""NMTune: reshape features of a model pre-trained with noisy labels; measure what the noise did to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import burnish

BURNISH_API = 1

PAPER = "arXiv:2309.17002"


@dataclass(frozen=True)
class NMTuneConfig(burnish.HeadConfig):
    """The MLP, and the weights of its regularisers; those of a weight that is not given are the variant's."""

    variant: Literal["paper", "released"] = field(
        default="paper",
        metadata={
            "help": (
                "paper: one view, -sigma_1 / sum sigma; released: two fixed views, mean of the five largest"
                " shares, the code's weights"
            )
        },
    )
    lam: float | None = field(
        default=None,
        metadata={
            "help": "lambda, which multiplies all three regularisers: 0.01 (paper), 1 (released)",
            "range": (0, None),
        },
    )
    w_mse: float | None = field(
        default=None,
        metadata={"help": "weight of the consistency term: 1 (paper, released)", "range": (0, None)},
    )
    w_cov: float | None = field(
        default=None,
        metadata={"help": "weight of the covariance term: 1 (paper), 0.04 (released)", "range": (0, None)},
    )
    w_svd: float | None = field(
        default=None,
        metadata={
            "help": "weight of the singular-value term: 1 (paper), 0.001 (released)",
            "range": (0, None),
        },
    )
    ratio: int = field(
        default=4, metadata={"help": "hidden width over the width of the features", "range": (1, 64)}
    )


@dataclass(frozen=True)
class PenaltyConfig:
    """A regulariser of NMTune as a loss for any tuner that gives embeddings."""

    weight: float = field(
        default=0.01, metadata={"help": "what the penalty is multiplied with", "range": (0, None)}
    )
    base: Literal["ce", "none"] = field(
        default="ce",
        metadata={"help": "the loss it is added to: cross-entropy, or none for the penalty alone"},
    )


@dataclass(frozen=True)
class SpectrumPenaltyConfig(PenaltyConfig):
    """The singular-value term as a loss for any tuner that gives embeddings."""

    top: int = field(
        default=1,
        metadata={
            "help": "how many of the largest singular values' shares are averaged: 1 (paper), 5 (released)",
            "range": (1, 1000),
        },
    )


@dataclass(frozen=True)
class SpectrumConfig:
    """Which singular values are measured."""

    of: Literal["backbone", "tuner", "both"] = field(
        default="both",
        metadata={
            "help": (
                "whose features: the backbone's, what the tuner's last layer reads (where it has such a"
                " thing), or both"
            )
        },
    )
    normalise: bool = field(
        default=False,
        metadata={
            "help": "bring each row to length 1 first; with center=row it is what the released script does"
        },
    )
    center: Literal["none", "row", "column"] = field(
        default="none", metadata={"help": "which mean is subtracted then"}
    )


def views(config: NMTuneConfig) -> int:
    """Return how many fixed augmented views of each training item the variant needs."""
    return 2 if config.variant == "released" else 1


def spectrum_measures(config: SpectrumConfig) -> tuple[str, ...]:
    """Return the names of what `spectrum` measures of the features it looks at."""
    prefixes = {"backbone": ("",), "tuner": ("tuner-",), "both": ("", "tuner-")}[config.of]
    return tuple(prefix + name for prefix in prefixes for name in ("sve", "lsvr"))


@burnish.hookimpl
def burnish_tuners() -> list[burnish.Tuner]:
    """Return the tuner."""
    return [
        burnish.Tuner(
            name="nmtune",
            summary="MLP on frozen features with three regularisers against noise in pre-training",
            paper=PAPER,
            target="burnish_nmtune.nmtune:NMTune",
            config=NMTuneConfig,
            views="burnish_nmtune:views",
            needs=frozenset({"features"}),
        )
    ]


@burnish.hookimpl
def burnish_losses() -> list[burnish.Loss]:
    """Return the regularisers, for tuners that give embeddings."""
    return [
        burnish.Loss(
            name="consistency",
            summary=(
                "Cross-entropy plus NMTune's consistency penalty: embeddings stay in the direction of the"
                " features"
            ),
            paper=PAPER,
            target="burnish_nmtune.penalties:ConsistencyPenalty",
            config=PenaltyConfig,
            needs=frozenset({"labels"}),
        ),
        burnish.Loss(
            name="covariance",
            summary="Cross-entropy plus NMTune's covariance penalty: embeddings are decorrelated",
            paper=PAPER,
            target="burnish_nmtune.penalties:CovariancePenalty",
            config=PenaltyConfig,
            needs=frozenset({"labels"}),
        ),
        burnish.Loss(
            name="spectrum",
            summary=(
                "Cross-entropy plus NMTune's singular-value penalty: one direction of the embeddings"
                " dominates"
            ),
            paper=PAPER,
            target="burnish_nmtune.penalties:SpectrumPenalty",
            config=SpectrumPenaltyConfig,
            needs=frozenset({"labels"}),
        ),
    ]


@burnish.hookimpl
def burnish_evaluators() -> list[burnish.Evaluator]:
    """Return the spectrum evaluator."""
    return [
        burnish.Evaluator(
            name="spectrum",
            summary=(
                "Singular value entropy (SVE), largest singular value ratio (LSVR) and the spectrum of"
                " features"
            ),
            paper=PAPER,
            target="burnish_nmtune.evaluator:Spectrum",
            measures="burnish_nmtune:spectrum_measures",
            config=SpectrumConfig,
            needs=frozenset({"features"}),
        )
    ]


@burnish.hookimpl
def burnish_recipes() -> list[burnish.RecipeFile]:
    """Return the recipes."""
    return burnish.recipes("burnish_nmtune")
