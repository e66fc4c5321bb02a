"""Errors of an author's code, with the line they come from."""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path
from typing import Any

import torch

from burnish.errors import FitError

_NOT_THE_AUTHORS = (Path(__file__).parent, Path(torch.__file__).parent)


def author_line(error: BaseException) -> str:
    """Return file, number and text of the innermost line that is neither torch's nor this package's.

    "" where there is none.
    """
    frames = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if not any(p in Path(f.filename).parents for p in _NOT_THE_AUTHORS)
    ]
    if not frames:
        return ""
    text = linecache.getline(frames[-1].filename, frames[-1].lineno or 0).strip()
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}, {text!r}"


def author_error(author: Any, did: str, error: Exception, todo: str = "") -> FitError:
    """Return an error that says what an author's object could not do, why, and in which line.

    Args:
        author: the tuner or loss.
        did: what could not be done, such as ``"cannot be trained"``.
        error: what was raised.
        todo: what to do now.
    """
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return FitError(f"{type(author).__name__} {did}: {reason}", where=author_line(error), todo=todo)
