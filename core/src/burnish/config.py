"""Options of a component: given values -> a validated frozen dataclass, and back to JSON.

A config is a frozen dataclass. Its fields are ``bool``, ``int``, ``float``, ``str``, ``Literal``, ``Path``, ``tuple[X, ...]``,
``X | None``, other unions, or another such dataclass; their metadata may hold ``help`` (text), ``range`` (lowest and highest value,
None for an open end) and ``choices``.
"""

from __future__ import annotations

import itertools
import math
import os
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from burnish.errors import BurnishError, ConfigError, PluginError, raise_all, suggestion
from burnish.part_text import Raw, quote

ConfigT = TypeVar("ConfigT")

REQUIRED: Final = object()
"""Default of an option that has none."""

_HINTS: Final[dict[type[Any], dict[str, Any]]] = {}


@dataclass(frozen=True)
class Option:
    """What `burnish show` prints about one option.

    Attributes:
        name: its name; dotted for a nested one.
        type: its type in words.
        default: its default as a JSON value, or `REQUIRED`.
        help: what it does.
        range: lowest and highest value, None for an open end; None where there is no range.
        choices: what it can be; empty for anything of its type.
    """

    name: str
    type: str
    default: Any
    help: str
    range: tuple[float | None, float | None] | None
    choices: tuple[Any, ...]


class _BadValueError(Exception):
    def __init__(self, what: str, possible: str = "") -> None:
        super().__init__(what)
        self.what, self.possible = what, possible


# -- values to config ---------------------------------------------------------------------------------------------------------


def make_config(cls: type[ConfigT], options: Mapping[str, Any], *, where: str = "", base: Path | None = None) -> ConfigT:
    """Return a config with these options set and every other at its default.

    Args:
        cls: the config class.
        options: given options: values of YAML or JSON, or `Raw` texts.
        where: what the options belong to, for errors.
        base: folder that relative paths start from; None for the current one.

    Raises:
        ConfigError: an option has a wrong name, type or value.
        CombinedError: several have.
        PluginError: the config class itself cannot be used.
    """
    errors: list[BurnishError] = []
    config = _make(cls, options, "", where, base or Path(), errors)
    raise_all(errors)
    return typing.cast("ConfigT", config)


def _make(cls: type[Any], options: Mapping[str, Any], prefix: str, where: str, base: Path, errors: list[BurnishError]) -> object:
    known, hints, values, before = {f.name: f for f in fields(cls) if f.init}, _hints(cls), {}, len(errors)
    for name, value in options.items():
        if name not in known:
            hint = suggestion(str(name), known)
            errors.append(
                ConfigError(f"unknown option {prefix + str(name)!r}. {hint}".strip(), where=where, possible=", ".join(known) or "no options")
            )
            continue
        if is_dataclass(hints[name]) and isinstance(value, Mapping):
            values[name] = _make(typing.cast("type[Any]", hints[name]), value, f"{prefix}{name}.", where, base, errors)
            continue
        try:
            values[name] = _checked(_convert(value, hints[name], base), known[name])
        except _BadValueError as bad:
            errors.append(ConfigError(f"{prefix}{name} {bad.what}", where=where, possible=bad.possible))
    for name, item in known.items():
        if _default(item) is REQUIRED and name not in options:
            help_text = item.metadata.get("help", "")
            errors.append(ConfigError(f"{prefix}{name} is missing" + (f" ({help_text})" if help_text else ""), where=where))
    if len(errors) > before:
        return None
    try:
        return cls(**values)
    except BurnishError as error:
        errors.append(ConfigError(error.what, where=where or error.where, possible=error.possible, todo=error.todo))
    except (ValueError, TypeError) as error:
        errors.append(ConfigError(str(error), where=where))
    return None


def _hints(cls: type[Any]) -> dict[str, Any]:
    if cls not in _HINTS:
        try:
            _HINTS[cls] = typing.get_type_hints(cls)
        except Exception as error:
            where, todo = f"{cls.__module__}.{cls.__qualname__}", "Import them outside `if TYPE_CHECKING`"
            raise PluginError(f"the types of its options cannot be read: {error}", where=where, todo=todo) from error
    return _HINTS[cls]


def _default(item: Field[Any]) -> Any:
    if item.default is not MISSING:
        return item.default
    return item.default_factory() if item.default_factory is not MISSING else REQUIRED


