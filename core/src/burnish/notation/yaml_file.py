"""YAML 1.2 as recipes use it: plain mappings, lists and scalars, each with its line.

Read from the parser's events, never constructed into objects: duplicate keys, anchors, aliases, tags and
directives are errors.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from burnish.errors import RecipeError

MAX_CHARACTERS: Final = 1_000_000
"""Longest recipe that is read."""

MAX_DEPTH: Final = 20
"""Deepest nesting that is read."""

Address = tuple[str | int, ...]
"""Where a value stands in a document: keys and list positions from the top."""

_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class Document:
    """What a text says.

    Attributes:
        value: mappings, lists, texts, numbers, booleans and None.
        lines: line, from 1, of every value by its address.
    """

    value: Any
    lines: dict[Address, int] = field(default_factory=dict)


def read_yaml(text: str, name: str) -> Document:
    """Return what a YAML text says.

    Args:
        text: the text.
        name: of the file, for errors.

    Raises:
        RecipeError: it is malformed, too long or too deep, or uses anchors, aliases, tags, directives,
            duplicate keys or several documents.
    """
    if len(text) > MAX_CHARACTERS:
        raise RecipeError(
            f"the file has {len(text):,} characters", where=name, possible=f"at most {MAX_CHARACTERS:,}"
        )
    return _Reader(name).read(text)


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: dict[Address, int] = {}

    def read(self, text: str) -> Document:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            events = iter(YAML(typ="safe", pure=True).parse(text))
            return Document(self._document(events), self._lines)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._error(
                f"not valid YAML: {error.problem or error.context}", mark.line + 1 if mark else 0
            ) from error
        except YAMLError as error:
            raise self._error(f"not valid YAML: {str(error).splitlines()[0]}", 0) from error

    def _document(self, events: Iterator[Any]) -> Any:
        value, documents = None, 0
        for event in events:
            match type(event).__name__:
                case "DocumentStartEvent":
                    documents += 1
                    if documents > 1:
                        raise self._error(
                            "a second document starts", _line(event), "Keep one document in a file"
                        )
                    if event.version or event.tags:
                        raise self._error("directives are not allowed", 1)
                case "StreamStartEvent" | "StreamEndEvent" | "DocumentEndEvent" | "CommentEvent":
                    continue
                case _:
                    value = self._value(event, events, ())
        return value

    def _value(self, event: Any, events: Iterator[Any], address: Address) -> Any:
        line = _line(event)
        self._lines[address] = line
        if len(address) > MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} deep", line)
        kind = type(event).__name__
        if kind == "AliasEvent":
            raise self._error(f"the alias *{event.anchor} is not allowed", line, "Write the value out")
        if event.anchor is not None:
            raise self._error(
                f"the anchor &{event.anchor} is not allowed", line, "Write the value out where it is needed"
            )
        if getattr(event, "tag", None) is not None:
            raise self._error(f"the tag {event.tag} is not allowed", line)
        if kind == "ScalarEvent":
            return self._scalar(event, line)
        if kind == "SequenceStartEvent":
            return self._sequence(events, address)
        return self._mapping(events, address)

    def _sequence(self, events: Iterator[Any], address: Address) -> list[Any]:
        values: list[Any] = []
        for event in events:
            if type(event).__name__ == "SequenceEndEvent":
                break
            values.append(self._value(event, events, (*address, len(values))))
        return values

    def _mapping(self, events: Iterator[Any], address: Address) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for event in events:
            if type(event).__name__ == "MappingEndEvent":
                break
            key, line = self._value(event, events, (*address, "?")), _line(event)
            if isinstance(key, (dict, list)) or key is None:
                raise self._error("a key is no text", line)
            key = event.value
            if key in values:
                raise self._error(
                    f"the key {key!r} is there twice, first in line {self._lines[(*address, key)]}", line
                )
            values[key] = None
            values[key] = self._value(next(events), events, (*address, key))
            self._lines[(*address, key)] = line
        self._lines.pop((*address, "?"), None)
        return values

    def _scalar(self, event: Any, line: int) -> Any:
        text = event.value
        if event.style is not None:
            return text
        if text in {"", "~", "null", "Null", "NULL"}:
            return None
        if text in {"true", "True", "TRUE", "false", "False", "FALSE"}:
            return text[0] in "tT"
        if _INT.fullmatch(text):
            return int(text) if len(text) < 100 else self._too_large(text, line)
        if _BASED.fullmatch(text):
            return int(text, 0)
        if _NOT_FINITE.fullmatch(text):
            raise self._error(f"{text} is not a finite number", line)
        if _FLOAT.fullmatch(text):
            number = float(text)
            return number if math.isfinite(number) else self._too_large(text, line)
        return text

    def _too_large(self, text: str, line: int) -> Any:
        raise self._error(f"{text[:20]} is too large a number", line)

    def _error(self, what: str, line: int, todo: str = "") -> RecipeError:
        return RecipeError(what, where=f"{self._name}, line {line}" if line else self._name, todo=todo)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
