"""Options that many components share. Light: a plugin's entry-point module may subclass these."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class HeadConfig:
    """Options of every tuner that core trains on cached features (`burnish.blocks.HeadTuner`)."""

    lr: float = field(default=1e-3, metadata={"help": "peak learning rate of AdamW", "range": (0, 10)})
    weight_decay: float = field(
        default=1e-4, metadata={"help": "decoupled weight decay of AdamW", "range": (0, 10)}
    )
    epochs: int = field(
        default=30, metadata={"help": "passes over the training items", "range": (1, 100_000)}
    )
    batch: int = field(default=64, metadata={"help": "items in a training batch", "range": (2, 1_000_000)})
    schedule: Literal["cosine", "constant"] = field(
        default="cosine", metadata={"help": "learning rate over the steps; cosine ends at 0, no warm-up"}
    )


@dataclass(frozen=True)
class ModuleConfig:
    """Options of what trains inside a backbone, one epoch of its items after the other.

    `burnish.blocks.module_training` reads them.
    """

    lr: float = field(default=1e-2, metadata={"help": "learning rate of SGD at the start", "range": (0, 10)})
    momentum: float = field(default=0.9, metadata={"help": "momentum of SGD", "range": (0, 1)})
    weight_decay: float = field(
        default=5e-4, metadata={"help": "weight decay of SGD, added to the gradient", "range": (0, 10)}
    )
    epochs: int = field(
        default=10, metadata={"help": "passes over the training items", "range": (1, 100_000)}
    )
    batch: int = field(default=64, metadata={"help": "items in a training batch", "range": (1, 1_000_000)})
    schedule: Literal["cosine", "constant"] = field(
        default="cosine", metadata={"help": "learning rate over the epochs; cosine ends near 0"}
    )
    augment: bool = field(
        default=True,
        metadata={
            "help": "show each item in another augmented view in each epoch, where the backbone makes views"
        },
    )
