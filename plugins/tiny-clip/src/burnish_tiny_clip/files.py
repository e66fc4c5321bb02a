"""Where the weights of a config lie and what they are. Light: neither torch nor open_clip is imported."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from burnish.errors import ModelFileError
from burnish.hub import versions

if TYPE_CHECKING:
    from burnish_tiny_clip import TinyClipConfig

CONFIG: Final = "open_clip_config.json"
WEIGHTS: Final = "open_clip_model.safetensors"
FILES: Final = (CONFIG, WEIGHTS, "tokenizer.json", "tokenizer_config.json")
"""What open_clip reads from a folder."""

PROVENANCE: Final = "provenance.json"

SHIPPED: Final = Path(__file__).parent / "weights"

REINSTALL: Final = "Install the package again: pip install --force-reinstall burnish-tiny-clip"


def folder_of(config: TinyClipConfig) -> Path:
    """Return the folder with the model of a config."""
    return SHIPPED / f"noise-{config.noise:g}-seed-{config.seed}"


def fingerprint(config: TinyClipConfig) -> str:
    """Return a hash that changes whenever the features would.

    Of the model's files and of the libraries that compute them.

    Raises:
        ModelFileError: a file is missing.
    """
    digest = hashlib.sha256(
        versions("open_clip_torch", "torchvision", "timm", "transformers", "tokenizers").encode()
    )
    for name in FILES:
        file = folder_of(config) / name
        try:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        except OSError as error:
            raise ModelFileError(
                f"it cannot be read: {error.strerror or error}", where=str(file), todo=REINSTALL
            ) from error
    return digest.hexdigest()
