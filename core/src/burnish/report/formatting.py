"""Numbers as people read them.

Fractions in points with one decimal, nats with three, and ``-`` for what is not defined. Light.
"""

from __future__ import annotations

import math
from typing import Final

from burnish.report.summary import Difference, Number

MISSING: Final = "-"
NO_X: Final = "\u2013"
_BYTES: Final = ("B", "kB", "MB", "GB", "TB")
_DECIMALS: Final = {"fraction": 1, "nats": 3, "s": 1, "count": 1}


def shown(value: float, unit: str) -> str:
    """Return a value in its unit, without the unit's name; ``-`` where it is not finite."""
    if not math.isfinite(value):
        return MISSING
    if unit == "B":
        power = min(int(math.log(max(abs(value), 1), 1000)), len(_BYTES) - 1)
        return f"{value / 1000**power:.{1 if power else 0}f} {_BYTES[power]}"
    if unit == "count" and value == int(value):
        return f"{value:,.0f}"
    text = (
        f"{value * 100 if unit == 'fraction' else value:.{_DECIMALS[unit]}f}"
        if unit in _DECIMALS
        else f"{value:.4g}"
    )
    return text.removeprefix("-") if float(text) == 0 else text


def signed(value: float, unit: str) -> str:
    """Return a difference in its unit with its sign."""
    text = shown(value, unit)
    return (
        text
        if text == MISSING or text.startswith("-") or float(text.split()[0].replace(",", "")) == 0
        else f"+{text}"
    )


def unit_name(unit: str) -> str:
    """Return what the numbers of a unit are called."""
    return {"fraction": "points (%)", "nats": "nats", "s": "seconds", "B": "bytes", "count": "items"}.get(
        unit, ""
    )


def half_width(number: Number) -> str:
    """Return ``81.2 ±1.3``, the mean and half the width of its interval.

    The mean alone where there is no interval.
    """
    mean = shown(number.value, number.unit)
    half = shown((number.high - number.low) / 2, number.unit)
    return mean if MISSING in (mean, half) else f"{mean} ±{half}"


def from_to(number: Number) -> str:
    """Return ``81.2 [79.9, 82.5]``, the mean and its interval; the mean alone where there is no interval."""
    mean, low, high = (shown(value, number.unit) for value in (number.value, number.low, number.high))
    return mean if MISSING in (mean, low, high) else f"{mean} [{low}, {high}]"


def interval(difference: Difference, unit: str) -> str:
    """Return ``[-0.1, +0.9]``."""
    low, high = signed(difference.low, unit), signed(difference.high, unit)
    return MISSING if MISSING in (low, high) else f"[{low}, {high}]"


def probability(p: float) -> str:
    """Return a p-value with three decimals; ``<0.001`` below that."""
    return MISSING if not math.isfinite(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def mean(values: list[float]) -> float:
    """Return the mean of what is finite; NaN where nothing is."""
    known = [value for value in values if math.isfinite(value)]
    return math.fsum(known) / len(known) if known else math.nan


def x_name(x: object) -> str:
    """Return a value of the x axis as it is written in a recipe; a dash for a row that has no such option."""
    if x is None:
        return NO_X
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, list):
        return "[" + ", ".join(map(x_name, x)) + "]"
    return f"{x:g}" if isinstance(x, float) else str(x)
