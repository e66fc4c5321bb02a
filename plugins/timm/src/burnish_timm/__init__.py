"""Frozen timm models: images in, features before the classifier out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import burnish
from burnish.errors import ConfigError
from burnish.hub import check_pinned

BURNISH_API = 1


@dataclass(frozen=True)
class TimmConfig:
    """Which model: a folder with its config.json, a file of weights, a hub id, or random weights.

    A file of weights comes with an architecture, a hub id with a commit.
    """

    model: str = field(
        default="",
        metadata={
            "help": (
                "architecture, such as resnet50 or vit_base_patch16_224.augreg_in21k; a tag says which"
                " preprocessing"
            )
        },
    )
    weights: Path | None = field(
        default=None,
        metadata={"help": "folder with config.json and weights, or a file of weights of the architecture"},
    )
    hub: str | None = field(
        default=None,
        metadata={"help": "id of a model on the Hugging Face hub, such as timm/resnet50.a1_in1k"},
    )
    revision: str | None = field(
        default=None, metadata={"help": "commit of the hub's model, 40 hexadecimal digits"}
    )
    random_seed: int | None = field(
        default=None,
        metadata={
            "help": "draw the weights from this seed, for tests and benchmarks",
            "range": (0, 2**63 - 1),
        },
    )

    def __post_init__(self) -> None:
        if self.weights is not None and self.hub is not None:
            raise ConfigError("weights stands beside hub", where="timm", todo="Give one of them")
        if self.hub is not None:
            check_pinned(self.hub, self.revision, "timm")
        elif self.revision is not None:
            raise ConfigError(
                "revision stands without hub", where="timm", todo="Name the model: hub=OWNER/NAME"
            )
        if self.hub is None and self.weights is None and self.random_seed is None:
            raise ConfigError(
                f"model {self.model!r} stands without weights" if self.model else "no model is named",
                where="timm",
                possible=(
                    "weights=FOLDER; weights=FILE with model=NAME; hub=ID with revision=COMMIT; model=NAME"
                    " with random_seed=0"
                ),
            )
        if not self.model and self.weights is None and self.hub is None:
            raise ConfigError(
                "random_seed stands without a model",
                where="timm",
                todo="Name the architecture: model=resnet50",
            )


@burnish.hookimpl
def burnish_backbones() -> list[burnish.Backbone]:
    """Return the one backbone."""
    return [
        burnish.Backbone(
            name="timm",
            summary="Features before the classifier of any frozen timm model",
            example="weights=DIR",
            target="burnish_timm.backbone:Timm",
            config=TimmConfig,
            fingerprint="burnish_timm.files:fingerprint",
            needs=frozenset({"image"}),
            provides="burnish_timm.families:provides",
            views=True,
        )
    ]
