"""Names that people give to splits, columns and arrays. Light."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from burnish.errors import DataError, one_line

NONE: Final = "-"
"""Given for a column or array that would otherwise be found by its name: use none."""

_SPLITS: Final = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "calibration": "calibration",
    "pool": "pool",
    "unlabelled": "pool",
    "unlabeled": "pool",
    "reference": "reference",
}

SPLIT_NAMES: Final = "train, validation (or val, valid, dev), test, test_<name>, calibration, pool, reference"
"""What `split_of` understands, for messages."""


def split_of(name: str) -> str | None:
    """Return the split that a folder or cell names, such as ``"test:blur"`` for ``test_blur``.

    None where it names none.
    """
    folded = name.strip().lower()
    named = re.fullmatch(r"test[ _:-](.+)", folded)
    return f"test:{one_line(named[1])}" if named else _SPLITS.get(folded)


def printable(name: str) -> str:
    r"""Return a name as one line of valid Unicode.

    Undecodable bytes as ``\\xff``, control characters folded.
    """
    return one_line(name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))


def class_order(names: Iterable[str]) -> list[str]:
    """Return distinct class names in order: by number where all are whole numbers, else by name."""
    distinct = set(names)
    if distinct and all(re.fullmatch(r"-?\d{1,18}", name) for name in distinct):
        return sorted(distinct, key=lambda name: (int(name), name))
    return sorted(distinct)


def find(wanted: Iterable[str], have: Iterable[str]) -> list[str]:
    """Return those of `have` whose name is a wanted one whatever its case, in the order of `wanted`."""
    by_name: dict[str, list[str]] = {}
    for name in have:
        by_name.setdefault(name.strip().lower(), []).append(name)
    return [name for want in wanted for name in by_name.get(want.lower(), [])]


def number_groups(names: Iterable[str]) -> list[int]:
    """Return one number per name, equal for equal names; an empty name is a group of its own."""
    numbers: dict[str, int] = {}
    return [numbers.setdefault(name or f"\0{row}", len(numbers)) for row, name in enumerate(names)]


def check_distinct(names: Iterable[str], where: str) -> None:
    """Raise where a list of class names repeats one.

    Raises:
        DataError: a name stands twice.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"class {name!r} stands twice in classes", where=where)
        seen.add(name)
