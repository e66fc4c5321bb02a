"""Where a model's files lie and what they are. Light: no torch, no numpy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from burnish.errors import ConfigError, ModelFileError
from burnish.fingerprint import of_files
from burnish.hub import download, versions

if TYPE_CHECKING:
    from burnish_timm import TimmConfig

CONFIG: Final = "config.json"
WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth")
"""Names of weight files in a folder, the first that is there is read.

Those that timm itself prefers, in its order.
"""

ENDINGS: Final = (".safetensors", ".bin", ".pt", ".pth", ".pth.tar")
"""Weight files that are read: safetensors, and tensors that torch wrote."""

_LIBRARIES = ("timm", "torchvision")


@dataclass(frozen=True)
class Files:
    """The files of a model.

    Attributes:
        config: its config.json; None where the architecture's name alone says what it is.
        weights: its weights; None where they are drawn at random.
    """

    config: Path | None
    weights: Path | None


def local_files(config: TimmConfig) -> Files:
    """Return the files of a model that is not of a hub.

    Raises:
        ConfigError: the path is not there, or is a file and no architecture is named.
        ModelFileError: the folder lacks what makes a model.
    """
    if config.weights is None:
        return Files(None, None)
    if not config.weights.exists():
        raise ConfigError(
            f"there is no file or folder {str(config.weights)!r}",
            where="timm",
            todo="Relative paths start from the recipe's folder",
        )
    if config.weights.is_dir():
        return folder_files(config.weights, config)
    if not config.weights.name.endswith(ENDINGS):
        raise ConfigError(
            f"{str(config.weights)!r} is no weight file", where="timm", possible=", ".join(ENDINGS)
        )
    if not config.model:
        raise ConfigError(
            "a file of weights does not say which architecture it is for",
            where=str(config.weights),
            todo="Name it: model=vit_base_patch16_224",
        )
    return Files(None, config.weights if config.random_seed is None else None)


def folder_files(folder: Path, config: TimmConfig) -> Files:
    """Return the files of a model in a folder.

    Raises:
        ModelFileError: there is neither a config.json nor a named architecture, or there are no weights.
    """
    described: Path | None = folder / CONFIG
    if described is not None and not described.is_file():
        if not config.model:
            raise ModelFileError(
                f"there is no {CONFIG}",
                where=str(folder),
                todo="Copy the whole model folder, or name the architecture: model=NAME",
            )
        described = None
    if config.random_seed is not None:
        return Files(described, None)
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise ModelFileError(
            "there are no weights",
            where=str(folder),
            possible=", ".join(WEIGHTS),
            todo="Copy the whole model folder",
        )
    return Files(described, weights)


def model_files(config: TimmConfig, *, offline: bool) -> Files:
    """Return the files of a model, downloaded first where it is of a hub and not yet on this machine.

    Raises:
        ConfigError: there is no such model.
        MachineError: the hub cannot be asked.
        ModelFileError: the folder lacks what makes a model.
    """
    if config.hub is None:
        return local_files(config)
    for patterns in ((CONFIG, WEIGHTS[0]), (CONFIG, *WEIGHTS)):  # safetensors alone, where there are
        folder = download(config.hub, str(config.revision), patterns, offline=offline, where="timm")
        if (folder / WEIGHTS[0]).is_file():
            break
    return folder_files(folder, config)


def read_config(file: Path) -> dict[str, Any]:
    """Return what a model's config.json says.

    Raises:
        ModelFileError: it is damaged, or no model of timm's.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"it cannot be read: {error}", where=str(file), todo="Copy the model again"
        ) from error
    if not isinstance(found, dict) or not isinstance(found.get("architecture"), str):
        raise ModelFileError(
            "it names no architecture, so this is no timm model",
            where=str(file),
            todo="Is it one of transformers or open_clip?",
        )
    return found


def fingerprint(config: TimmConfig) -> str:
    """Return a hash that changes whenever the features would.

    Of the files or the commit, architecture, seed and libraries.

    Raises:
        ConfigError: there is no such model, or a file of it cannot be read.
        ModelFileError: the folder lacks what makes a model.
    """
    parts = [versions(*_LIBRARIES), config.model, str(config.random_seed)]
    if config.hub is not None:
        parts += [config.hub, str(config.revision)]
    else:
        found = local_files(config)
        names = [file for file in (found.config, found.weights) if file is not None]
        for file, content in zip(names, of_files(names), strict=True):
            if content is None:
                raise ConfigError("it cannot be read", where=str(file))
            parts += [content.hex()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
