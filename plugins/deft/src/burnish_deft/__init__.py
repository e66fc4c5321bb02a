"""DeFT: a vision-language model tuned to detect wrong labels, and full fine-tuning on what is kept.

Two simpler detectors are beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import burnish

BURNISH_API = 1

PAPER = "arXiv:2409.19696"

_CONTEXT = {"help": "learnt tokens in front of a class name, M", "range": (1, 1000)}
_VISUAL = {"help": "learnt tokens beside those of the image in every block; 0 for none", "range": (0, 1000)}


@dataclass(frozen=True)
class _PromptedConfig(burnish.ModuleConfig):
    """What the assessors that train share: prompts in both towers, and how they are trained."""

    lr: float = field(default=0.03, metadata={"help": "learning rate of SGD at the start", "range": (0, 10)})
    context: int = field(default=16, metadata=_CONTEXT)
    visual: int = field(default=20, metadata=_VISUAL)
    chunk: int = field(
        default=256,
        metadata={
            "help": "class names encoded at a time; fewer take less memory and more time",
            "range": (1, 1_000_000),
        },
    )


@dataclass(frozen=True)
class DeFTConfig(_PromptedConfig):
    """Options of the assessor `deft`."""

    noise: Literal["synthetic", "real"] = field(
        default="synthetic",
        metadata={
            "help": (
                "the released scripts' protocol for simulated or for human noise: real also asks that no"
                " class is a likelier yes than the label"
            )
        },
    )
    variant: Literal["paper", "released"] = field(
        default="paper",
        metadata={
            "help": (
                "paper: the trained detector judges plain views; released: the last epoch's own training"
                " steps judge their views"
            )
        },
    )
    warmup: int | None = field(
        default=None,
        metadata={"help": "epochs that trust every label: 1 (synthetic), 5 (real)", "range": (0, 100_000)},
    )


@dataclass(frozen=True)
class SmallLossConfig(_PromptedConfig):
    """Options of the assessor `small-loss`."""

    rate: float = field(
        kw_only=True,
        metadata={
            "help": "share of labels taken to be wrong; the paper gives it the true one",
            "range": (0, 1),
        },
    )
    warmup: int = field(
        default=1,
        metadata={
            "help": "epochs over which the share grows from 0 to the rate; in a single one it is 0",
            "range": (0, 100_000),
        },
    )


@dataclass(frozen=True)
class LabelMatchConfig:
    """Options of the assessor `label-match`."""

    templates: tuple[str, ...] = field(
        default=("a photo of a {}.",), metadata={"help": "prompts; {} stands for the class name"}
    )
    scale: float = field(
        default=100.0,
        metadata={"help": "what cosine similarities are multiplied with to be logits", "range": (0.01, 1e4)},
    )


@dataclass(frozen=True)
class FullFineTuneConfig(burnish.ModuleConfig):
    """Options of the tuner `full-finetune`."""

    lr: float = field(default=5e-4, metadata={"help": "learning rate of SGD at the start", "range": (0, 10)})
    blocks: int | None = field(
        default=None,
        metadata={"help": "how many of the last blocks to train; none for all", "range": (1, 10_000)},
    )


_TEXT = frozenset({"labels", "features", "text-tower"})
_INSIDE = frozenset({"labels", "image", "module", "text-tower", "compose-text", "projects"})


@burnish.hookimpl
def burnish_noise_models() -> list[burnish.NoiseModel]:
    """Return the assessors."""
    return [
        burnish.NoiseModel(
            name="deft",
            summary=(
                "A positive and a negative learnt prompt a class, and visual prompts: keep items that are"
                " nearer to their label's positive one"
            ),
            paper=PAPER,
            assess="burnish_deft.assess:DeFT",
            assess_config=DeFTConfig,
            needs=_INSIDE,
        ),
        burnish.NoiseModel(
            name="label-match",
            summary="Keep items whose zero-shot prediction is their label",
            paper=PAPER,
            assess="burnish_deft.label_match:LabelMatch",
            assess_config=LabelMatchConfig,
            needs=_TEXT,
        ),
        burnish.NoiseModel(
            name="small-loss",
            summary=(
                "Learnt prompts trained on the items of small loss: keep a given share of the items, those of"
                " smallest loss"
            ),
            paper="arXiv:1804.06872",
            assess="burnish_deft.small_loss:SmallLoss",
            assess_config=SmallLossConfig,
            needs=_INSIDE,
        ),
    ]


@burnish.hookimpl
def burnish_tuners() -> list[burnish.Tuner]:
    """Return the tuner of the second phase."""
    return [
        burnish.Tuner(
            name="full-finetune",
            summary="Train every block of the image tower and a linear head on its pooled features",
            paper=PAPER,
            target="burnish_deft.finetune:FullFineTune",
            config=FullFineTuneConfig,
            needs=frozenset({"image", "module"}),
        )
    ]


@burnish.hookimpl
def burnish_recipes() -> list[burnish.RecipeFile]:
    """Return the recipes."""
    return burnish.recipes("burnish_deft")
