"""LIFT: light fine-tuning inside a frozen vision model, for data in which some classes are rare."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import burnish

BURNISH_API = 1

PAPER = "arXiv:2309.10019"

Adapter = Literal[
    "adaptformer",
    "adapter",
    "lora",
    "vpt-shallow",
    "vpt-deep",
    "ssf",
    "bias",
    "layer-norm",
    "partial",
    "none",
]
LossName = Literal["la", "ce", "focal", "ldam", "cb", "grw"]


@dataclass(frozen=True)
class LiftConfig(burnish.ModuleConfig):
    """What is put into the model, the classifier behind it, and how both are trained.

    Defaults are those of LIFT's released code.
    """

    adapter: Adapter = field(
        default="adaptformer",
        metadata={
            "help": (
                "what is trained inside the model; partial: its blocks themselves; none: the classifier alone"
            )
        },
    )
    blocks: int | None = field(
        default=None,
        metadata={
            "help": "how many of the last blocks to change; all where none is given",
            "range": (1, 10_000),
        },
    )
    rank: int | None = field(
        default=None,
        metadata={
            "help": (
                "width of the bottleneck of adaptformer, adapter and lora; none: the largest power of 2 up to"
                " classes / (2 blocks)"
            ),
            "range": (1, 10_000),
        },
    )
    down: Literal["normal", "uniform"] = field(
        default="normal",
        metadata={
            "help": "how the first half of adaptformer and adapter is drawn: normal (LIFT), uniform (LIFT+)"
        },
    )
    prompts: int = field(
        default=10, metadata={"help": "learnt tokens of vpt-shallow and vpt-deep", "range": (1, 10_000)}
    )
    head: Literal["cosine", "linear"] = field(
        default="cosine", metadata={"help": "the classifier: scaled cosine similarity, or linear with a bias"}
    )
    scale: float = field(
        default=25.0, metadata={"help": "what cosine similarities are multiplied with", "range": (0.01, 1e4)}
    )
    start: Literal["auto", "text", "class-mean", "random"] = field(
        default="auto",
        metadata={
            "help": (
                "the classifier at first: text features of the class names, class means of the frozen"
                " features, random; auto: text where there is a text tower and the classes have names, else"
                " class-mean"
            )
        },
    )
    templates: tuple[str, ...] = field(
        default=("a photo of a {}.",),
        metadata={"help": "prompts of start=text; {} stands for the class name"},
    )
    loss: LossName = field(
        default="la",
        metadata={
            "help": (
                "logit-adjusted (la), cross-entropy, focal, LDAM, class-balanced (cb) or generally"
                " re-weighted (grw) cross-entropy"
            )
        },
    )
    tau: float = field(
        default=1.0,
        metadata={"help": "strength of the logit adjustment; 0 is cross-entropy", "range": (0, 100)},
    )
    crops: Literal["five", "none"] = field(
        default="five",
        metadata={
            "help": (
                "test-time ensembling: mean of the logits of five crops of an image; none: the model's own"
                " view"
            )
        },
    )
    expand: int | None = field(
        default=None,
        metadata={
            "help": (
                "pixels by which an image is larger than a crop; none: 1.5 patches, without patches 24 of 224"
            ),
            "range": (1, 10_000),
        },
    )
    batch: int = field(default=128, metadata={"help": "items in a training batch", "range": (1, 1_000_000)})
    at_once: int | None = field(
        default=None,
        metadata={
            "help": "most items of a batch to run at once; none: as many as fit into the device's memory",
            "range": (1, 1_000_000),
        },
    )


@burnish.hookimpl
def burnish_tuners() -> list[burnish.Tuner]:
    """Return the tuner."""
    return [
        burnish.Tuner(
            name="lift",
            summary=(
                "Light fine-tuning inside the model, a classifier made of the class names, logit-adjusted"
                " loss: for rare classes"
            ),
            paper=PAPER,
            target="burnish_lift.lift:Lift",
            config=LiftConfig,
            needs=frozenset({"image", "module", "labels"}),
            provides=frozenset({"own-loss"}),
        )
    ]


@burnish.hookimpl
def burnish_recipes() -> list[burnish.RecipeFile]:
    """Return the recipes."""
    return burnish.recipes("burnish_lift")
