"""The folder that open_clip loads: description, weights in float16 and tokenizer, with their provenance."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from safetensors.torch import save

from burnish.files import ensure_folder, write_atomic, write_json
from burnish_tiny_clip.files import CONFIG, FILES, PROVENANCE, WEIGHTS
from burnish_tiny_clip.training.model import MODEL, PREPROCESS
from burnish_tiny_clip.training.vocabulary import tokenizer_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from open_clip.model import CLIP
    from tokenizers import Tokenizer


def write_model(model: CLIP, tokenizer: Tokenizer, folder: Path) -> None:
    """Write what open_clip reads from ``local-dir:FOLDER``.

    Raises:
        MachineError: a file cannot be written.
    """
    ensure_folder(folder)
    for name, content in tokenizer_files(tokenizer).items():
        write_atomic(folder / name, content)
    write_json(folder / CONFIG, {"model_cfg": MODEL, "preprocess_cfg": PREPROCESS})
    # Its keys are sorted, so that the same weights are the same file.
    tensors = {name: tensor.half().contiguous() for name, tensor in sorted(model.state_dict().items())}
    write_atomic(folder / WEIGHTS, save(tensors, metadata={"format": "pt"}))


def write_provenance(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write where the weights are from, with the hash of each file beside them.

    Raises:
        MachineError: the file cannot be written.
    """
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    write_json(folder / PROVENANCE, dict(facts) | {"sha256": hashes})


def read_provenance(folder: Path) -> dict[str, Any]:
    """Return the provenance of a folder."""
    content: dict[str, Any] = json.loads((folder / PROVENANCE).read_text("utf-8"))
    return content
