"""Small vision backbones that burnish pre-trains itself, with more and more label noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import burnish
from burnish.errors import ConfigError

BURNISH_API = 1

NOISES = (0.0, 0.05, 0.1, 0.2, 0.3)
"""Label noise rates of the pre-training that weights ship for."""

SEEDS = (0, 1)
"""Pre-training seeds that weights ship for."""


@dataclass(frozen=True)
class TinyConfig:
    """Which weights: shipped ones by noise and seed, or a folder of one's own."""

    noise: float = field(
        default=0.0, metadata={"help": "label noise in pre-training, a fraction", "choices": NOISES}
    )
    seed: int = field(default=0, metadata={"help": "pre-training seed", "choices": SEEDS})
    weights: Path | None = field(
        default=None, metadata={"help": "folder that `burnish pretrain tiny` made, instead of noise and seed"}
    )

    def __post_init__(self) -> None:
        if self.weights is not None and (self.noise or self.seed):
            raise ConfigError(
                "weights stands beside noise or seed",
                where="tiny",
                todo="Leave noise and seed out: the folder has its own",
            )
        if self.noise not in NOISES:
            raise ConfigError(
                f"noise {self.noise:g} was not pre-trained",
                where="tiny",
                possible=", ".join(f"{n:g}" for n in NOISES),
                todo="Or name a folder: weights=DIR",
            )
        if self.seed not in SEEDS:
            raise ConfigError(
                f"seed {self.seed} was not pre-trained",
                where="tiny",
                possible="0, 1",
                todo="Or name a folder: weights=DIR",
            )


@dataclass(frozen=True)
class PretrainConfig:
    """How `burnish pretrain tiny` trains; the defaults made the shipped weights."""

    epochs: int = field(default=12, metadata={"help": "passes over the training items", "range": (1, 10_000)})
    batch: int = field(default=128, metadata={"help": "items in a training batch", "range": (2, 100_000)})
    lr: float = field(
        default=0.15, metadata={"help": "peak learning rate of SGD, one cycle", "range": (0, 10)}
    )
    momentum: float = field(default=0.9, metadata={"help": "Nesterov momentum", "range": (0, 1)})
    weight_decay: float = field(
        default=5e-4,
        metadata={"help": "L2 penalty on weights, not on biases and normalisation", "range": (0, 1)},
    )
    warmup: float = field(
        default=0.2,
        metadata={"help": "fraction of the steps in which the learning rate rises", "range": (0, 1)},
    )
    bf16: bool = field(default=True, metadata={"help": "compute in bfloat16; parameters stay float32"})


@burnish.hookimpl
def burnish_backbones() -> list[burnish.Backbone]:
    """Return the one backbone."""
    return [
        burnish.Backbone(
            name="tiny",
            summary="Small ResNet (96 features), pre-trained on CIFAR-10 with label noise 0 to 0.3",
            target="burnish_tiny.backbone:Tiny",
            config=TinyConfig,
            fingerprint="burnish_tiny.weights:fingerprint",
            pretrain="burnish_tiny.pretrain:Pretrain",
            pretrain_config=PretrainConfig,
            needs=frozenset({"image"}),
            provides=frozenset({"features"}),
            views=True,
        )
    ]
