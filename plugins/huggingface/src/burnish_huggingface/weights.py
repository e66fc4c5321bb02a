"""Weight files as tensors: safetensors, or what `torch.load` reads without running code."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from burnish.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

_AGAIN: Final = "Download or save it again"


def read_weights(files: Sequence[Path]) -> dict[str, Tensor]:
    """Return the tensors of weight files by name, on the CPU.

    Raises:
        ModelFileError: a file is missing, truncated, damaged, or holds something else than tensors.
    """
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= _safe(file) if file.suffix == ".safetensors" else _pickled(file)
    return tensors


def _safe(file: Path) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ModelFileError(
            f"the weights are truncated or damaged: {error}", where=str(file), todo=_AGAIN
        ) from error
    return found


def _pickled(file: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelFileError(
            "it holds something else than tensors, or is damaged; nothing else is ever unpickled",
            where=str(file),
            todo="Use safetensors",
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, BadZipFile) as error:
        raise ModelFileError(
            f"the weights are truncated or damaged: {error}", where=str(file), todo=_AGAIN
        ) from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in found.items()
    ):
        raise ModelFileError(
            "it holds something else than tensors by name",
            where=str(file),
            possible="a state dict, saved as safetensors",
        )
    return found
