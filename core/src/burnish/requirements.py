"""Requirements such as ``burnish-nmtune>=0.1``, compared with what is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from packaging.requirements import InvalidRequirement, Requirement

from burnish import _metadata


def unmet(requirements: Iterable[str]) -> Iterator[str]:
    """Yield every requirement that is not met, with what is there instead; extras are left out.

    Raises:
        ValueError: one is malformed; the text says how.
    """
    for text in requirements:
        requirement = _parse(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            installed = _metadata.version(requirement.name)
        except _metadata.NotInstalledError:
            yield f"{wanted} is not installed"
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            yield f"{wanted}, but {installed} is installed"


def extra_of(requirements: Iterable[str], library: str) -> str:
    """Return the extra under which a library is listed, or the empty string."""
    for text in requirements:
        requirement = _parse(text)
        if requirement.marker is None or _metadata.normal_name(requirement.name) != _metadata.normal_name(library):
            continue
        for part in str(requirement.marker).split("extra == ")[1:]:
            return part.split()[0].strip("\"'()")
    return ""


def _parse(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from None
