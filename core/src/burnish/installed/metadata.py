"""What is installed: the one place that reads distribution metadata, with `importlib_metadata`.

Nothing else in burnish imports it or the standard library's twin, for mixing the two gives objects of
different classes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import importlib_metadata

NotInstalledError = importlib_metadata.PackageNotFoundError
"""Raised by `version` where there is no such distribution."""

_HEADER = re.compile(r"^(Name|Version|Requires-Dist):[ \t]*(.+?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Installed:
    """One entry point and the distribution it is from.

    Attributes:
        name: name of the entry point.
        value: what it points at, ``"package.module"``.
        distribution: name of the distribution, as it writes it.
        version: its version.
        source: ``"index"``, ``"wheel"`` (a wheel file or archive) or ``"folder"`` (installed from a folder,
            editable or not).
    """

    name: str
    value: str
    distribution: str
    version: str
    source: str


def entry_points(group: str) -> Iterator[Installed]:
    """Yield the entry points of a group, each distribution once even if it is on the path twice."""
    seen: set[tuple[str, str, str]] = set()
    for entry in importlib_metadata.entry_points(group=group):
        handle = entry.dist
        if handle is None:
            continue
        name, version = _name_and_version(handle)
        identity = (entry.name, entry.value, normal_name(name))
        if identity in seen:
            continue
        seen.add(identity)
        yield Installed(entry.name, entry.value, name, version, _source(handle))


def version(distribution: str) -> str:
    """Return the installed version of a distribution.

    Raises:
        NotInstalledError: it is not installed.
    """
    return _name_and_version(importlib_metadata.distribution(distribution))[1]


def requires(distribution: str) -> list[str]:
    """Return the requirements of a distribution, as written in its metadata.

    Raises:
        NotInstalledError: it is not installed.
    """
    return [
        value
        for name, value in _header(importlib_metadata.distribution(distribution))
        if name == "Requires-Dist"
    ]


def source(distribution: str) -> str:
    """Return how a distribution was installed: ``"index"``, ``"wheel"`` or ``"folder"``.

    Raises:
        NotInstalledError: it is not installed.
    """
    return _source(importlib_metadata.distribution(distribution))


def normal_name(name: str) -> str:
    """Return a distribution name in the normal form of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _name_and_version(handle: Any) -> tuple[str, str]:
    found = dict(reversed(_header(handle)))
    return found.get("Name", "unknown"), found.get("Version", "unknown")


def _header(handle: Any) -> list[tuple[str, str]]:
    # Parsing the whole file as an e-mail message, as `handle.version` does, takes longer than everything else
    # in here.
    text = handle.read_text("METADATA") or handle.read_text("PKG-INFO") or ""
    return _HEADER.findall(text.split("\n\n", 1)[0])


def _source(handle: Any) -> str:
    text = handle.read_text("direct_url.json")
    if not text:
        return "index"
    try:
        origin = json.loads(text)
    except ValueError:
        return "folder"
    return "folder" if isinstance(origin, dict) and "dir_info" in origin else "wheel"
