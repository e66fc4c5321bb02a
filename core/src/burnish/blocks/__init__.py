"""Torch parts that several methods share. Authors import from here: `HeadTuner` and what its methods are given.

The engine trains heads through `burnish.blocks.stacked`.
"""

from burnish.blocks.dropout import Dropout
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
from burnish.blocks.predictor import HeadPredictor
from burnish.blocks.tensors import class_means, one_hot, weighted_mean

__all__ = [
    "Batch",
    "Dropout",
    "Fit",
    "HeadJob",
    "HeadPredictor",
    "HeadResult",
    "HeadTuner",
    "Outputs",
    "Term",
    "TrainingData",
    "class_means",
    "one_hot",
    "weighted_mean",
]
