"""What the objects behind descriptors must look like: one module a kind.

Importing it does not import torch.
"""

from burnish.contracts.backbone import Encodes, Prepared, Pretrainer, PretrainTask, Runtime, View
from burnish.contracts.evaluator import Answers, Curve, Evaluator, Measure, Measures, Outcome, Table, Terms
from burnish.contracts.language import Decoding, Generates, ScoresText
from burnish.contracts.loss import Loss, LossInput, LossValue, Targets
from burnish.contracts.noise import Assessment, Assessor, Corruption, CorruptionInput, Corruptor, Evidence
from burnish.contracts.scores import Scores
from burnish.contracts.source import GivesItems, NewItem
from burnish.contracts.study import StudyMeasures, StudyRow, Summary
from burnish.contracts.towers import (
    Attachable,
    Block,
    ComposesText,
    HasTextTower,
    Projects,
    Sites,
)
from burnish.contracts.tuner import Adapted, Predictor, Prompted, Run, SplitInputs, Task, Tuner

__all__ = [
    "Adapted",
    "Answers",
    "Assessment",
    "Assessor",
    "Attachable",
    "Block",
    "ComposesText",
    "Corruption",
    "CorruptionInput",
    "Corruptor",
    "Curve",
    "Decoding",
    "Encodes",
    "Evaluator",
    "Evidence",
    "Generates",
    "GivesItems",
    "HasTextTower",
    "Loss",
    "LossInput",
    "LossValue",
    "Measure",
    "Measures",
    "NewItem",
    "Outcome",
    "Predictor",
    "Prepared",
    "PretrainTask",
    "Pretrainer",
    "Projects",
    "Prompted",
    "Run",
    "Runtime",
    "Scores",
    "ScoresText",
    "Sites",
    "SplitInputs",
    "StudyMeasures",
    "StudyRow",
    "Summary",
    "Table",
    "Targets",
    "Task",
    "Terms",
    "Tuner",
    "View",
]
