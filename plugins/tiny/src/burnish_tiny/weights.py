"""Where the weights of a config lie and what they are. Light: no torch, no numpy."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from burnish.errors import ModelFileError

if TYPE_CHECKING:
    from burnish_tiny import TinyConfig

WEIGHTS: Final = "weights.safetensors"
PROVENANCE: Final = "provenance.json"
"""Files in a folder that `burnish pretrain tiny` makes."""

SHIPPED: Final = Path(__file__).parent / "weights"

PREPROCESSING: Final = "rgb, central square, bicubic to 32x32, normalised by channel"
"""Named in the fingerprint; to be changed with the preprocessing."""


def weight_file(config: TinyConfig) -> Path:
    """Return the weight file of a config.

    Raises:
        ModelFileError: the folder has no weights.
    """
    if config.weights is None:
        return SHIPPED / f"noise-{config.noise:g}-seed-{config.seed}.safetensors"
    file = Path(config.weights) / WEIGHTS
    if not file.is_file():
        raise ModelFileError(
            f"there is no {WEIGHTS}",
            where=str(config.weights),
            todo="Make it with `burnish pretrain tiny --out DIR`, or mend the path",
        )
    return file


def fingerprint(config: TinyConfig) -> str:
    """Return a hash that changes whenever the features would: of the weight file and the preprocessing."""
    digest = hashlib.sha256(PREPROCESSING.encode() + b"\0")
    digest.update(weight_file(config).read_bytes())
    return digest.hexdigest()