def _convert(value: object, hint: Any, base: Path) -> object:
    origin = typing.get_origin(hint)
    if origin in {typing.Union, types.UnionType}:
        return _convert_union(value, hint, base)
    if origin is Literal:
        for choice in typing.get_args(hint):
            if value == (str(choice) if isinstance(value, Raw) else choice) and isinstance(value, bool) == isinstance(choice, bool):
                return choice
        raise _BadValueError(f"is {_say(value)}", ", ".join(str(c) for c in typing.get_args(hint)))
    if origin is tuple:
        return _convert_tuple(value, hint, base)
    if is_dataclass(hint):
        raise _BadValueError(f"is {_say(value)}, not a mapping of options", ", ".join(f.name for f in fields(hint)))
    if isinstance(value, (Mapping, list)):
        raise _BadValueError(f"is {_say(value)}, not one {_type_words(hint)}")
    converter = _SCALARS.get(hint)
    if converter is None:
        raise PluginError(f"options of type {hint} are not supported", possible="bool, int, float, str, Literal, Path, tuple, unions, dataclasses")
    return converter(value, base)


def _convert_union(value: object, hint: Any, base: Path) -> object:
    members = typing.get_args(hint)
    word = isinstance(value, Raw) or (isinstance(value, str) and str not in members)
    if type(None) in members and (value is None or (word and value in {"none", "null", ""})):
        return None
    # Everything is a str in the short notation, so str has the last word.
    for member in sorted((m for m in members if m is not type(None)), key=lambda m: m is str):
        try:
            return _convert(value, member, base)
        except _BadValueError:
            continue
    raise _BadValueError(f"is {_say(value)}, not {_type_words(hint)}")


def _convert_tuple(value: object, hint: Any, base: Path) -> tuple[object, ...]:
    if isinstance(value, Raw):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise _BadValueError(f"is {_say(value)}, not a list")
    members = typing.get_args(hint)
    if members[-1:] == (Ellipsis,):
        members = (members[0],) * len(value)
    if len(members) != len(value):
        raise _BadValueError(f"has {len(value)} values, not {len(members)}")
    return tuple(_convert(item, member, base) for item, member in zip(value, members, strict=True))


def _bool(value: object, base: Path) -> bool:
    if isinstance(value, Raw) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if isinstance(value, bool):
        return value
    raise _BadValueError(f"is {_say(value)}", "true, false")


def _int(value: object, base: Path) -> int:
    number = _number(value, "a whole number")
    if isinstance(number, float) and not number.is_integer():
        raise _BadValueError(f"is {_say(value)}, not a whole number")
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
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise _BadValueError(f"is {_say(value)}, not {wanted}")
    if not math.isfinite(number):
        raise _BadValueError(f"is {_say(value)}, not a finite number")
    return number


def _str(value: object, base: Path) -> str:
    if isinstance(value, str):
        return str(value)
    raise _BadValueError(f"is {_say(value)}, not a text: put it in quotes")


def _path(value: object, base: Path) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise _BadValueError(f"is {_say(value)}, not a path")
    if "\0" in str(value):
        raise _BadValueError("has a zero byte, which no path can have")
    try:
        path = Path(value).expanduser()
    except RuntimeError as error:
        raise _BadValueError(f"is {_say(value)}: {error}") from None
    return Path(os.path.abspath(base / path))  # noqa: PTH100 (resolve() would replace links by what they point at)


_SCALARS: Final[dict[Any, Any]] = {bool: _bool, int: _int, float: _float, str: _str, Path: _path}


def _checked(value: object, item: Field[Any]) -> object:
    for single in value if isinstance(value, tuple) else (value,):
        _check(single, item)
    return value


def _check(value: object, item: Field[Any]) -> None:
    choices = item.metadata.get("choices")
    if choices is not None and value is not None and value not in choices:
        raise _BadValueError(f"is {_say(value)}", ", ".join(map(str, choices)))
    limits = item.metadata.get("range")
    if limits is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    low, high = limits
    if (low is not None and value < low) or (high is not None and value > high):
        raise _BadValueError(f"is {_say(value)}", range_words(limits))


# -- axes -------------------------------------------------------------------------------------------------------------------


