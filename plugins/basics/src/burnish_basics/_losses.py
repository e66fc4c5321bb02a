"""Losses: options and descriptors. Light: no torch, no numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import burnish


@dataclass(frozen=True)
class LabelSmoothingConfig:
    """Options of `label-smoothing`."""

    epsilon: float = field(
        default=0.1,
        metadata={"help": "share of the target that is spread evenly over all classes", "range": (0, 1)},
    )


@dataclass(frozen=True)
class GCEConfig:
    """Options of `gce`."""

    q: float = field(
        default=0.7, metadata={"help": "0 is cross-entropy, 1 is mean absolute error", "range": (0, 1)}
    )


@dataclass(frozen=True)
class SCEConfig:
    """Options of `sce`."""

    alpha: float = field(
        default=0.1,
        metadata={
            "help": "weight of cross-entropy (paper: 0.1 on CIFAR-10, 6 on CIFAR-100)",
            "range": (0, 1000),
        },
    )
    beta: float = field(default=1.0, metadata={"help": "weight of reverse cross-entropy", "range": (0, 1000)})
    log_zero: float = field(
        default=-4.0,
        metadata={
            "help": "A, what log 0 is taken for; the released code clamps at 1e-4, which is -9.2103",
            "range": (-1000, 0),
        },
    )


@dataclass(frozen=True)
class FocalConfig:
    """Options of `focal`."""

    gamma: float = field(
        default=2.0,
        metadata={"help": "how much easy examples are discounted; 0 is cross-entropy", "range": (0, 100)},
    )


_LABELS, _MULTI_LABELS = frozenset({"labels"}), frozenset({"multi-labels"})

LOSSES: Final = (
    burnish.Loss(
        name="ce", target="burnish_basics.losses:CrossEntropy", needs=_LABELS, summary="Cross-entropy"
    ),
    burnish.Loss(
        name="label-smoothing",
        target="burnish_basics.losses:LabelSmoothing",
        config=LabelSmoothingConfig,
        needs=_LABELS,
        summary="Cross-entropy with smoothed targets",
        paper="arXiv:1512.00567",
    ),
    burnish.Loss(
        name="gce",
        target="burnish_basics.losses:GeneralisedCrossEntropy",
        config=GCEConfig,
        needs=_LABELS,
        summary="Generalised cross-entropy: between cross-entropy and mean absolute error",
        paper="arXiv:1805.07836",
    ),
    burnish.Loss(
        name="sce",
        target="burnish_basics.losses:SymmetricCrossEntropy",
        config=SCEConfig,
        needs=_LABELS,
        summary="Symmetric cross-entropy: cross-entropy plus its reverse",
        paper="arXiv:1908.06112",
    ),
    burnish.Loss(
        name="focal",
        target="burnish_basics.losses:Focal",
        config=FocalConfig,
        needs=_LABELS,
        summary="Focal loss: discounts easy examples",
        paper="arXiv:1708.02002",
    ),
    burnish.Loss(
        name="bce",
        target="burnish_basics.losses:BinaryCrossEntropy",
        needs=_MULTI_LABELS,
        summary="Binary cross-entropy of multi-label targets, unknown entries left out",
    ),
)
