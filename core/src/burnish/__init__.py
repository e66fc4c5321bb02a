"""burnish adapts pre-trained models to a task when the data is imperfect.

What a plugin's entry-point module needs is imported here at once and is light: no torch, no numpy. What runs
things (`run`, `load`, `audit`, ...) is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burnish._version import __version__
from burnish.descriptors import (
    Backbone,
    Command,
    Evaluator,
    Loss,
    NoConfig,
    NoiseModel,
    RecipeFile,
    Source,
    Summary,
    Tuner,
)
from burnish.hooks import API_VERSION, hookimpl
from burnish.options import HeadConfig, ModuleConfig
from burnish.recipe_files import recipes

if TYPE_CHECKING:
    from burnish.api import Study, load, run

__all__ = [
    "API_VERSION",
    "Backbone",
    "Command",
    "Evaluator",
    "HeadConfig",
    "Loss",
    "ModuleConfig",
    "NoConfig",
    "NoiseModel",
    "RecipeFile",
    "Source",
    "Study",
    "Summary",
    "Tuner",
    "__version__",
    "hookimpl",
    "load",
    "recipes",
    "run",
]

_LAZY = frozenset({"Study", "load", "run"})


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    from burnish import api

    return getattr(api, name)
