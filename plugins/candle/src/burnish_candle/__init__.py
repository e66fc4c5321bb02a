"""Candle: adapt features and class names to few, long-tailed items, and to new classes.

The features are of images (or texts). New classes have names alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import burnish

BURNISH_API = 1

PAPER: Final = "arXiv:2406.12638"

Mask = Literal["queries", "none", "in-visual", "in-text", "between"]

MASKS: Final[dict[str, Mask]] = {"paper": "queries", "released": "none"}
"""The mask of each variant."""


@dataclass(frozen=True)
class CandleConfig:
    """The method's constants and its optimiser.

    Defaults are those of the released code, with the epochs of its example.

    The code searches learning rate and kappa on a grid; its example has 3e-4 and 1.
    """

    variant: Literal["paper", "released"] = field(
        default="paper",
        metadata={
            "help": (
                "paper: an item attends to itself, prototypes and texts; released: to the other items of its"
                " batch, too (transductive)"
            )
        },
    )
    mask: Mask | None = field(
        default=None,
        metadata={
            "help": (
                "what may not attend to what: queries (paper), none (released), or an ablation; all but"
                " queries are transductive"
            ),
            "choices": ("queries", "none", "in-visual", "in-text", "between"),
        },
    )
    templates: tuple[str, ...] = field(
        default=("a photo of a {}.",),
        metadata={"help": "prompts; {} stands for the class name; text features of several are averaged"},
    )
    scale: float | None = field(
        default=None,
        metadata={
            "help": (
                "s: factor of cosine similarities that makes logits of them; none: what the backbone learnt,"
                " or 100"
            ),
            "range": (0.01, 1e4),
        },
    )
    kappa: float = field(
        default=0.5, metadata={"help": "weight of the similarities with prototypes", "range": (0, 100)}
    )
    tau: float = field(
        default=1.0,
        metadata={"help": "strength of the logit adjustment; 0 is plain cross-entropy", "range": (0, 100)},
    )
    virtual: Literal["text", "visual"] = field(
        default="text",
        metadata={
            "help": (
                "where prototypes of classes without items start: their text features, or near the mean"
                " prototype"
            )
        },
    )
    heads: int = field(
        default=8,
        metadata={
            "help": "heads of the attention; the width of the features is a multiple of it",
            "range": (1, 1024),
        },
    )
    dropout: float = field(
        default=0.1, metadata={"help": "share of attention weights dropped in training", "range": (0, 0.99)}
    )
    rho: float = field(
        default=0.1, metadata={"help": "start of the learnt weight of what attention adds", "range": (0, 100)}
    )
    lr: float = field(
        default=1e-3, metadata={"help": "peak learning rate of SGD with momentum 0.9", "range": (0, 10)}
    )
    weight_decay: float = field(default=5e-4, metadata={"help": "weight decay of SGD", "range": (0, 10)})
    epochs: int = field(
        default=50, metadata={"help": "passes over the training items", "range": (1, 100_000)}
    )
    batch: int = field(default=128, metadata={"help": "items in a training batch", "range": (2, 1_000_000)})
    warmup: int = field(
        default=1, metadata={"help": "first epochs, with a learning rate of 1e-5", "range": (0, 100_000)}
    )
    test_batch: int = field(
        default=100,
        metadata={
            "help": "items predicted together where the mask lets them attend to each other",
            "range": (1, 1_000_000),
        },
    )


@dataclass(frozen=True)
class BaseToNewConfig:
    """Among which classes the best one is chosen, and where the items of new classes are."""

    scope: Literal["own", "all", "released"] = field(
        default="own",
        metadata={
            "help": (
                "own: base items among base classes, new ones among new; all: among all; released: base among"
                " all, new among new"
            )
        },
    )
    new: str | None = field(
        default=None,
        metadata={
            "help": (
                "split with the items of new classes, where they are not in the split itself, such as"
                " test:new"
            )
        },
    )


def base_to_new_measures(config: BaseToNewConfig) -> tuple[str, ...]:
    """Return the names of what `base-to-new` measures in its scope."""
    names = ("base-accuracy", "new-accuracy", "base-new-harmonic")
    return tuple(f"{name}-{config.scope}" for name in names)


def mask_of(config: CandleConfig) -> Mask:
    """Return what may not attend to what: as given, else the variant's."""
    return config.mask or MASKS[config.variant]


def provides(config: CandleConfig) -> frozenset[str]:
    """Return what the tuner provides.

    A mask that lets items of a batch reach each other makes predictions depend on the batch.
    """
    return (
        frozenset({"own-loss"}) if mask_of(config) == "queries" else frozenset({"own-loss", "transductive"})
    )


@burnish.hookimpl
def burnish_tuners() -> list[burnish.Tuner]:
    """Return the tuner."""
    return [
        burnish.Tuner(
            name="candle",
            summary=(
                "Prototypes, class names and attention between them, for long-tailed classes and new ones"
                " without items"
            ),
            paper=PAPER,
            target="burnish_candle.candle:Candle",
            config=CandleConfig,
            needs=frozenset({"features", "text-tower"}),
            provides="burnish_candle:provides",
        )
    ]


@burnish.hookimpl
def burnish_evaluators() -> list[burnish.Evaluator]:
    """Return the base-to-new evaluator."""
    return [
        burnish.Evaluator(
            name="base-to-new",
            summary="Accuracy on classes with training items and on new ones, and their harmonic mean",
            paper="arXiv:2203.05557",
            target="burnish_candle.evaluator:BaseToNew",
            measures="burnish_candle:base_to_new_measures",
            config=BaseToNewConfig,
            needs=frozenset({"truth"}),
        )
    ]


@burnish.hookimpl
def burnish_recipes() -> list[burnish.RecipeFile]:
    """Return the recipes."""
    return burnish.recipes("burnish_candle")
