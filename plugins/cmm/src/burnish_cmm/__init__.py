"""Which classes does a vision-language model serve worst, and what do better prompts change?

Without labels, and without training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import burnish

BURNISH_API = 1

PAPER = "arXiv:2310.03324"

TEMPLATES = (
    "a photo of a {}.",
    "a blurry photo of a {}.",
    "a black and white photo of a {}.",
    "a low contrast photo of a {}.",
    "a high contrast photo of a {}.",
    "a bad photo of a {}.",
    "a good photo of a {}.",
    "a photo of a small {}.",
    "a photo of a big {}.",
    "a photo of the {}.",
    "a drawing of a {}.",
    "a sketch of a {}.",
)
"""Prompts of general use, after those that CLIP's authors published for CIFAR-10."""


@dataclass(frozen=True)
class CPEConfig:
    """Which prompts are weighed, and how."""

    templates: tuple[str, ...] = field(
        default=TEMPLATES, metadata={"help": "prompts; {} stands for the class name"}
    )
    weights: Literal["class", "template", "uniform"] = field(
        default="class",
        metadata={"help": "one weight a template and class, one a template, or the plain ensemble"},
    )
    temperature: float = field(
        default=0.01,
        metadata={"help": "of the softmax over margins that makes the weights", "range": (1e-6, 1e3)},
    )
    labels: Literal["pseudo", "given"] = field(
        default="pseudo", metadata={"help": "class means by zero-shot predictions, or by the training labels"}
    )
    items: Literal["train", "pool"] = field(
        default="train", metadata={"help": "items whose features are averaged; of the pool no label is known"}
    )
    worst: int = field(
        default=0,
        metadata={
            "help": "how many of the worst classes the enriched prompts are for",
            "range": (0, 100_000),
        },
    )
    enriched: tuple[str, ...] = field(
        default=("a photo of a {}, {description}.",),
        metadata={
            "help": (
                "further prompts for the worst classes; {description} stands for the class's description in"
                " the data"
            )
        },
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


@dataclass(frozen=True)
class MarginConfig:
    """Of which prompts the margin is, and how many of the worst classes are averaged."""

    templates: tuple[str, ...] = field(
        default=("a photo of a {}.",), metadata={"help": "prompts, averaged; {} stands for the class name"}
    )
    k: int = field(default=1, metadata={"help": "classes of the mean over the worst", "range": (1, 100_000)})


@dataclass(frozen=True)
class MeanConfig:
    """How low a class can pull the mean."""

    floor: float = field(
        default=1e-5,
        metadata={
            "help": "accuracy that a class counts with at least; 0 lets one class decide",
            "range": (0, 1),
        },
    )


def predicted_measures(config: MarginConfig) -> tuple[str, ...]:
    """Return the names of what `matching-margin` measures."""
    return ("matching-margin", f"worst-{config.k}-matching-margin")


def labelled_measures(config: MarginConfig) -> tuple[str, ...]:
    """Return the names of what `labelled-matching-margin` measures."""
    name = "labelled-matching-margin"
    return (name, f"worst-{config.k}-{name}", "margin-rank-correlation")


@burnish.hookimpl
def burnish_tuners() -> list[burnish.Tuner]:
    """Return the tuner."""
    return [
        burnish.Tuner(
            name="cpe",
            target="burnish_cmm.ensemble:WeightedPromptEnsemble",
            config=CPEConfig,
            paper=PAPER,
            needs=frozenset({"features", "text-tower"}),
            provides=frozenset({"own-loss", "open-vocabulary"}),
            summary="Zero-shot with prompts weighted by the matching margin they give; nothing is trained",
        )
    ]


@burnish.hookimpl
def burnish_evaluators() -> list[burnish.Evaluator]:
    """Return the margins and the means that a single bad class pulls down."""
    tower, labelled = frozenset({"features", "text-tower"}), frozenset({"truth", "labels"})
    return [
        burnish.Evaluator(
            name="matching-margin",
            target="burnish_cmm.evaluators:PredictedMargin",
            measures="burnish_cmm:predicted_measures",
            config=MarginConfig,
            needs=tower,
            paper=PAPER,
            summary=(
                "Class-wise matching margin by predicted class: which classes are served worst, without a"
                " label"
            ),
        ),
        burnish.Evaluator(
            name="labelled-matching-margin",
            target="burnish_cmm.evaluators:LabelledMargin",
            measures="burnish_cmm:labelled_measures",
            config=MarginConfig,
            needs=tower | labelled,
            paper=PAPER,
            summary="Class-wise matching margin by the true class",
        ),
        burnish.Evaluator(
            name="harmonic-mean",
            target="burnish_cmm.evaluators:HarmonicMean",
            measures=("harmonic-mean",),
            config=MeanConfig,
            needs=labelled,
            paper=PAPER,
            summary="Harmonic mean of the classes' accuracies",
        ),
        burnish.Evaluator(
            name="geometric-mean",
            target="burnish_cmm.evaluators:GeometricMean",
            measures=("geometric-mean",),
            config=MeanConfig,
            needs=labelled,
            paper=PAPER,
            summary="Geometric mean of the classes' accuracies",
        ),
    ]


@burnish.hookimpl
def burnish_recipes() -> list[burnish.RecipeFile]:
    """Return the recipes."""
    return burnish.recipes("burnish_cmm")
