"""Photographs of hand signs for the digits, with six shifted test sets: a real data set that needs no download."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib.resources import files

import burnish
from burnish.errors import DataError

BURNISH_API = 1

SHIFTS_VERSION = 1
"""Version of what the shifts compute; part of the fingerprint."""

DATA_FILE = "signs.safetensors"
PROVENANCE_FILE = "provenance.json"

REINSTALL = "Install the package again: pip install --force-reinstall burnish-signs"


@dataclass(frozen=True)
class SignsConfig:
    """Options of the source `signs`."""

    shifts: bool = field(default=True, metadata={"help": "with the six shifted test sets beside the plain one"})


def fingerprint(config: SignsConfig) -> str:
    """Return a hash of the packaged photographs, of the version of the shifts and of the config; light.

    Raises:
        DataError: the packaged file cannot be read.
    """
    shifts = f"shifts {SHIFTS_VERSION}" if config.shifts else "no shifts"
    return hashlib.sha256(packaged(DATA_FILE) + shifts.encode()).hexdigest()


def packaged(name: str) -> bytes:
    """Return a file of the package's data folder.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return (files(__name__) / "data" / name).read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or error}", where="burnish-signs", todo=REINSTALL) from error


@burnish.hookimpl
def burnish_sources() -> list[burnish.Source]:
    """Return the one source."""
    return [
        burnish.Source(
            name="signs",
            summary="2,062 photographs of hand signs for 0 to 9 by 207 signers, with six shifted test sets",
            paper="arXiv:2011.08927",
            target="burnish_signs.source:Signs",
            config=SignsConfig,
            fingerprint="burnish_signs:fingerprint",
            provides=frozenset({"image", "labels", "groups"}),
        )
    ]
