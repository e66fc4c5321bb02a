"""burnish adapts pre-trained models to a task when the data is imperfect.

What a plugin's entry-point module needs is imported here at once and is light: no torch, no numpy. What runs things
(`run`, `load`, `audit`, ...) is imported on first use.
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
    Tuner,
)
from burnish.hooks import API_VERSION, hookimpl
from burnish.options import HeadConfig

if TYPE_CHECKING:
    from burnish.engine.api import load, run
    from burnish.engine.study import Study

__all__ = [
    "API_VERSION",
    "Backbone",
    "Command",
    "Evaluator",
    "HeadConfig",
    "Loss",
    "NoConfig",
    "NoiseModel",
    "RecipeFile",
    "Source",
    "Study",
    "Tuner",
    "__version__",
    "hookimpl",
    "load",
    "run",
]

_LAZY = {"run": "burnish.engine.api", "load": "burnish.engine.api", "Study": "burnish.engine.study"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
