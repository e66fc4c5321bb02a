"""One option's value: from what a person wrote to its type, and back to words."""

from __future__ import annotations

import math
import os
import types
import typing
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final, Literal

from burnish.errors import PluginError
from burnish.notation.part_text import Quoted, Raw, quote

NONE_WORDS: Final = ("none", "null", "")
"""What stands for None in the short notation, where an option can be None."""


class BadValueError(Exception):
    """A value that an option cannot take: what is wrong with it, and what is possible."""

    def __init__(self, what: str, possible: str = "") -> None:
        super().__init__(what)
        self.what, self.possible = what, possible


def convert(value: object, hint: Any, base: Path) -> object:
    """Return a value as the type of its option.

    Args:
        value: of YAML or JSON, or a `Raw` text, or a list of them.
        hint: the option's type.
        base: folder that a relative path starts from.

    Raises:
        BadValueError: it cannot be that.
        PluginError: options cannot have such a type.
    """
    origin = typing.get_origin(hint)
    if origin in {typing.Union, types.UnionType}:
        return _convert_union(value, hint, base)
    if origin is Literal:
        for choice in typing.get_args(hint):
            if value == (str(choice) if isinstance(value, Raw) else choice) and isinstance(
                value, bool
            ) == isinstance(choice, bool):
                return choice
        raise BadValueError(f"is {_say(value)}", ", ".join(str(c) for c in typing.get_args(hint)))
    if origin is tuple:
        return _convert_tuple(value, hint, base)
    if is_dataclass(hint):
        raise BadValueError(
            f"is {_say(value)}, not a mapping of options", ", ".join(f.name for f in fields(hint))
        )
    if isinstance(value, (Mapping, list)):
        raise BadValueError(f"is {_say(value)}, not one {type_words(hint)}")
    converter = _SCALARS.get(hint)
    if converter is None:
        raise PluginError(
            f"options of type {hint} are not supported",
            possible="bool, int, float, str, Literal, Path, tuple, unions, dataclasses",
        )
    return converter(value, base)


def _convert_union(value: object, hint: Any, base: Path) -> object:
    members = typing.get_args(hint)
    word = (isinstance(value, Raw) and not isinstance(value, Quoted)) or (
        isinstance(value, str) and str not in members
    )
    if type(None) in members and (value is None or (word and value in NONE_WORDS)):
        return None
    # Everything is a str in the short notation, so str has the last word.
    for member in sorted((m for m in members if m is not type(None)), key=lambda m: m is str):
        try:
            return convert(value, member, base)
        except BadValueError:
            continue
    raise BadValueError(f"is {_say(value)}, not {type_words(hint)}")


def _convert_tuple(value: object, hint: Any, base: Path) -> tuple[object, ...]:
    if isinstance(value, Raw):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise BadValueError(f"is {_say(value)}, not a list")
    members = typing.get_args(hint)
    if members[-1:] == (Ellipsis,):
        members = (members[0],) * len(value)
    if len(members) != len(value):
        raise BadValueError(f"has {len(value)} values, not {len(members)}")
    return tuple(convert(item, member, base) for item, member in zip(value, members, strict=True))


def _bool(value: object, base: Path) -> bool:
    if isinstance(value, Raw) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    raise BadValueError(f"is {_say(value)}", "true, false")


def _int(value: object, base: Path) -> int:
    number = _number(value, "a whole number")
    if isinstance(number, float) and not number.is_integer():
        raise BadValueError(f"is {_say(value)}, not a whole number")
    return int(number)


def _float(value: object, base: Path) -> float:
    return float(_number(value, "a number"))


def _number(value: object, wanted: str) -> int | float:
    number: object = value
    if isinstance(value, Raw):
        try:
            number = int(value)
        except ValueError:
            try:
                number = float(value)
            except ValueError:
                number = None
    if isinstance(number, bool) or not isinstance(number, Real):
        raise BadValueError(f"is {_say(value)}, not {wanted}")
    number = int(number) if isinstance(number, Integral) else float(number)  # numpy's numbers, too
    if not math.isfinite(number):
        raise BadValueError(f"is {_say(value)}, not a finite number")
    return number


def _str(value: object, base: Path) -> str:
    if isinstance(value, str):
        return str(value)
    raise BadValueError(f"is {_say(value)}, not a text: put it in quotes")


def _path(value: object, base: Path) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise BadValueError(f"is {_say(value)}, not a path")
    if "\0" in str(value):
        raise BadValueError("has a zero byte, which no path can have")
    try:
        path = Path(value).expanduser()
    except RuntimeError as error:
        raise BadValueError(f"is {_say(value)}: {error}") from None
    return Path(os.path.abspath(base / path))  # noqa: PTH100 (resolve() would replace links by what they point at)


_SCALARS: Final[dict[Any, Any]] = {bool: _bool, int: _int, float: _float, str: _str, Path: _path}


def checked(value: object, item: Field[Any]) -> object:
    """Return a converted value that is within its option's range and choices.

    Raises:
        BadValueError: it is not.
    """
    for single in value if isinstance(value, tuple) else (value,):
        _check(single, item)
    return value


def _check(value: object, item: Field[Any]) -> None:
    choices = item.metadata.get("choices")
    if choices is not None and value is not None and value not in choices:
        raise BadValueError(f"is {_say(value)}", ", ".join(map(str, choices)))
    limits = item.metadata.get("range")
    if limits is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    low, high = limits
    if (low is not None and value < low) or (high is not None and value > high):
        raise BadValueError(f"is {_say(value)}", range_words(limits))


def say_value(value: object) -> str:
    """Return a value in the short notation."""
    if isinstance(value, bool) or value is None:
        return "none" if value is None else str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ",".join(map(say_value, value)) + "]"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e6 else repr(value)
    return (
        quote(value.name or str(value))
        if isinstance(value, Path)
        else quote(value if isinstance(value, str) else str(value))
    )


def type_words(hint: Any) -> str:
    """Return a type for people."""
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        words = [type_words(m) for m in members if m is not type(None)]
        return " or ".join([*words, "none"] if type(None) in members else words)
    if origin is Literal:
        return "one of " + ", ".join(map(str, members))
    if origin is tuple:
        return "list of " + " and ".join(dict.fromkeys(type_words(m) for m in members if m is not Ellipsis))
    return {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}.get(
        hint, str(getattr(hint, "__name__", hint))
    )


def range_words(limits: tuple[float | None, float | None]) -> str:
    """Return a range for people."""
    low, high = limits
    if low is not None and high is not None:
        return f"{say_value(low)} to {say_value(high)}"
    return f"at least {say_value(low)}" if low is not None else f"at most {say_value(high)}"


def _say(value: object) -> str:
    if isinstance(value, Raw) or value is None or isinstance(value, bool):
        return f"'{value}'" if isinstance(value, Raw) else say_value(value)
    return repr(value)
