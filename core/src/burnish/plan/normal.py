"""The normal form of a recipe: every default filled in. Reading it back gives the same keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from burnish._version import __version__
from burnish.numeric import DTYPES, Numeric
from burnish.plan.model import Part

_PLAIN = re.compile(r"[A-Za-z][\w./-]*")
_WORDS = {"null", "true", "false"}


def write_part(part: Part) -> Any:
    """Return a part as a recipe writes it."""
    name = f"{part.plugin}/{part.name}"
    return {"use": name, "with": dict(part.options)} if part.options else name


def write_axis(values: Sequence[Any]) -> Any:
    """Return the values along an axis as a recipe writes them: a single one without a list."""
    return values[0] if len(values) == 1 else list(values)


def write_numeric(numeric: Numeric) -> dict[str, Any]:
    """Return a numeric mode as a recipe pins it."""
    names = {torch: name for name, torch in DTYPES.items()}
    return {"dtype": names[numeric.dtype], "device": numeric.device, "threads": numeric.threads}


def to_yaml(plan: Any) -> str:
    """Return a plan as the text of ``plan.yaml``, which can be run again.

    Args:
        plan: a `burnish.plan.Plan`.
    """
    head = (
        f"# A plan of burnish {__version__}, torch {plan.numeric.torch or 'not installed'}. To run it again:"
        " burnish run plan.yaml\n"
    )
    return head + "".join(f"{line}\n" for line in _block(plan.recipe, 0))


def _block(mapping: Mapping[str, Any], indent: int) -> Iterator[str]:
    pad = "  " * indent
    for key, value in mapping.items():
        if isinstance(value, Mapping) and value:
            yield f"{pad}{_scalar(key)}:"
            yield from _block(value, indent + 1)
        elif isinstance(value, list) and value and any(isinstance(item, (Mapping, list)) for item in value):
            yield f"{pad}{_scalar(key)}:"
            yield from (f"{pad}  - {_flow(item)}" for item in value)
        else:
            yield f"{pad}{_scalar(key)}: {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(map(_flow, value)) + "]" if isinstance(value, list) else _scalar(value)


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value, allow_nan=False)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return (
        char
        if char.isprintable()
        else f"\\u{ord(char):04x}"
        if ord(char) < 1 << 16
        else f"\\U{ord(char):08x}"
    )
