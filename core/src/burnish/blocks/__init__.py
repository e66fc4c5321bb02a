"""Torch parts that several methods share.

Authors import from here: `HeadTuner` and what its methods are given.

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
from burnish.blocks.lease import Lease, frozen_digest
from burnish.blocks.predictor import HeadPredictor
from burnish.blocks.tensors import class_means, one_hot, weighted_mean
from burnish.blocks.text_classifier import TextClassifier, ensemble, in_chunks

__all__ = [
    "Batch",
    "Dropout",
    "Fit",
    "HeadJob",
    "HeadPredictor",
    "HeadResult",
    "HeadTuner",
    "Lease",
    "Outputs",
    "Term",
    "TextClassifier",
    "TrainingData",
    "class_means",
    "ensemble",
    "frozen_digest",
    "in_chunks",
    "one_hot",
    "weighted_mean",
]
