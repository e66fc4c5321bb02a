"""Descriptors of losses, noise models, tuners and evaluators. Light: no torch, no numpy."""

from __future__ import annotations

from burnish_basics._evaluators import EVALUATORS
from burnish_basics._losses import LOSSES
from burnish_basics._noise import NOISE_MODELS
from burnish_basics._tuners import TUNERS

__all__ = ["EVALUATORS", "LOSSES", "NOISE_MODELS", "TUNERS"]
