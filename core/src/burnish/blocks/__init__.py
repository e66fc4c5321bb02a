"""Torch parts that several methods share.

Authors import from here: `HeadTuner` and what its methods are given.

What trains heads is apart from them: `burnish.heads`.
"""

from burnish.blocks.lease import Lease, frozen_digest
from burnish.blocks.losses import PerExample, soft_targets, target_log_p
from burnish.blocks.measures import NO_TARGET, KnownLabels, known_labels, ratio_measure, ratio_terms
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
    "NO_TARGET",
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
    "one_hot",
    "ratio_measure",
    "ratio_terms",
    "soft_targets",
    "target_log_p",
    "weighted_mean",
]
