"""Where the files of a model are, and what they are. Light: no torch, no numpy, no transformers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from burnish.config import to_options
from burnish.errors import ConfigError, ModelFileError
from burnish.fingerprint import of_files
from burnish.hub import download, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burnish_huggingface import ModelConfig

CONFIG: Final = "config.json"
SINGLE: Final = ("model.safetensors", "pytorch_model.bin")
"""Weight files by preference; each may be split, with an index beside (``model.safetensors.index.json``)."""

SIDE_SUFFIXES: Final = frozenset({".json", ".txt", ".model", ".jinja", ".tiktoken"})
"""Of the files beside the weights that can change features or answers.

Config, preprocessor, tokenizer, chat template.
"""

_SIDE: Final = [f"*{suffix}" for suffix in sorted(SIDE_SUFFIXES)]
_LIBRARIES: Final = ("transformers", "tokenizers")


@dataclass(frozen=True)
class Place:
    """The local files of a model.

    Attributes:
        where: what errors call it.
        weights: weight files; empty for random weights.
        folder: folder with config.json and the files of preprocessor and tokenizer; None where only an
            architecture is named.
        model: name of the architecture where there is no folder.
    """

    where: str
    weights: tuple[Path, ...] = ()
    folder: Path | None = None
    model: str = ""


def local_place(config: ModelConfig) -> Place:
    """Return the place of a model that is not on a hub.

    Raises:
        ModelFileError: files are missing.
        ConfigError: options do not fit what lies there.
    """
    folder = None if config.config is None else _config_folder(Path(config.config))
    if config.weights is None:
        return Place(f"random weights of {config.model or config.config}", folder=folder, model=config.model)
    path = Path(config.weights)
    if path.is_dir():
        if folder is not None or config.model:
            raise ConfigError(
                "model and config go with a weight file, and weights is a folder",
                where=str(path),
                todo="Leave them out",
            )
        return folder_place(path, str(path))
    if not path.is_file():
        raise ModelFileError(
            "there is no such file or folder",
            where=str(path),
            todo="Mend weights; relative paths start from the recipe's folder",
        )
    if folder is None and not config.model:
        beside = f", or weights={path.parent}" if (path.parent / CONFIG).is_file() else ""
        raise ConfigError(
            "a weight file alone does not say its architecture",
            where=str(path),
            possible=f"model=NAME, config=DIR{beside}",
        )
    return Place(str(path), (path,), folder, config.model)


def hub_place(config: ModelConfig, *, offline: bool) -> Place:
    """Return the place of a commit of a hub, downloaded first where it is not yet on this machine.

    Of the weights, safetensors are taken where there are any. No code is downloaded.

    Raises:
        ConfigError: there is no such model.
        MachineError: it is not on this machine, and the hub cannot be asked.
        ModelFileError: files are missing.
    """
    hub, revision = str(config.hub), str(config.revision)
    folder = download(hub, revision, [*_SIDE, "*.safetensors"], offline=offline, where="huggingface")
    if not any(folder.glob("*.safetensors")):
        folder = download(hub, revision, [*_SIDE, "pytorch_model*.bin"], offline=offline, where="huggingface")
    return folder_place(folder, f"hub {hub} at {revision[:12]}")


def folder_place(folder: Path, where: str) -> Place:
    """Return the place of a model that was saved to a folder.

    Raises:
        ModelFileError: it has no config.json or no weights.
    """
    return Place(where, weight_files(_config_folder(folder)), folder)


def _config_folder(folder: Path) -> Path:
    if not (folder / CONFIG).is_file():
        raise ModelFileError(
            f"there is no {CONFIG}",
            where=str(folder),
            todo="Name a folder made by save_pretrained, or mend the path",
        )
    return folder


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the weight files of a folder: safetensors where there are any, one file or shards.

    Raises:
        ModelFileError: there are none, or a shard is missing.
    """
    for name in SINGLE:
        if (folder / name).is_file():
            return (folder / name,)
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _shards(index)
    raise ModelFileError(
        "there are no weights",
        where=str(folder),
        possible=", ".join([*SINGLE, *(f"{name}.index.json" for name in SINGLE)]),
    )


def _shards(index: Path) -> tuple[Path, ...]:
    names = sorted(set(read_json(index).get("weight_map", {}).values()))
    files = tuple(index.parent / str(name) for name in names)
    for file in files:
        if file.parent != index.parent:
            raise ModelFileError(f"it names {file.name!r} in another folder", where=str(index))
        if not file.is_file():
            raise ModelFileError(
                f"the shard {file.name} is missing", where=str(index), todo="Download the model again, whole"
            )
    if not files:
        raise ModelFileError("it names no shards", where=str(index))
    return files


def read_json(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        ModelFileError: it cannot be read or is no JSON object.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(f"it cannot be read: {error}", where=str(file)) from error
    if not isinstance(found, dict):
        raise ModelFileError("it is no JSON object", where=str(file))
    return found


def side_files(folder: Path) -> list[Path]:
    """Return the files of config, preprocessor and tokenizer in a folder, by name."""
    return sorted(file for file in folder.iterdir() if file.suffix in SIDE_SUFFIXES and file.is_file())


def fingerprint(config: ModelConfig) -> str:
    """Return a hash that changes whenever features or answers would.

    It covers the content of local files; the id and commit of hub repositories, which fix the content; seed,
    architecture and the version of torch for random weights; all other options; and the versions of the
    libraries that preprocess and compute.

    Raises:
        ModelFileError: local files are missing.
        ConfigError: a file cannot be read.
    """
    options = {name: value for name, value in to_options(config).items() if name not in ("weights", "config")}
    digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode())
    digest.update(versions(*_LIBRARIES, *(["torch"] if config.random_seed is not None else [])).encode())
    if config.hub is None:
        place = local_place(config)
        # A single file may be called anything; shards are told apart by their order.
        _add(digest, [("weights", file) for file in place.weights])
        if place.folder is not None:
            _add(digest, [(file.name, file) for file in side_files(place.folder)])
    return digest.hexdigest()


def _add(digest: Any, named: Sequence[tuple[str, Path]]) -> None:
    for (name, file), content in zip(named, of_files([file for _, file in named]), strict=True):
        if content is None:
            raise ConfigError("the file cannot be read", where=str(file))
        digest.update(name.encode() + b"\0" + content)
