"""What the contracts check with.

A condition with a sentence, what must not change, and what must not be written.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from burnish.errors import BurnishError


def expect(holds: bool, message: str) -> None:
    """Fail the test with a sentence unless something holds.

    Not an ``assert`` statement: those of a library are not rewritten by pytest, so that they would say
    nothing.

    Raises:
        AssertionError: it does not hold.
    """
    __tracebackhide__ = True
    if not holds:
        raise AssertionError(message)


def refused(what: str, kind: type[BurnishError], call: Callable[[], object]) -> None:
    """Fail unless a call raises an error for people.

    Args:
        what: what should be refused, for the message.
        kind: the class of error it should be refused with.
        call: the call.

    Raises:
        AssertionError: it raises nothing, or something else.
    """
    __tracebackhide__ = True
    try:
        call()
    except kind as error:
        expect("\n" not in error.what and bool(error.what), f"{what}: the error is not one line: {error}")
        return
    except Exception as error:
        raise AssertionError(
            f"{what} ended in {type(error).__name__}: {error}. Raise burnish.errors.{kind.__name__} instead"
        ) from error
    raise AssertionError(f"{what} was accepted. Raise burnish.errors.{kind.__name__}")


def check_columns(title: str, columns: Mapping[str, Sequence[Any]]) -> None:
    """Fail where the columns of a table differ in length, or hold something other than numbers and texts."""
    lengths = {name: len(column) for name, column in columns.items()}
    expect(len(set(lengths.values())) <= 1, f"{title!r} has columns of different lengths: {lengths}")
    for name, column in columns.items():
        odd = [value for value in column if type(value) not in (int, float, str)]
        expect(
            not odd,
            f"column {name!r} of {title!r} holds a {type(odd[0]).__name__ if odd else ''}. Write .tolist()",
        )


@contextmanager
def global_randomness_untouched(what: str) -> Iterator[None]:
    """Fail where the block touches global randomness or changes torch's default dtype.

    It may neither draw from nor seed the global generators of torch, numpy or Python.

    Args:
        what: what runs in the block, for the message.
    """
    import numpy as np
    import torch

    def state() -> dict[str, Any]:
        return {
            "torch's global generator": torch.get_rng_state().numpy().tobytes(),
            "numpy's global generator": repr(np.random.get_state()),
            "Python's global generator": random.getstate(),
            "torch's default dtype": torch.get_default_dtype(),
        }

    before = state()
    yield
    for name, value in state().items():
        expect(
            value == before[name],
            f"{what} changes {name}. Use the generator it is given, or torch.random.fork_rng",
        )


class _Watch:
    """One audit hook a process, because hooks cannot be taken off again."""

    def __init__(self) -> None:
        self.active: list[str] | None = None
        self.installed = False

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.active is None:
            return
        if event == "open" and _writes(arguments):
            self.active.append(str(arguments[0]))
        elif event in {"os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link"}:
            self.active.append(f"{event} {arguments[0]}")


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, mode, flags = (*arguments, None, None, None)[:3]
    if isinstance(path, int) or str(path) in {os.devnull, "/dev/tty"}:
        return False
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


_watch = _Watch()


@contextmanager
def nothing_written(what: str) -> Iterator[None]:
    """Fail where the block creates, opens for writing, renames or removes a file, anywhere.

    Files of bytecode do not count. What libraries write without Python is not seen.

    Args:
        what: what runs in the block, for the message.
    """
    if not _watch.installed:
        sys.addaudithook(_watch.hook)
        _watch.installed = True
    written: list[str] = []
    _watch.active = written
    try:
        yield
    finally:
        _watch.active = None
    found = [path for path in written if "__pycache__" not in path]
    expect(not found, f"{what} writes to disk: {', '.join(found[:3])}. Only the engine writes files")
