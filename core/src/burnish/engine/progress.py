"""Progress: one line a stage with rate and time left.

Plain lines, or nothing, where the output is no terminal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Final, Protocol

_LONGEST: Final = 60

Advance = Callable[[float], None]
"""Called with how much of the stage is done so far, in the stage's own units."""


class Display(Protocol):
    """Where the engine says what it is doing."""

    @contextmanager
    def stage(self, name: str, total: float, unit: str) -> Iterator[Advance]:
        """Show one stage of `total` units."""

    def say(self, line: str) -> None:
        """Show one line of its own."""


class Silent:
    """Says nothing; warnings are kept in the study's notes."""

    @contextmanager
    def stage(self, name: str, total: float, unit: str) -> Iterator[Advance]:
        """Show nothing."""
        yield lambda done: None

    def say(self, line: str) -> None:
        """Say nothing."""


class Plain:
    """One line at the end of each stage, for logs.

    Args:
        out: where to write.
    """

    def __init__(self, out: IO[str]) -> None:
        self.out = out

    @contextmanager
    def stage(self, name: str, total: float, unit: str) -> Iterator[Advance]:
        """Write a line when the stage has ended."""
        start = time.monotonic()
        yield lambda done: None
        self.say(_ended(name, total, unit, start))

    def say(self, line: str) -> None:
        """Write one line."""
        print(line, file=self.out, flush=True)


class Bars:
    """Bars in a terminal (rich).

    Args:
        out: the terminal.
    """

    def __init__(self, out: IO[str]) -> None:
        from rich.console import Console

        self.console = Console(file=out, highlight=False)
        self._live = False

    @contextmanager
    def stage(self, name: str, total: float, unit: str) -> Iterator[Advance]:
        """Show a bar with rate and time left; it stays when the stage has ended.

        A stage inside another has a line at its end, so that one bar moves at a time.
        """
        if self._live:
            start = time.monotonic()
            yield lambda done: None
            self.say(_ended(name, total, unit, start))
            return
        self._live = True
        try:
            with self._bar(name, total, unit) as advance:
                yield advance
        finally:
            self._live = False

    @contextmanager
    def _bar(self, name: str, total: float, unit: str) -> Iterator[Advance]:
        from rich.progress import (
            BarColumn,
            Progress,
            ProgressColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        class Rate(ProgressColumn):
            def render(self, task: Task) -> Text:
                speed = task.finished_speed or task.speed or 0.0
                return Text(
                    f"{task.completed:,.0f}/{task.total or 0:,.0f} {unit}  {speed:,.3g}/s", style="dim"
                )

        name_and_bar = (TextColumn("{task.description:<28}"), BarColumn(bar_width=24))
        columns = (*name_and_bar, Rate(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        with Progress(*columns, console=self.console) as bars:
            task = bars.add_task(name, total=total)
            yield lambda done: bars.update(task, completed=done)
            bars.update(task, completed=total)

    def say(self, line: str) -> None:
        """Write one line."""
        self.console.print(line, markup=False)


def _ended(name: str, total: float, unit: str, start: float) -> str:
    """Return the line of a stage that has ended."""
    return f"{name}: {total:,.0f} {unit} in {time.monotonic() - start:.1f} s"


def heading(number: int, total: int, backbone: str) -> str:
    """Return the line that stages of one of several backbones stand under; empty where there is only one.

    Args:
        number: which backbone it is, from 1.
        total: how many the study has.
        backbone: its text.
    """
    if total < 2:
        return ""
    short = backbone if len(backbone) <= _LONGEST else backbone[: _LONGEST - 3] + "..."
    return f"backbone {number} of {total}: {short}"


def display(quiet: bool = False) -> Display:
    """Return bars on a terminal, plain lines elsewhere, or silence; always on standard error."""
    if quiet:
        return Silent()
    return Bars(sys.stderr) if sys.stderr.isatty() else Plain(sys.stderr)
