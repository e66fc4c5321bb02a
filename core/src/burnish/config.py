"""Options of a component: given values -> a validated frozen dataclass, and back to JSON.

A config is a frozen dataclass. Its fields are ``bool``, ``int``, ``float``, ``str``, ``Literal``, ``Path``,
``tuple[X, ...]``, ``X | None``, other unions, or another such dataclass; their metadata may hold ``help``
(text), ``range`` (lowest and highest value, None for an open end), ``choices`` and ``running`` (True for an
option that changes no number, such as a timeout: it is in no key).
"""

from __future__ import annotations

import itertools
import math
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from burnish.errors import BurnishError, ConfigError, PluginError, raise_all, suggestion
from burnish.notation.option_value import (
    NONE_WORDS,
    BadValueError,
    checked,
    convert,
    range_words,
    say_value,
    type_words,
)
from burnish.notation.part_text import Quoted

ConfigT = TypeVar("ConfigT")

__all__ = [
    "REQUIRED",
    "Option",
    "describe",
    "expand",
    "from_options",
    "make_config",
    "part_text",
    "paths",
    "range_words",
    "running",
    "say_value",
    "to_options",
]

REQUIRED: Final = object()
"""Default of an option that has none."""

MAX_COMBINATIONS: Final = 10_000
"""Most settings that the lists within one part may stand for."""

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


# -- values to config ----------------------------------------------------------------------------------------


def make_config(
    cls: type[ConfigT], options: Mapping[str, Any], *, where: str = "", base: Path | None = None
) -> ConfigT:
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


def _make(
    cls: type[Any],
    options: Mapping[str, Any],
    prefix: str,
    where: str,
    base: Path,
    errors: list[BurnishError],
) -> object:
    known, hints, values, before = {f.name: f for f in fields(cls) if f.init}, _hints(cls), {}, len(errors)
    for name, value in options.items():
        if name not in known:
            hint = suggestion(str(name), known)
            errors.append(
                ConfigError(
                    f"unknown option {prefix + str(name)!r}. {hint}".strip(),
                    where=where,
                    possible=", ".join(known) or "no options",
                )
            )
            continue
        if is_dataclass(hints[name]) and isinstance(value, Mapping):
            values[name] = _make(
                typing.cast("type[Any]", hints[name]), value, f"{prefix}{name}.", where, base, errors
            )
            continue
        try:
            values[name] = checked(convert(value, hints[name], base), known[name])
        except BadValueError as bad:
            errors.append(ConfigError(f"{prefix}{name} {bad.what}", where=where, possible=bad.possible))
    for name, item in known.items():
        if _default(item) is REQUIRED and name not in options:
            help_text = item.metadata.get("help", "")
            errors.append(
                ConfigError(
                    f"{prefix}{name} is missing" + (f" ({help_text})" if help_text else ""), where=where
                )
            )
    if len(errors) > before:
        return None
    try:
        return cls(**values)
    except BurnishError as error:
        errors.append(
            ConfigError(error.what, where=where or error.where, possible=error.possible, todo=error.todo)
        )
    except (ValueError, TypeError) as error:
        errors.append(ConfigError(str(error), where=where))
    except (Exception, SystemExit) as error:
        errors.append(_failed(cls, error, where))
    return None


def _failed(cls: type[Any], error: BaseException, where: str) -> PluginError:
    name = f"{cls.__module__}.{cls.__qualname__}"
    return PluginError(f"{name} failed: {type(error).__name__}: {error}", where=where)


def _hints(cls: type[Any]) -> dict[str, Any]:
    if cls not in _HINTS:
        try:
            _HINTS[cls] = typing.get_type_hints(cls)
        except Exception as error:
            where, todo = f"{cls.__module__}.{cls.__qualname__}", "Import them outside `if TYPE_CHECKING`"
            raise PluginError(
                f"the types of its options cannot be read: {error}", where=where, todo=todo
            ) from error
    return _HINTS[cls]


def _default(item: Field[Any]) -> Any:
    if item.default is not MISSING:
        return item.default
    if item.default_factory is MISSING:
        return REQUIRED
    try:
        return item.default_factory()
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"the default of {item.name} failed: {type(error).__name__}: {error}", where=_factory(item)
        ) from error


