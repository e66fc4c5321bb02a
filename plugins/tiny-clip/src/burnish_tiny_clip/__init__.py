"""A small CLIP that burnish trains itself, with and without swapped captions.

Every vision-language method runs offline on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import burnish
from burnish.errors import ConfigError

BURNISH_API = 1

NOISES = (0.0, 0.3)
"""Fractions of swapped captions that weights ship for."""

SEEDS = (0,)
"""Training seeds that weights ship for."""


@dataclass(frozen=True)
class TinyClipConfig:
    """Which of the shipped weights."""

    noise: float = field(
        default=0.0, metadata={"help": "fraction of swapped captions in training", "choices": NOISES}
    )
    seed: int = field(default=0, metadata={"help": "training seed", "choices": SEEDS})

    def __post_init__(self) -> None:
        for name, value, known in (("noise", self.noise, NOISES), ("seed", self.seed, SEEDS)):
            if value not in known:
                raise ConfigError(
                    f"no weights ship for {name} {value:g}",
                    where="tiny-clip",
                    possible=", ".join(f"{one:g}" for one in known),
                    todo=(
                        "Train them with `python -m burnish_tiny_clip.train`, and name the folder:"
                        " openclip:weights=DIR"
                    ),
                )


@burnish.hookimpl
def burnish_backbones() -> list[burnish.Backbone]:
    """Return the one backbone."""
    return [
        burnish.Backbone(
            name="tiny-clip",
            summary=(
                "Small CLIP (1.5 M parameters), trained on captions of CIFAR-10 and drawn scenes, 0 or 30 %"
                " of them swapped"
            ),
            paper="arXiv:2103.00020",
            target="burnish_tiny_clip.backbone:load",
            config=TinyClipConfig,
            fingerprint="burnish_tiny_clip.files:fingerprint",
            needs=frozenset({"image"}),
            provides=frozenset({"features", "projects", "text-tower", "compose-text", "module"}),
            views=True,
        )
    ]
