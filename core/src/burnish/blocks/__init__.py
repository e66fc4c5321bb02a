"""Torch parts that several methods share.

Authors import from here: `HeadTuner` and what its methods are given, losses and measures of a few lines, and
what trains inside a backbone. Parts to put into a backbone are in `burnish.blocks.adapters`.

What trains heads is apart from them: `burnish.heads`.
"""

from burnish.blocks.lease import Lease, frozen_digest
from burnish.blocks.losses import PerExample, soft_targets, target_log_p
from burnish.blocks.measures import NO_TARGET, KnownLabels, known_labels, ratio_measure
from burnish.blocks.module_training import ModuleBatch, prepared_batches, train_module
from burnish.blocks.prompts import LearntContext, Spliced, spliced
from burnish.blocks.text_classifier import TextClassifier, ensemble, in_chunks, scale_of
from burnish.heads.batches import batch_rows, rows_in_last_batch, steps_per_epoch
from burnish.heads.dropout import Dropout
from burnish.heads.head import Batch, Fit, HeadJob, Outputs, Term, TrainingData
from burnish.heads.item_loss import ItemLoss
from burnish.heads.member import finite_rows
from burnish.heads.modules import MLPHead, linear_head
from burnish.heads.predictor import HeadPredictor, HeadResult, check_state
from burnish.heads.targets import class_prior, target_arrays
from burnish.heads.tensors import class_means, one_hot, weighted_mean
from burnish.heads.threads import intra_op_threads, thread_pool
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
    "ItemLoss",
    "KnownLabels",
    "LearntContext",
    "Lease",
    "MLPHead",
    "ModuleBatch",
    "Outputs",
    "PerExample",
    "Spliced",
    "Term",
    "TextClassifier",
    "TrainingData",
    "batch_rows",
    "check_state",
    "class_means",
    "class_prior",
    "ensemble",
    "finite_rows",
    "frozen_digest",
    "in_chunks",
    "intra_op_threads",
    "known_labels",
    "linear_head",
    "one_hot",
    "prepared_batches",
    "ratio_measure",
    "rows_in_last_batch",
    "scale_of",
    "soft_targets",
    "spliced",
    "steps_per_epoch",
    "target_arrays",
    "target_log_p",
    "thread_pool",
    "train_module",
    "weighted_mean",
]
