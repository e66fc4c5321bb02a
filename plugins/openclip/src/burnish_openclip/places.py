"""Where a model lies, what it is and what it can do. Light: neither torch nor open_clip is imported."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from burnish.errors import ConfigError, MissingExtraError, ModelFileError, suggestion
from burnish.fingerprint import of_files
from burnish.hub import versions

if TYPE_CHECKING:
    from burnish_openclip import OpenClipConfig

CONFIG: Final = "open_clip_config.json"

SAFE_WEIGHTS: Final = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
)
OTHER_WEIGHTS: Final = (
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
"""Names of weight files in a folder, the first one that is there counts."""

TOKENIZER: Final = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
"""Names of a tokenizer's files."""

_MOST_CONFIG = 1 << 20


@dataclass(frozen=True)
class Place:
    """A model on this machine.

    Attributes:
        label: for errors: the architecture or the folder.
        model: what open_clip makes it of (``model_cfg``).
        preprocess: its preprocessing (``preprocess_cfg``); None where only the architecture is known.
        weights: the weight file; None for random weights.
        folder: where files of a tokenizer may lie; None where there is no folder.
        architecture: its name, where it is one of open_clip's.
        tokenizer_files: those that are in the folder.
    """

    label: str
    model: Mapping[str, Any]
    preprocess: Mapping[str, Any] | None = None
    weights: Path | None = None
    folder: Path | None = None
    architecture: str = ""
    tokenizer_files: tuple[Path, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        found = (self.folder / name for name in TOKENIZER) if self.folder else ()
        object.__setattr__(self, "tokenizer_files", tuple(file for file in found if file.is_file()))
        vision, text = self.model["vision_cfg"], self.model["text_cfg"]
        if text.get("hf_model_name"):
            raise ConfigError(
                f"its text tower is {text['hf_model_name']!r} of another library, whose configuration is not"
                " pinned",
                where=self.label,
                possible="models whose text tower is open_clip's own",
                todo="The plugin huggingface reads models of transformers",
            )
        if ":" in str(vision.get("timm_model_name") or ""):
            raise ConfigError(
                f"its visual tower {vision['timm_model_name']!r} lies on a hub, not pinned", where=self.label
            )

    @property
    def reads_text(self) -> bool:
        """Whether the tokenizer is here.

        Open_clip's own always is, one of transformers where its files lie beside the weights.
        """
        return not self.model["text_cfg"].get("hf_tokenizer_name") or any(
            file.name in ("tokenizer.json", "tokenizer_config.json") for file in self.tokenizer_files
        )

    def words(self) -> frozenset[str]:
        """Return what the model provides."""
        vision = self.model["vision_cfg"]
        words = {"features", "projects"}
        if not vision.get("timm_model_name"):
            words |= {"module"}
        if self.reads_text:
            words |= {"text-tower", "compose-text"}
        return frozenset(words)


def architectures() -> dict[str, Path]:
    """Return the file of each architecture that the installed open_clip knows, by name."""
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        raise MissingExtraError(
            "open_clip is not installed", where="openclip", todo="Run: pip install open_clip_torch"
        )
    return {file.stem: file for file in sorted((Path(spec.origin).parent / "model_configs").glob("*.json"))}


def named(name: str) -> Mapping[str, Any]:
    """Return what open_clip makes an architecture of.

    Raises:
        ConfigError: open_clip knows no architecture of this name.
    """
    known = architectures()
    file = known.get(name.replace("/", "-"))
    if file is None:
        raise ConfigError(
            f"unknown model {name!r}. {suggestion(name, known)}".strip(),
            where="openclip",
            possible=", ".join(f"{n}" for n in ("ViT-B-32", "ViT-B-16", "ViT-L-14", "RN50"))
            + f" and {len(known) - 4} more",
            todo="open_clip.list_models() lists them",
        )
    model, _ = _read(file)
    return model


def _read(file: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return architecture and preprocessing from a JSON file.

    Raises:
        ModelFileError: it cannot be read, or is no description of an open_clip model.
    """
    try:
        if file.stat().st_size > _MOST_CONFIG:
            raise ModelFileError("it is no description of a model: it is larger than 1 MB", where=str(file))
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"it cannot be read: {error}", where=str(file), todo="Save the model again, or mend the path"
        ) from error
    content = content if isinstance(content, dict) else {}
    model, preprocess = content.get("model_cfg", content), content.get("preprocess_cfg", {})
    parts = (
        [model, preprocess, *(model.get(key) for key in ("vision_cfg", "text_cfg"))]
        if isinstance(model, dict)
        else [None]
    )
    if not all(isinstance(part, dict) for part in parts) or "embed_dim" not in model:
        raise ModelFileError(
            "it describes no model of open_clip",
            where=str(file),
            possible="model_cfg with embed_dim, vision_cfg and text_cfg",
        )
    return model, preprocess


def local(config: OpenClipConfig) -> Place:
    """Return the place of a model that is not on a hub.

    Raises:
        ConfigError: the architecture is unknown, missing or said twice.
        ModelFileError: a file is missing or no description of a model.
    """
    if config.weights is None:
        return Place(config.model, named(config.model), architecture=config.model.replace("/", "-"))
    if config.weights.is_dir():
        return in_folder(config.weights, config.model)
    if not config.weights.exists():
        raise ModelFileError(
            "there is no such file or folder",
            where=str(config.weights),
            todo="Relative paths start from the recipe's folder",
        )
    if not config.model:
        raise ConfigError(
            "a weight file does not say of which architecture it is",
            where=str(config.weights),
            todo="Add model=NAME",
        )
    return Place(
        config.model, named(config.model), weights=config.weights, architecture=config.model.replace("/", "-")
    )


def in_folder(folder: Path, model: str = "") -> Place:
    """Return the place of a model in a folder; with `model`, in one that does not describe it."""
    described = (folder / CONFIG).is_file()
    if model and described:
        raise ConfigError(
            f"model={model} stands beside a folder with an {CONFIG}",
            where=str(folder),
            todo="Leave model out: the folder says it",
        )
    if model:
        return Place(
            model,
            named(model),
            weights=weight_file(folder),
            folder=folder,
            architecture=model.replace("/", "-"),
        )
    if not described:
        raise ModelFileError(
            f"there is no {CONFIG}",
            where=str(folder),
            todo="Add model=NAME, or choose a folder that open_clip has saved",
        )
    architecture, preprocess = _read(folder / CONFIG)
    return Place(str(folder), architecture, preprocess, weight_file(folder), folder)


def weight_file(folder: Path) -> Path:
    """Return the weight file in a folder.

    Raises:
        ModelFileError: there is none, or several of which none has a usual name.
    """
    for name in (*SAFE_WEIGHTS, *OTHER_WEIGHTS):
        if (folder / name).is_file():
            return folder / name
    others = sorted(
        file for pattern in ("*.safetensors", "*.bin", "*.pth", "*.pt") for file in folder.glob(pattern)
    )
    if len(others) == 1:
        return others[0]
    what = f"there are {len(others)} weight files" if others else "there is no weight file"
    raise ModelFileError(
        what,
        where=str(folder),
        possible=f"{SAFE_WEIGHTS[0]} or {OTHER_WEIGHTS[0]}",
        todo="Or name the file, with model=NAME",
    )


def provides(config: OpenClipConfig) -> frozenset[str]:
    """Return what a model can do.

    One on a hub that is not on this machine yet is taken to have open_clip's own towers, as most have.
    """
    if config.hub is None:
        return local(config).words()
    folder = _hub_cache() / f"models--{config.hub.replace('/', '--')}" / "snapshots" / str(config.revision)
    if not (folder / CONFIG).is_file():
        return frozenset({"features", "projects", "text-tower", "compose-text", "module"})
    architecture, preprocess = _read(folder / CONFIG)
    return Place(config.hub, architecture, preprocess, folder=folder).words()


def _hub_cache() -> Path:
    """Return where huggingface_hub keeps models, found as it does itself, but without importing it."""
    home = os.environ.get("HF_HOME") or str(
        Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    )
    return Path(os.environ.get("HF_HUB_CACHE") or str(Path(home) / "hub")).expanduser()


def fingerprint(config: OpenClipConfig) -> str:
    """Return a hash that changes whenever the features would.

    Of weights, architecture, preprocessing, tokenizer and libraries.

    A commit of a hub fixes its files, so the commit stands for them.
    """
    digest = hashlib.sha256(
        versions("open_clip_torch", "torchvision", "timm", "transformers", "tokenizers").encode()
    )
    if config.hub is not None:
        digest.update(f"\0hub {config.hub} {config.revision}".encode())
        return digest.hexdigest()
    place = local(config)
    what = (
        f"\0{json.dumps([place.model, place.preprocess], sort_keys=True)}\0{place.architecture}\0random"
        f" {config.random_seed}\0"
    )
    digest.update(what.encode())
    files = [place.weights, *place.tokenizer_files] if place.weights else []
    for file, content in zip(files, of_files(files), strict=True):
        if content is None:
            raise ModelFileError("it cannot be read", where=str(file))
        digest.update(b"weights" if file is place.weights else file.name.encode())
        digest.update(content)
    return digest.hexdigest()
