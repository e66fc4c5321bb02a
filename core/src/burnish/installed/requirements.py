"""Requirements such as ``burnish-nmtune>=0.1``, compared with what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from burnish.installed import metadata

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_SIMPLE = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[\w, -]*\])?\s*([><=].*)")
_BOUND = re.compile(r"\s*(>=|==|<)\s*([0-9]+(?:\.[0-9]+)*)(\.\*)?\s*")
_RELEASE = re.compile(r"[0-9]+(\.[0-9]+)*")


def unmet(requirements: Iterable[str]) -> Iterator[str]:
    """Yield every requirement that is not met, with what is there instead; extras are left out.

    Raises:
        ValueError: one is malformed; the text says how.
    """
    for text in requirements:
        if re.search(r";.*\bextra\s*==", text) or _simply_met(text):
            continue
        requirement = _parse(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            installed = metadata.version(requirement.name)
        except metadata.NotInstalledError:
            yield f"{wanted} is not installed"
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            yield f"{wanted}, but {installed} is installed"


def _simply_met(text: str) -> bool:
    """Return whether ``name>=1.2,<2``, ``name==1.2`` or ``name==1.2.*`` is met by a plain release.

    It decides nothing else: importing `packaging`, which does, takes longer than all that `burnish plugins`
    does beside it.
    """
    match = _SIMPLE.fullmatch(text)
    if match is None:
        return False
    try:
        installed = metadata.version(match[1])
    except metadata.NotInstalledError:
        return False
    bounds = [_BOUND.fullmatch(bound) for bound in match[2].split(",")]
    if not _RELEASE.fullmatch(installed):
        return False
    return all(
        bound and _within(_numbers(installed), bound[1], _numbers(bound[2]), bound[3]) for bound in bounds
    )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _within(have: list[int], how: str, wanted: list[int], star: str | None) -> bool:
    if how == "==":
        return (have[: len(wanted)] if star else have) == wanted
    if how == "<":
        while wanted[-1:] == [0]:
            wanted = wanted[:-1]  # 1 is not below 1.0
        return not star and have < wanted
    return not star and have >= wanted


def extra_of(requirements: Iterable[str], library: str) -> str:
    """Return the extra under which a library is listed, or the empty string."""
    for text in requirements:
        requirement = _parse(text)
        if requirement.marker is None or metadata.normal_name(requirement.name) != metadata.normal_name(
            library
        ):
            continue
        for part in str(requirement.marker).split("extra == ")[1:]:
            return part.split()[0].strip("\"'()")
    return ""


def _parse(text: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from None
