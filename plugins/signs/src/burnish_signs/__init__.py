"""Photographs of hand signs for the digits, with six shifted test sets, and scenes drawn from them.

Data that need no download.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from importlib.resources import files

import burnish
from burnish.errors import ConfigError, DataError

BURNISH_API = 1

SHIFTS_VERSION = 1
"""Version of what the shifts compute; part of the fingerprint."""

SCENES_VERSION = 1
"""Version of what the scenes show; part of their fingerprint."""

STYLES = ("solid", "outline", "sketch", "noisy")
"""Styles in which scenes are drawn."""

DATA_FILE = "signs.safetensors"
PROVENANCE_FILE = "provenance.json"

REINSTALL = "Install the package again: pip install --force-reinstall burnish-signs"


@dataclass(frozen=True)
class SignsConfig:
    """Options of the source `signs`."""

    shifts: bool = field(
        default=True, metadata={"help": "with the six shifted test sets beside the plain one"}
    )


@dataclass(frozen=True)
class ScenesConfig:
    """Options of the source `scenes`."""

    per_class: int = field(
        default=40,
        metadata={"help": "training scenes of every combination that is not held out", "range": (1, 10_000)},
    )
    test_per_class: int = field(
        default=10, metadata={"help": "test scenes of every combination", "range": (1, 10_000)}
    )
    seed: int = field(
        default=0, metadata={"help": "seed of everything that is drawn by chance", "range": (0, 2**31 - 1)}
    )
    hold_out: str | None = field(
        default=None, metadata={"help": "style that only the test set test:<style> shows", "choices": STYLES}
    )

    def __post_init__(self) -> None:
        if self.hold_out is not None and self.hold_out not in STYLES:
            raise ConfigError(
                f"there is no style {self.hold_out!r}", where="scenes", possible=", ".join(STYLES)
            )


def fingerprint(config: SignsConfig) -> str:
    """Return a hash of the packaged photographs, of the version of the shifts and of the config; light.

    Raises:
        DataError: the packaged file cannot be read.
    """
    shifts = f"shifts {SHIFTS_VERSION}" if config.shifts else "no shifts"
    return hashlib.sha256(packaged(DATA_FILE) + shifts.encode()).hexdigest()


def scenes_fingerprint(config: ScenesConfig) -> str:
    """Return a hash of the packaged photographs, of the version of the drawing and of the config; light.

    Raises:
        DataError: the packaged file cannot be read.
    """
    return hashlib.sha256(packaged(DATA_FILE) + f"scenes {SCENES_VERSION} {config!r}".encode()).hexdigest()


def packaged(name: str) -> bytes:
    """Return a file of the package's data folder.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return (files(__name__) / "data" / name).read_bytes()
    except OSError as error:
        raise DataError(
            f"{name} cannot be read: {error.strerror or error}", where="burnish-signs", todo=REINSTALL
        ) from error


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
        ),
        burnish.Source(
            name="scenes",
            summary=(
                "Drawn scenes, object by colour, from hand signs and handwritten digits: held-out"
                " combinations as new classes, four styles"
            ),
            target="burnish_signs.scenes:Scenes",
            config=ScenesConfig,
            fingerprint="burnish_signs:scenes_fingerprint",
            provides=frozenset({"image", "labels", "groups"}),
        ),
    ]
