"""Errors of plugins' code, told as theirs: component, plugin, version and line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.engine.parts import component_of
from burnish.errors import BurnishError, FitError

if TYPE_CHECKING:
    from burnish.manager import Manager
    from burnish.plan import Part

_OURS = Path(__file__).parents[1]


def blame(part: Part, manager: Manager, error: Exception) -> str:
    """Return one line that says whose code raised what, and in which line.

    Such as ``evaluator crowd/known-auroc of burnish-crowd 0.1.0, evaluator.py line 21: KeyError: 'x'``.
    """
    component = component_of(part, manager)
    plugin = component.plugin
    whose = f"{plugin.distribution} {plugin.version}" if plugin.distribution else f"plugin {plugin.name}"
    reason = next(iter(str(error).splitlines()), "")
    what = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    return f"{component.kind} {component.full_name} of {whose}{_line(error)}: {what}"


def _line(error: Exception) -> str:
    """Return file and number of the innermost line outside burnish, where the author can put it right."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if _OURS not in Path(frame.filename).parents]
    if not theirs:
        return ""
    inside = [frame for frame in theirs if "site-packages" not in frame.filename] or theirs
    return f", {Path(inside[-1].filename).name} line {inside[-1].lineno}"


@contextmanager
def blamed(part: Part, manager: Manager) -> Iterator[None]:
    """Turn what a component's code raises into an error that names it and costs its own rows alone.

    Raises:
        FitError: the component raised something that is no error of burnish.
    """
    try:
        yield
    except (BurnishError, MemoryError):
        raise
    except Exception as error:
        raise FitError(blame(part, manager, error)) from error
