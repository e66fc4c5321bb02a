"""What the objects behind descriptors must look like: one module a kind. Importing it does not import torch."""

from burnish.contracts.backbone import Encodes, Inputs, Pretrainer, PretrainTask, Runtime, View
from burnish.contracts.evaluator import Curve, Evaluator, Measure, Measures, Outcome, Table, Terms
from burnish.contracts.loss import Loss, LossInput, LossValue, Targets
from burnish.contracts.noise import Assessment, Assessor, Corruption, CorruptionInput, Corruptor, Evidence
from burnish.contracts.scores import Scores
from burnish.contracts.tuner import Predictor, Run, Task, Tuner

__all__ = [
    "Assessment",
    "Assessor",
    "Corruption",
    "CorruptionInput",
    "Corruptor",
    "Curve",
    "Encodes",
    "Evaluator",
    "Evidence",
    "Inputs",
    "Loss",
    "LossInput",
    "LossValue",
    "Measure",
    "Measures",
    "Outcome",
    "Predictor",
    "PretrainTask",
    "Pretrainer",
    "Run",
    "Runtime",
    "Scores",
    "Table",
    "Targets",
    "Task",
    "Terms",
    "Tuner",
    "View",
]
