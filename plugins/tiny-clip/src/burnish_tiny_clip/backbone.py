"""The backbone: a packaged folder, loaded by open_clip itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import open_clip
import torch
from safetensors import SafetensorError

from burnish.errors import ModelFileError
from burnish_openclip.towers import OpenClip
from burnish_tiny_clip.files import FILES, REINSTALL, folder_of

if TYPE_CHECKING:
    from pathlib import Path

    from burnish.contracts import Runtime
    from burnish_tiny_clip import TinyClipConfig


def load(config: TinyClipConfig, runtime: Runtime) -> OpenClip:
    """Return the backbone of a config.

    Raises:
        ModelFileError: a packaged file is missing or damaged.
    """
    model, transform, tokenizer = open_folder(folder_of(config))
    return OpenClip(model, transform, tokenizer, runtime, f"tiny-clip: noise {config.noise:g}")


def open_folder(folder: Path) -> tuple[Any, Any, Any]:
    """Return model in float32, evaluation transform and tokenizer of a folder.

    They are as open_clip makes them of ``local-dir:FOLDER``.

    Raises:
        ModelFileError: a file is missing or damaged.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise ModelFileError(f"{missing[0]} is missing", where=str(folder), todo=REINSTALL)
    try:
        # open_clip draws the weights at random before it reads them.
        with torch.random.fork_rng(devices=[]):
            model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        SafetensorError,
        json.JSONDecodeError,
    ) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelFileError(
            f"the model cannot be read: {reason}", where=str(folder), todo=REINSTALL
        ) from error
    return model.eval(), transform, tokenizer
