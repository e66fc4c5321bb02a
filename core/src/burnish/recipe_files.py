"""The recipes in a package's folder ``recipes``, found without a word about each in the plugin. Light.

What is read here is the head of every file: `burnish list` names recipes, and imports no YAML parser for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from burnish.descriptors import RecipeFile
from burnish.errors import PluginError

FOLDER: Final = "recipes"
"""Folder of a package that its recipes lie in."""

SUFFIXES: Final = (".yaml", ".yml")
"""Endings of recipe files."""

_HEAD: Final = 4096
"""Bytes of a file that are read to find its summary."""

_SUMMARY = re.compile(
    r"""^summary:[ ]+(?:"(?P<double>[^"\\\n]+)"|'(?P<single>[^'\n]+)'|(?P<plain>[^"'\s][^\n]*?))[ ]*$""",
    re.MULTILINE,
)


def recipes(package: str) -> list[RecipeFile]:
    """Return a descriptor for every YAML file in a package's folder ``recipes``.

    A recipe is named like its file; its summary is the key ``summary`` of the file, one line near the top.

    Args:
        package: such as ``"burnish_nmtune"``.

    Raises:
        PluginError: there is no such package or folder, or a file has no summary.
    """
    folder = _folder(package)
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    return [
        RecipeFile(
            name=file.stem, package=package, file=f"{FOLDER}/{file.name}", summary=_summary(file, package)
        )
        for file in files
    ]


def _folder(package: str) -> Path:
    for folder in _folders(package):
        if folder.is_dir():
            return folder
    raise PluginError(f"package {package!r} has no folder {FOLDER!r}", todo="Put its recipes there")


def _folders(package: str) -> Iterator[Path]:
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location) / FOLDER


def _summary(file: Path, package: str) -> str:
    where = f"{package}, {FOLDER}/{file.name}"
    try:
        with file.open("rb") as stream:
            head = stream.read(_HEAD).decode("utf-8-sig", errors="replace")
    except OSError as error:
        raise PluginError(f"it cannot be read: {error.strerror or error}", where=where) from error
    found = _SUMMARY.search(head.replace("\r\n", "\n"))
    if found is None:
        raise PluginError(
            "the recipe has no summary near its top",
            where=where,
            todo='Write summary: "what it asks", in one line',
        )
    return str(found["double"] or found["single"] or found["plain"])
