"""The short notation of a part: ``name:key=value,key2=value2``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from burnish.errors import RecipeError, suggestion

_OPEN, _CLOSE = "([{", ")]}"


class Raw(str):
    """A value written in the short notation: which type it has is decided by the option it is for."""

    __slots__ = ()


class Quoted(Raw):
    """A value that stood in quotes: a text, where the option can be one."""

    __slots__ = ()


@dataclass(frozen=True)
class Use:
    """A part as written: a component's name and the options given.

    Attributes:
        name: bare, or ``plugin/name``.
        options: values as YAML gave them, or `Raw` texts and lists of them from the short notation; nested
            mappings for nested options.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


def read_use(value: object, where: str = "") -> Use:
    """Return a part from its short notation or from ``{use: name, with: {...}}``.

    Raises:
        RecipeError: it is neither, or the notation is malformed.
    """
    if isinstance(value, str):
        return parse_text(value, where)
    if not isinstance(value, Mapping):
        raise RecipeError(
            f"{value!r} is no part",
            where=where,
            possible="name, name:key=value,..., {use: name, with: {key: value}}",
        )
    for key in value:
        if key not in {"use", "with"}:
            raise RecipeError(
                f"unknown key {key!r}. {suggestion(str(key), ['use', 'with'])}",
                where=where,
                possible="use, with",
            )
    name, options = value.get("use"), value.get("with")
    if not isinstance(name, str) or not name.strip():
        raise RecipeError(
            "'use' does not name a component", where=where, todo="Write {use: name, with: {key: value}}"
        )
    if options is not None and not isinstance(options, Mapping):
        raise RecipeError(
            f"'with' of {name} is {options!r}, not a mapping",
            where=where,
            todo="Write {use: name, with: {key: value}}",
        )
    return Use(name.strip(), dict(options or {}))


def parse_text(text: str, where: str = "") -> Use:
    """Return a part from ``name:key=value,key2=value2``.

    Values may stand in single or double quotes; commas inside quotes or brackets belong to the value;
    ``a.b=1`` sets the option b of the nested options a; ``[x, y]`` is a list.

    Raises:
        RecipeError: the notation is malformed.
    """
    name, colon, rest = text.partition(":")
    name = name.strip()
    if not name:
        raise RecipeError(
            f"{text!r} does not start with a name", where=where, todo="Write name:key=value,key2=value2"
        )
    options: dict[str, Any] = {}
    if colon and not rest.strip():
        raise RecipeError(
            f"nothing follows the colon of {text!r}", where=where, todo="Write name:key=value,key2=value2"
        )
    for item in split(rest, where) if colon else ():
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key:
            raise RecipeError(
                f"{item.strip()!r} in {text!r} is not of the form key=value",
                where=where,
                todo="Put a value with commas in quotes",
            )
        set_option(options, key, parse_value(value, where), where)
    return Use(name, options)


def set_option(
    options: dict[str, Any], key: str, value: object, where: str = "", *, replace: bool = False
) -> None:
    """Set a dotted option in nested mappings.

    Raises:
        RecipeError: it is there already (unless `replace`), or one of the names before the last is no
            mapping.
    """
    *parents, last = key.split(".")
    for parent in parents:
        inner = options.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise RecipeError(f"{key!r} and {parent!r} are both given", where=where)
        options = inner
    if last in options and not replace:
        raise RecipeError(f"{key!r} is given twice", where=where)
    options[last] = value


def parse_value(text: str, where: str = "") -> Raw | list[Any]:
    """Return a value of the short notation.

    A list for ``[a, b]``, a `Quoted` text without its quotes, else a `Raw` text.
    """
    text = text.strip()
    if text[:1] == "[" and text[-1:] == "]":
        inner = text[1:-1]
        return [parse_value(item, where) for item in split(inner, where)] if inner.strip() else []
    if text[:1] in {"'", '"'} and len(text) > 1 and text[-1] == text[0]:
        return Quoted(text[1:-1].replace(text[0] * 2, text[0]))
    return Raw(text)


def quote(text: str) -> str:
    """Return a text as `parse_value` reads it back; a `Quoted` one in quotes again."""
    plain = (
        text
        and not isinstance(text, Quoted)
        and text == text.strip()
        and not any(c in ",'\"" + _OPEN + _CLOSE for c in text)
    )
    return text if plain else "'" + text.replace("'", "''") + "'"


def split(text: str, where: str = "") -> list[str]:
    """Split at commas that stand in no quotes and no brackets.

    Raises:
        RecipeError: a quote or bracket is not closed.
    """
    return list(_split(text, where))


def _split(text: str, where: str) -> Iterator[str]:
    start, stack, quoted, opens = 0, "", "", True
    for position, char in enumerate(text):
        if quoted:
            quoted = "" if char == quoted else quoted
        elif char in "'\"" and (
            opens or text[position - 1] == char
        ):  # a doubled quote goes on with the same text
            quoted = char
        elif char in _OPEN:
            stack += _CLOSE[_OPEN.index(char)]
        elif char in _CLOSE:
            if stack[-1:] != char:
                raise RecipeError(
                    f"{char!r} closes nothing in {text!r}", where=where, todo="Put the value in quotes"
                )
            stack = stack[:-1]
        elif char == "," and not stack:
            yield text[start:position]
            start = position + 1
        if not char.isspace():
            opens = char in ",=" + _OPEN
    if quoted or stack:
        raise RecipeError(
            f"{quoted or stack[-1]!r} is missing in {text!r}", where=where, todo="Put the value in quotes"
        )
    yield text[start:]


def called(name: str, labels: Iterable[str]) -> list[str]:
    """Return those of some labels that a name means: the one it is.

    Else those of its component, with its plugin or bare.
    """
    distinct = {label: label.partition(":")[0] for label in labels}
    if name in distinct:
        return [name]
    found = [label for label, full in distinct.items() if full == name]
    return found or [label for label, full in distinct.items() if full.rpartition("/")[2] == name]
