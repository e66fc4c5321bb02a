"""Baseline tuners: what every method is compared with."""

from burnish_basics.tuners.closed_form import NearestClassMean, Nothing, Ridge
from burnish_basics.tuners.knn import KNN, KNNPredictor
from burnish_basics.tuners.trained import MLP, Linear
from burnish_basics.tuners.zero_shot import ZeroShot

__all__ = ["KNN", "MLP", "KNNPredictor", "Linear", "NearestClassMean", "Nothing", "Ridge", "ZeroShot"]
