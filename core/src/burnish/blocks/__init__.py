"""Torch parts that several methods share.

Authors import from here: `HeadTuner` and what its methods are given.

What trains heads is apart from them: `burnish.heads`.
"""

from burnish.blocks.lease import Lease, frozen_digest
from burnish.blocks.losses import PerExample, log_likelihood
from burnish.blocks.measures import KnownLabels, known_labels, ratio_measure
from burnish.blocks.text_classifier import TextClassifier, ensemble, in_chunks
from burnish.heads.dropout import Dropout
from burnish.heads.head import (
    Batch,
    Fit,
    HeadJob,
    Outputs,
    Term,
    TrainingData,
)
from burnish.heads.predictor import HeadPredictor, HeadResult
from burnish.heads.tensors import class_means, one_hot, weighted_mean
from burnish.heads.tuner import HeadTuner

__all__ = [
    "Batch",
    "Dropout",
    "Fit",
    "HeadJob",
    "HeadPredictor",
    "HeadResult",
    "HeadTuner",
    "KnownLabels",
    "Lease",
    "Outputs",
    "PerExample",
    "Term",
    "TextClassifier",
    "TrainingData",
    "class_means",
    "ensemble",
    "frozen_digest",
    "in_chunks",
    "known_labels",
    "log_likelihood",
    "one_hot",
    "ratio_measure",
    "weighted_mean",
]
