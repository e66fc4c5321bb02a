"""Records of JSON-lines files. Light."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

Record = tuple[int, dict[str, Any] | str]
"""A line's number, and its object or why it has none."""


def records_of(file: Iterable[str]) -> Iterator[Record]:
    """Yield the lines that are not blank, by number: an object, or why there is none."""
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, _object(line)


def keys_of(records: Iterable[Record]) -> tuple[list[str], int]:
    """Return the keys of all records in the order of their first use, and the number of the first line."""
    keys: dict[str, None] = {}
    first = 0
    for number, record in records:
        first = first or number
        if isinstance(record, dict):
            keys.update(dict.fromkeys(record))
    return list(keys), first


def _object(line: str) -> dict[str, Any] | str:
    """Return the JSON object of a line, or why it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"the line is no JSON object: {error}"
    return record if isinstance(record, dict) else "the line is no JSON object"
