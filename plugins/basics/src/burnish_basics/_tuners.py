"""Baseline tuners: options and descriptors. Light: no torch, no numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import burnish


@dataclass(frozen=True)
class NearestClassMeanConfig:
    """Options of `nearest-class-mean`."""

    metric: Literal["euclidean", "cosine"] = field(
        default="euclidean", metadata={"help": "distance to the class means"}
    )


@dataclass(frozen=True)
class LinearConfig(burnish.HeadConfig):
    """Options of `linear`."""

    lr: float = field(default=1e-2, metadata={"help": "peak learning rate of AdamW", "range": (0, 10)})


@dataclass(frozen=True)
class RidgeConfig:
    """Options of `ridge`."""

    alpha: float = field(
        default=1.0,
        metadata={
            "help": "penalty on the squared weights, beside the sum of squared errors",
            "range": (1e-9, 1e12),
        },
    )


@dataclass(frozen=True)
class MLPConfig(burnish.HeadConfig):
    """Options of `mlp`."""

    ratio: int = field(
        default=4, metadata={"help": "width of the hidden layers over that of the features", "range": (1, 64)}
    )
    blocks: int = field(
        default=1,
        metadata={"help": "hidden layers, each linear, batch normalisation, ReLU", "range": (1, 16)},
    )
    residual: bool = field(
        default=True,
        metadata={"help": "add the features to what the hidden layers give, with a learnable scale"},
    )


@dataclass(frozen=True)
class KNNConfig:
    """Options of `knn`."""

    k: int = field(
        default=10,
        metadata={
            "help": "neighbours that vote; all training items where there are fewer",
            "range": (1, 100_000),
        },
    )
    metric: Literal["cosine", "euclidean"] = field(
        default="cosine", metadata={"help": "distance between features"}
    )
    vote: Literal["uniform", "distance"] = field(
        default="uniform", metadata={"help": "weight of a vote: equal, or one over the distance"}
    )


@dataclass(frozen=True)
class ZeroShotConfig:
    """Options of `zero-shot`."""

    templates: tuple[str, ...] = field(
        default=("a photo of a {}.",), metadata={"help": "prompts; {} stands for the class name"}
    )
    scale: float | None = field(
        default=None,
        metadata={
            "help": (
                "what cosine similarities are multiplied with to be logits; none: what the backbone learnt,"
                " or 100"
            ),
            "range": (0.01, 1e4),
        },
    )


_FEATURES = frozenset({"features"})
_OWN_LOSS = frozenset({"own-loss"})

TUNERS: Final = (
    burnish.Tuner(
        name="nothing",
        target="burnish_basics.tuners:Nothing",
        needs=_FEATURES,
        provides=_OWN_LOSS | {"control"},
        summary="Ignore the features: the most frequent training class",
    ),
    burnish.Tuner(
        name="zero-shot",
        target="burnish_basics.tuners:ZeroShot",
        config=ZeroShotConfig,
        needs=_FEATURES | {"text-tower"},
        provides=_OWN_LOSS | {"control", "open-vocabulary"},
        summary="Compare features with the text tower's view of the class names; nothing is trained",
        paper="arXiv:2103.00020",
    ),
    burnish.Tuner(
        name="nearest-class-mean",
        target="burnish_basics.tuners:NearestClassMean",
        config=NearestClassMeanConfig,
        needs=_FEATURES,
        provides=_OWN_LOSS,
        summary="The class whose mean feature is nearest",
        paper="arXiv:1703.05175",
    ),
    burnish.Tuner(
        name="linear",
        target="burnish_basics.tuners:Linear",
        config=LinearConfig,
        needs=_FEATURES,
        summary="Linear probe",
    ),
    burnish.Tuner(
        name="ridge",
        target="burnish_basics.tuners:Ridge",
        config=RidgeConfig,
        needs=_FEATURES,
        provides=_OWN_LOSS,
        summary="Linear least squares with a penalty, one class against the rest, in closed form",
        paper="doi:10.1080/00401706.1970.10488634",
    ),
    burnish.Tuner(
        name="mlp",
        target="burnish_basics.tuners:MLP",
        config=MLPConfig,
        needs=_FEATURES,
        summary="Residual MLP and linear head: NMTune without its regularisers",
        paper="arXiv:2309.17002",
    ),
    burnish.Tuner(
        name="knn",
        target="burnish_basics.tuners:KNN",
        config=KNNConfig,
        needs=_FEATURES,
        provides=_OWN_LOSS,
        summary="Vote of the nearest training items",
        paper="doi:10.1109/TIT.1967.1053964",
    ),
)
