"""Torch parts that several methods share. Authors import from here: `HeadTuner` and what its methods are given."""

from burnish.blocks.head import (
    Batch,
    Fit,
    HeadJob,
    HeadResult,
    HeadTuner,
    Outputs,
    Term,
    TrainingData,
)
from burnish.blocks.tensors import class_means, one_hot, weighted_mean

__all__ = [
    "Batch",
    "Fit",
    "HeadJob",
    "HeadResult",
    "HeadTuner",
    "Outputs",
    "Term",
    "TrainingData",
    "class_means",
    "one_hot",
    "weighted_mean",
]
