"""Evaluators: measures of a trial.

Items without a target, and unknown entries of multi-labels, are left out of all of them.
"""

from burnish_basics.evaluators.calibration import ExpectedCalibrationError, NegativeLogLikelihood
from burnish_basics.evaluators.classes import BalancedAccuracy, Groups, MacroF1, PerClass, Worst
from burnish_basics.evaluators.detection import Detection
from burnish_basics.evaluators.items import Accuracy
from burnish_basics.evaluators.ranking import MeanAveragePrecision

__all__ = [
    "Accuracy",
    "BalancedAccuracy",
    "Detection",
    "ExpectedCalibrationError",
    "Groups",
    "MacroF1",
    "MeanAveragePrecision",
    "NegativeLogLikelihood",
    "PerClass",
    "Worst",
]
