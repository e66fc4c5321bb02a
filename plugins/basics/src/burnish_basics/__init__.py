"""Data sources, losses, label noise, baselines and measures: what every study needs."""

from __future__ import annotations

import burnish
from burnish_basics._data import BACKBONES, SOURCES
from burnish_basics._evaluators import EVALUATORS
from burnish_basics._losses import LOSSES
from burnish_basics._noise import NOISE_MODELS
from burnish_basics._summaries import SUMMARIES
from burnish_basics._tuners import TUNERS

BURNISH_API = 1


@burnish.hookimpl
def burnish_sources() -> list[burnish.Source]:
    """Return the data sources."""
    return list(SOURCES)


@burnish.hookimpl
def burnish_backbones() -> list[burnish.Backbone]:
    """Return the backbone that passes given features through."""
    return list(BACKBONES)


@burnish.hookimpl
def burnish_losses() -> list[burnish.Loss]:
    """Return the losses."""
    return list(LOSSES)


@burnish.hookimpl
def burnish_noise_models() -> list[burnish.NoiseModel]:
    """Return the corruptors and assessors."""
    return list(NOISE_MODELS)


@burnish.hookimpl
def burnish_tuners() -> list[burnish.Tuner]:
    """Return the baseline tuners."""
    return list(TUNERS)


@burnish.hookimpl
def burnish_evaluators() -> list[burnish.Evaluator]:
    """Return the measures."""
    return list(EVALUATORS)


@burnish.hookimpl
def burnish_summaries() -> list[burnish.Summary]:
    """Return what looks at a whole study."""
    return list(SUMMARIES)
