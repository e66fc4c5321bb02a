"""Torch parts that several methods share.

Authors import from here: `HeadTuner` and what its methods are given.

The engine trains heads through `burnish.heads.stacked`.
"""

from burnish.blocks.lease import Lease, frozen_digest
from burnish.blocks.text_classifier import TextClassifier, ensemble, in_chunks
from burnish.heads.dropout import Dropout
from burnish.heads.head import (
    Batch,
    Fit,
    HeadJob,
    HeadResult,
    HeadTuner,
    Outputs,
    Term,
    TrainingData,
)
from burnish.heads.predictor import HeadPredictor
from burnish.heads.tensors import class_means, one_hot, weighted_mean

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
