"""What figures are drawn on: their sizes, settings and names. No pyplot, no global state kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from burnish.errors import one_line
from burnish.report.style import SETTINGS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH: Final = 3.6
"""Inches: three stand beside each other on a desk, one fills a phone."""

WIDE: Final = 4.3
"""Inches, where two stand beside each other."""

LONGEST_NAME: Final = 22
"""Characters of a name in a figure."""


@dataclass(frozen=True)
class Picture:
    """A figure with its words.

    Attributes:
        title: what is shown, short.
        figure: the figure.
        words: what it shows for a reader who cannot see it.
    """

    title: str
    figure: Figure
    words: str


@contextmanager
def drawing() -> Iterator[None]:
    """Hold the settings that figures are made and written with."""
    import warnings

    import matplotlib as mpl

    # The backend stays what it is: a context does not give it back, and a `Figure` that is written to SVG
    # needs none.
    settings: dict[Any, Any] = {
        name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"
    }
    with warnings.catch_warnings(), mpl.rc_context(settings | dict(SETTINGS)):
        # Text stays text in the SVG and is set in the reader's fonts: that this font lacks a sign does not
        # matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def short(name: str, length: int = LONGEST_NAME) -> str:
    """Return a name that fits into a figure."""
    name = one_line(name)
    return name if len(name) <= length else name[: length - 1] + "…"


def height_of(names: Sequence[str]) -> float:
    """Return the height of a figure with a row for each name, in inches."""
    return 0.62 + len(names) * (0.13 + 0.14 * max(1 + name.count("\n") for name in names))


def new_figure(height: float, width: float = WIDTH) -> tuple[Figure, Any]:
    """Return an empty figure of these inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()
