"""Words: the glossary has each once, and nothing says one that was retired."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

GLOSSARY = "docs/reference/glossary.md"
RETIRED = "tools/retired_words.txt"

_ROW = re.compile(r"^\| \*([^*]+)\* \| (.*) \|$")
_UNREAD = re.compile(r"^(CHANGELOG\.md$|changelog\.d/)|\.svg$")
"""Files that tell of what was, and pictures."""


def check_glossary(text: str) -> Iterator[str]:
    """Yield what is wrong with the glossary: a word that stands twice, out of order or without a meaning."""
    before = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if not (found := _ROW.match(line)):
            continue
        word, meaning = found[1], found[2]
        where = f"{GLOSSARY}, line {number}"
        if word == before:
            yield f"{where}: {word!r} stands twice"
        elif word.casefold() < before.casefold():
            yield f"{where}: {word!r} stands after {before!r}. Sort the words"
        if not meaning.strip():
            yield f"{where}: {word!r} has no meaning"
        before = word


def retired_words(root: Path) -> Mapping[re.Pattern[str], str]:
    """Return what is said instead, by the pattern of a word that is not said any more."""
    lines = (root / RETIRED).read_text("utf-8").splitlines() if (root / RETIRED).is_file() else []
    pairs = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return {re.compile(pattern): instead for pattern, instead in pairs}


def check_retired(name: str, text: str, retired: Mapping[re.Pattern[str], str]) -> Iterator[str]:
    """Yield where a text file says a word that was retired.

    Args:
        name: relative to the root.
        text: its content.
        retired: of `retired_words`.
    """
    if name == RETIRED or _UNREAD.search(name):
        return
    for pattern, instead in retired.items():
        for found in pattern.finditer(text):
            number = text.count("\n", 0, found.start()) + 1
            yield f"{name}, line {number}: {found[0]!r} is not said any more. Say: {instead}"
