"""burnish adapts pre-trained models to a task when the data is imperfect.

What a plugin's entry-point module needs is imported here at once and is light: no torch, no numpy. What runs
things (`run`, `load`, `task` ...) is imported on first use.
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
    from burnish.api import Study, load, plan_of, run
    from burnish.values import assess, features, task

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
    "assess",
    "features",
    "hookimpl",
    "load",
    "plan_of",
    "recipes",
    "run",
    "task",
]

_LAZY = {
    "Study": "burnish.report.study",
    "load": "burnish.api",
    "assess": "burnish.values",
    "features": "burnish.values",
    "plan_of": "burnish.api",
    "run": "burnish.api",
    "task": "burnish.values",
}
"""Modules of the names that are imported on first use."""


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