def _factory(item: Field[Any]) -> str:
    factory = item.default_factory
    return f"{getattr(factory, '__module__', '')}.{getattr(factory, '__qualname__', factory)}"


# -- axes ----------------------------------------------------------------------------------------------------


def expand(cls: type[Any], options: Mapping[str, Any], where: str = "") -> list[dict[str, Any]]:
    """Return the product over options that are given a list but take a single value.

    Each such list is an axis.

    Raises:
        ConfigError: such a list is empty, or there are more than `MAX_COMBINATIONS`.
    """
    hints = _hints(cls)
    axes: list[list[tuple[str, Any]]] = []
    for name, value in options.items():
        hint = hints.get(name)
        if is_dataclass(hint) and isinstance(value, Mapping):
            axes.append([(name, inner) for inner in expand(typing.cast("type[Any]", hint), value, where)])
        elif isinstance(value, list) and hint is not None and _list_depth(value) > _tuple_depth(hint):
            if not value:
                raise ConfigError(
                    f"the list of values of {name} is empty", where=where, todo="Leave it out for the default"
                )
            axes.append([(name, item) for item in value])
        else:
            axes.append([(name, value)])
    count = math.prod(map(len, axes))
    if count > MAX_COMBINATIONS:
        raise ConfigError(
            f"the lists of its options give {count:,} combinations",
            where=where,
            possible=f"at most {MAX_COMBINATIONS:,}",
        )
    return [dict(combination) for combination in itertools.product(*axes)]


def _tuple_depth(hint: Any) -> int:
    members = [m for m in typing.get_args(hint) if m is not Ellipsis]
    depth = max(map(_tuple_depth, members), default=0)
    return depth + (typing.get_origin(hint) is tuple)


def _list_depth(value: object) -> int:
    return 1 + min(map(_list_depth, value), default=0) if isinstance(value, list) else 0


# -- config to values ----------------------------------------------------------------------------------------


def to_options(config: object) -> dict[str, Any]:
    """Return every option of a config as JSON values.

    Paths as texts, tuples as lists, nested configs as mappings.
    """
    return {
        item.name: _json(getattr(config, item.name))
        for item in fields(typing.cast("Any", config))
        if item.init
    }


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


def running(config: object) -> tuple[str, ...]:
    """Return the options of the config itself that say how something runs and change no number.

    Those marked ``running`` in their metadata.
    """
    return tuple(item.name for item in fields(config) if item.metadata.get("running"))  # type: ignore[arg-type]


def paths(config: object, prefix: str = "") -> dict[str, Path | tuple[Path, ...]]:
    """Return the options that are paths, or tuples of paths, by dotted name."""
    found: dict[str, Path | tuple[Path, ...]] = {}
    for item in fields(typing.cast("Any", config)):
        value = getattr(config, item.name)
        if isinstance(value, Path) or (
            isinstance(value, tuple) and value and all(isinstance(v, Path) for v in value)
        ):
            found[prefix + item.name] = value
        elif is_dataclass(value):
            found |= paths(value, f"{prefix}{item.name}.")
    return found


def part_text(name: str, config: object) -> str:
    """Return a part as a person would write it: the options that differ from their defaults.

    Of paths only the last name.
    """
    shown = ",".join(f"{key}={say_value(value)}" for key, value in _changed(config, ""))
    return f"{name}:{shown}" if shown else name


def _changed(config: object, prefix: str) -> Iterable[tuple[str, object]]:
    for item in fields(typing.cast("Any", config)):
        value, default = getattr(config, item.name), _default(item)
        if value == default and isinstance(value, bool) == isinstance(default, bool):
            continue
        if is_dataclass(value):
            yield from _changed(value, f"{prefix}{item.name}.")
            continue
        # The text "none" in quotes, where none without them would be read as None.
        quoted = (
            isinstance(value, str)
            and value in NONE_WORDS
            and type(None) in typing.get_args(_hints(type(config))[item.name])
        )
        yield prefix + item.name, Quoted(value) if quoted else value


# -- description ---------------------------------------------------------------------------------------------


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
        choices = item.metadata.get("choices") or (
            typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
        )
        value = default if default is REQUIRED else _json(default)
        found.append(
            Option(
                prefix + item.name,
                type_words(hint),
                value,
                str(item.metadata.get("help", "")),
                item.metadata.get("range"),
                tuple(choices),
            )
        )
    return found
