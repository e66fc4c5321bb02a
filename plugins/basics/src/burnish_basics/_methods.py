"""Descriptors of losses, noise models, tuners and evaluators. Light: no torch, no numpy."""

from __future__ import annotations

import burnish

LOSSES: tuple[burnish.Loss, ...] = ()
NOISE_MODELS: tuple[burnish.NoiseModel, ...] = ()
TUNERS: tuple[burnish.Tuner, ...] = ()
EVALUATORS: tuple[burnish.Evaluator, ...] = ()
