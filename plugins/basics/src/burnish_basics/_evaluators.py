"""Evaluators: options and descriptors. Light: no torch, no numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import burnish
from burnish.errors import ConfigError


@dataclass(frozen=True)
class WorstConfig:
    """Options of `worst`."""

    k: int = field(
        default=1, metadata={"help": "classes of lowest recall that are averaged", "range": (1, 100_000)}
    )


@dataclass(frozen=True)
class ECEConfig:
    """Options of `ece`."""

    bins: int = field(
        default=15, metadata={"help": "bins of equal width over the confidence", "range": (1, 10_000)}
    )


@dataclass(frozen=True)
class GroupsConfig:
    """Options of `groups`."""

    many: int = field(
        default=100,
        metadata={
            "help": "classes with more training items than this are `many`",
            "range": (0, 1_000_000_000),
        },
    )
    few: int = field(
        default=20,
        metadata={
            "help": "classes with fewer training items than this are `few`",
            "range": (0, 1_000_000_000),
        },
    )

    def __post_init__(self) -> None:
        if self.few > self.many:
            raise ConfigError(
                f"few={self.few} is above many={self.many}",
                where="evaluator groups",
                todo="Make few at most many",
            )


def worst_measures(config: WorstConfig) -> tuple[str, ...]:
    """Return the names of what `worst` measures."""
    return (f"worst-{config.k}",)


_TRUTH = frozenset({"truth"})

EVALUATORS: Final = (
    burnish.Evaluator(
        name="accuracy",
        target="burnish_basics.evaluators:Accuracy",
        measures=("accuracy",),
        needs=_TRUTH,
        summary="Share of items whose top class is right",
    ),
    burnish.Evaluator(
        name="balanced-accuracy",
        target="burnish_basics.evaluators:BalancedAccuracy",
        measures=("balanced-accuracy",),
        needs=_TRUTH,
        summary="Mean recall of the classes",
    ),
    burnish.Evaluator(
        name="per-class",
        target="burnish_basics.evaluators:PerClass",
        measures=(),
        needs=_TRUTH,
        summary="Table of recall, precision and F1 of every class",
    ),
    burnish.Evaluator(
        name="worst",
        target="burnish_basics.evaluators:Worst",
        measures="burnish_basics._evaluators:worst_measures",
        config=WorstConfig,
        needs=_TRUTH,
        summary="Mean recall of the k worst classes",
    ),
    burnish.Evaluator(
        name="macro-f1",
        target="burnish_basics.evaluators:MacroF1",
        measures=("macro-f1",),
        needs=_TRUTH,
        summary="Mean F1 of the classes",
    ),
    burnish.Evaluator(
        name="mean-average-precision",
        target="burnish_basics.evaluators:MeanAveragePrecision",
        measures=("mean-average-precision",),
        needs=_TRUTH,
        summary="Mean over classes of the average precision of their ranking",
    ),
    burnish.Evaluator(
        name="ece",
        target="burnish_basics.evaluators:ExpectedCalibrationError",
        measures=("ece",),
        config=ECEConfig,
        needs=_TRUTH,
        summary="Expected calibration error: how far confidence is from accuracy",
        paper="arXiv:1706.04599",
    ),
    burnish.Evaluator(
        name="nll",
        target="burnish_basics.evaluators:NegativeLogLikelihood",
        measures=("nll",),
        needs=_TRUTH,
        summary="Negative log-likelihood of the true classes",
    ),
    burnish.Evaluator(
        name="groups",
        target="burnish_basics.evaluators:Groups",
        measures=("many-observed", "medium-observed", "few-observed"),
        config=GroupsConfig,
        needs=_TRUTH,
        summary="Accuracy on classes with many, medium and few training items",
        paper="arXiv:1904.05160",
    ),
    burnish.Evaluator(
        name="detection",
        target="burnish_basics.evaluators:Detection",
        measures=("detection-precision", "detection-recall", "detection-f1", "detection-auroc"),
        needs=frozenset({"truth", "assessment"}),
        summary="How well an assessor finds wrong labels: precision, recall, F1, AUROC",
    ),
)