def expand(cls: type[Any], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the product over options that are given a list but take a single value: each such list is an axis."""
    hints = _hints(cls)
    axes: list[list[tuple[str, Any]]] = []
    for name, value in options.items():
        hint = hints.get(name)
        if is_dataclass(hint) and isinstance(value, Mapping):
            axes.append([(name, inner) for inner in expand(typing.cast("type[Any]", hint), value)])
        elif isinstance(value, list) and hint is not None and _list_depth(value) > _tuple_depth(hint):
            axes.append([(name, item) for item in value])
        else:
            axes.append([(name, value)])
    return [dict(combination) for combination in itertools.product(*axes)]


def _tuple_depth(hint: Any) -> int:
    members = [m for m in typing.get_args(hint) if m is not Ellipsis]
    depth = max(map(_tuple_depth, members), default=0)
    return depth + (typing.get_origin(hint) is tuple)


def _list_depth(value: object) -> int:
    return 1 + min(map(_list_depth, value), default=0) if isinstance(value, list) else 0


# -- config to values ---------------------------------------------------------------------------------------------------------


def to_options(config: object) -> dict[str, Any]:
    """Return every option of a config as JSON values: paths as texts, tuples as lists, nested configs as mappings."""
    return {item.name: _json(getattr(config, item.name)) for item in fields(typing.cast("Any", config)) if item.init}


def from_options(cls: type[ConfigT], options: Mapping[str, Any], where: str = "") -> ConfigT:
    """Return the config that `to_options` gave these options for.

    Raises:
        ConfigError: an option has a wrong name, type or value; a `CombinedError` where several have.
    """
    return make_config(cls, options, where=where)


def _json(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return to_options(value) if is_dataclass(value) else value


def paths(config: object, prefix: str = "") -> dict[str, Path | tuple[Path, ...]]:
    """Return the options that are paths, or tuples of paths, by dotted name."""
    found: dict[str, Path | tuple[Path, ...]] = {}
    for item in fields(typing.cast("Any", config)):
        value = getattr(config, item.name)
        if isinstance(value, Path) or (isinstance(value, tuple) and value and all(isinstance(v, Path) for v in value)):
            found[prefix + item.name] = value
        elif is_dataclass(value):
            found |= paths(value, f"{prefix}{item.name}.")
    return found


def label(name: str, config: object) -> str:
    """Return a part as a person would write it: the options that differ from their defaults; of paths only the last name."""
    shown = ",".join(f"{key}={say_value(value)}" for key, value in _changed(config, ""))
    return f"{name}:{shown}" if shown else name


def _changed(config: object, prefix: str) -> Iterable[tuple[str, object]]:
    for item in fields(typing.cast("Any", config)):
        value, default = getattr(config, item.name), _default(item)
        if value == default and isinstance(value, bool) == isinstance(default, bool):
            continue
        if is_dataclass(value):
            yield from _changed(value, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, value


def say_value(value: object) -> str:
    """Return a value in the short notation."""
    if isinstance(value, bool) or value is None:
        return "none" if value is None else str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ",".join(map(say_value, value)) + "]"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e6 else repr(value)
    return quote(value.name or str(value)) if isinstance(value, Path) else quote(str(value))


# -- description --------------------------------------------------------------------------------------------------------------


def describe(cls: type[Any], prefix: str = "") -> list[Option]:
    """Return every option of a config class, nested ones with dotted names.

    Raises:
        PluginError: the config class itself cannot be used.
    """
    hints, found = _hints(cls), []
    for item in (f for f in fields(cls) if f.init):
        hint, default = hints[item.name], _default(item)
        if is_dataclass(hint):
            found += describe(typing.cast("type[Any]", hint), f"{prefix}{item.name}.")
            continue
        choices = item.metadata.get("choices") or (typing.get_args(hint) if typing.get_origin(hint) is Literal else ())
        value = default if default is REQUIRED else _json(default)
        found.append(
            Option(prefix + item.name, _type_words(hint), value, str(item.metadata.get("help", "")), item.metadata.get("range"), tuple(choices))
        )
    return found


def _type_words(hint: Any) -> str:
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        words = [_type_words(m) for m in members if m is not type(None)]
        return " or ".join([*words, "none"] if type(None) in members else words)
    if origin is Literal:
        return "one of " + ", ".join(map(str, members))
    if origin is tuple:
        return "list of " + " and ".join(dict.fromkeys(_type_words(m) for m in members if m is not Ellipsis))
    return {bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path"}.get(hint, str(getattr(hint, "__name__", hint)))


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
