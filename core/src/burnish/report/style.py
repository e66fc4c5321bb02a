"""How figures look: one colour and one marker a line in all of them.

A page may replace the colours by its theme's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

INK, MUTED, GRID, PAPER = "#1b1f24", "#59616b", "#dde1e6", "#fdfdfc"
"""Text, axis labels, grid lines, background of the light theme."""

LINES: Final = ("#30353a", "#7683e0", "#cb7a04", "#0a5a06", "#5d0cac", "#a09055", "#aa5a63", "#2f97ac")
LINES_DARK: Final = ("#dde3ea", "#4f86ff", "#ed900c", "#78cd86", "#f79cff", "#f6e477", "#f7525c", "#12a09d")
"""Any two differ for readers with protanopia, deuteranopia or tritanopia, too.

All stand out from the background by 3 to 1.
"""
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "p")
RAMP: Final = ("#1d2b7a", "#5a2ca0", "#9a2f96", "#c8476f", "#d9663f", "#d08a1a")
RAMP_DARK: Final = ("#4668e8", "#9a78f0", "#cf7fd8", "#f48db0", "#ffab86", "#ffd27a")
"""Lighter from one end to the other, so that order shows without hue."""

ROLES: Final[Mapping[str, str]] = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    PAPER: "--paper",
    **{colour: f"--c{i}" for i, colour in enumerate(LINES)},
    **{colour: f"--r{i}" for i, colour in enumerate(RAMP)},
}
"""The name a page's theme gives each colour."""

THEMES: Final[Mapping[str, Mapping[str, str]]] = {
    "light": {name: colour for colour, name in ROLES.items()},
    "dark": {
        "--ink": "#e8eaed",
        "--muted": "#a3abb5",
        "--line": "#333a43",
        "--paper": "#15181c",
        **{f"--c{i}": colour for i, colour in enumerate(LINES_DARK)},
        **{f"--r{i}": colour for i, colour in enumerate(RAMP_DARK)},
    },
}

SETTINGS: Final[Mapping[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "burnish",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.labelsize": 8.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.edgecolor": GRID,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.size": 2.5,
    "ytick.major.size": 0.0,
    "xtick.minor.size": 0.0,
    "ytick.minor.size": 0.0,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "lines.linewidth": 1.5,
    "lines.markersize": 4.0,
    "lines.solid_capstyle": "round",
    "errorbar.capsize": 0.0,
    "axes.formatter.useoffset": False,
}
"""Everything of matplotlib's configuration that a figure depends on.

Its defaults stand for the rest, whatever the user's file says.
"""


@dataclass(frozen=True)
class Look:
    """Colour, marker and dashes of one line."""

    colour: str
    marker: str
    dashes: tuple[float, tuple[float, ...]] | str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """Return a look for every line; the ninth has the first one's colour and a dashed line."""
    styles: tuple[tuple[float, tuple[float, ...]] | str, ...] = ("-", (0, (4, 2)), (0, (1.2, 1.6)))
    count = len(LINES)
    return {
        name: Look(LINES[i % count], MARKERS[(i + i // count) % count], styles[(i // count) % 3])
        for i, name in enumerate(names)
    }


def ramp(count: int) -> list[str]:
    """Return colours for ordered values, spread over the ramp."""
    if count <= 1:
        return [RAMP[0]] * count
    return [RAMP[round(i * (len(RAMP) - 1) / (count - 1))] for i in range(count)]
