"""Plain aligned text for the light commands."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click


def table(rows: Sequence[Sequence[str]], indent: int = 2) -> Iterator[str]:
    """Yield rows as aligned lines; on a terminal, a line ends at its width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        line = (" " * indent + "  ".join(cells)).rstrip()
        yield line[: limit - 3] + "..." if 0 < limit < len(line) else line


def echo(lines: Sequence[str] | Iterator[str]) -> None:
    """Print lines."""
    for line in lines:
        click.echo(line)


def echo_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
