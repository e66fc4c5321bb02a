"""From a folder to a frozen model.

Whole, from the weights that are there, and without running anybody's code.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from sentence_transformers import SentenceTransformer
from transformers import AutoConfig, AutoModel
from transformers.utils import logging

from burnish.errors import BurnishError, ModelFileError
from burnish_sentence_transformers.folder import transformer_folder, weight_files

_TODO = "Copy the model again; its config.json and its weights belong together"
_UNUSED = "pooler."
"""Prefix of a part of BERT-like models that the library does not use and many of its models leave out."""


def load_model(folder: Path, random_seed: int | None) -> SentenceTransformer:
    """Return the model of a folder, on the CPU in float32 and in evaluation mode, without gradients.

    Args:
        folder: as `burnish_sentence_transformers.folder.check_folder` lets it pass.
        random_seed: where given, the transformer's weights are drawn from it, as its library initialises
            them.

    Raises:
        ModelFileError: a file is damaged, or the weights are not those of the architecture.
    """
    try:
        with _quiet():
            if random_seed is None:
                model = _read(folder)
                _check_weights(model, transformer_folder(folder))
            else:
                with tempfile.TemporaryDirectory(prefix="burnish-") as made:
                    model = _read(_with_random_weights(folder, Path(made), random_seed))
    except BurnishError:
        raise
    except UnpicklingError as error:
        possible = "safetensors, or tensors that torch.save wrote"
        raise ModelFileError(
            "the weights are damaged, or hold more than tensors",
            where=str(folder),
            possible=possible,
            todo=_TODO,
        ) from error
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise ModelFileError(
            f"the model cannot be loaded: {_reason(error)}", where=str(folder), todo=_TODO
        ) from error
    return model.float().eval().requires_grad_(False)


def _read(folder: Path) -> SentenceTransformer:
    try:
        return SentenceTransformer(str(folder), device="cpu", local_files_only=True, trust_remote_code=False)
    except RuntimeError as error:
        root = transformer_folder(folder)
        wrong = _wrong_keys(AutoModel, root)
        if wrong:
            raise ModelFileError(
                f"the weights are not those of config.json: {wrong}", where=str(root), todo=_TODO
            ) from error
        raise


def _check_weights(model: SentenceTransformer, root: Path) -> None:
    """Refuse weights that leave a parameter out: its library would draw it at random and only log that."""
    transformer: Any = model[0].model
    files = [file for file in weight_files(root) if file.suffix == ".safetensors"]
    there: set[str] = set()
    for file in files:
        with safe_open(str(file), "pt") as tensors:
            there |= set(tensors.keys())
    prefix = f"{transformer.base_model_prefix}."
    plain = {name.removeprefix(prefix) for name in there}
    if files and all(name in plain or name.startswith(_UNUSED) for name, _ in transformer.named_parameters()):
        return
    # Names may differ for reasons that only the library knows, such as ties and renamed layers.
    wrong = _wrong_keys(type(transformer), root)
    if wrong:
        raise ModelFileError(
            f"the weights are not those of config.json: {wrong}", where=str(root), todo=_TODO
        )


def _wrong_keys(kind: Any, root: Path) -> str:
    """Return what of a model's parameters its files lack or have in another shape.

    The empty string where all is well.
    """
    _, info = kind.from_pretrained(
        str(root),
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        local_files_only=True,
        trust_remote_code=False,
    )
    shapes = [
        f"{name} has the shape {tuple(found)} instead of {tuple(wanted)}"
        for name, found, wanted in sorted(info["mismatched_keys"])
    ]
    missing = [f"{name} is missing" for name in sorted(info["missing_keys"]) if not name.startswith(_UNUSED)]
    unknown = [f"{name} is unknown" for name in sorted(info["unexpected_keys"])]
    said = shapes or missing
    return (
        "; ".join([*said[:3], *([f"{len(said) - 3} more"] if len(said) > 3 else []), *unknown[:1]])
        if said
        else ""
    )


def _with_random_weights(folder: Path, made: Path, seed: int) -> Path:
    """Return a copy of a model's folder whose transformer has weights drawn from a seed."""
    root = transformer_folder(folder)

    def left_out(place: str, names: list[str]) -> list[str]:
        return [
            n
            for n in names
            if n.startswith(".")
            or (Path(place) == root and n.endswith((".safetensors", ".bin", ".index.json")))
        ]

    copy = made / "model"
    shutil.copytree(folder, copy, ignore=left_out)
    config = AutoConfig.from_pretrained(str(root), local_files_only=True, trust_remote_code=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        AutoModel.from_config(config, trust_remote_code=False).save_pretrained(str(transformer_folder(copy)))  # type: ignore[no-untyped-call]
    return copy


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from drawing progress bars and logging reports.

    What matters of them is an error here.
    """
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")
