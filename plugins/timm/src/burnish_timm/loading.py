"""From files to a frozen model: whole, from the weights that are there, without running anybody's code."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import timm
import torch
from safetensors import SafetensorError
from timm.models import get_pretrained_cfg, load_state_dict

from burnish.errors import ConfigError, ModelFileError, suggestion
from burnish_timm.families import architecture, family
from burnish_timm.files import Files, model_files, read_config

if TYPE_CHECKING:
    from torch import Tensor, nn

    from burnish_timm import TimmConfig

_DAMAGED = (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError)
_ODD = (RuntimeError, ValueError, KeyError, TypeError, AttributeError, AssertionError, IndexError)
_NO_SOURCE: Final = {
    "source": "",
    "url": None,
    "file": None,
    "hf_hub_id": None,
    "hf_hub_filename": None,
    "custom_load": False,
}
"""What of a pre-trained configuration would make timm look for weights elsewhere."""


def load_model(config: TimmConfig, *, offline: bool) -> tuple[nn.Module, str]:
    """Return the model of a config without its classifier, and its name.

    The model is on the CPU in float32, in evaluation mode without gradients.

    Raises:
        ConfigError: there is no such model, or names contradict each other.
        MachineError: the hub cannot be asked.
        ModelFileError: a file is damaged, or the weights are not those of the architecture.
    """
    files = model_files(config, offline=offline)
    source, name, settings = _source(config, files)
    if files.weights is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.random_seed or 0)
            model = _create(source, name, files, pretrained=False, num_classes=0)
    else:
        model = _with_weights(source, name, files, read_weights(files.weights), settings)
    return model.eval().requires_grad_(False), name


def _source(config: TimmConfig, files: Files) -> tuple[str, str, Mapping[str, Any]]:
    """Return what timm is asked for, the name of the architecture, and what is known of its pre-training."""
    if files.config is None:
        name, _, tag = config.model.partition(".")
        _check_name(name, "timm")
        if tag and tag not in (
            known := [full.partition(".")[2] for full in timm.list_pretrained(name + ".*")]
        ):
            raise ConfigError(
                f"{name} has no tag {tag!r}. {suggestion(tag, known)}".strip(),
                where="timm",
                possible=", ".join(known) or "none",
            )
        found = get_pretrained_cfg(config.model, allow_unregistered=True)
        return config.model, name, {} if found is None else found.to_dict()  # type: ignore[no-untyped-call]
    described = read_config(files.config)
    name = described["architecture"].partition(".")[0]
    _check_name(name, str(files.config))
    if config.model and config.model.partition(".")[0] != name:
        raise ConfigError(
            f"model is {config.model!r}, and the folder is of {name!r}",
            where=str(files.config),
            todo="Leave model out",
        )
    if family(architecture(config)) != family(name):
        raise ConfigError(
            f"{config.hub!r} is of the architecture {name!r}, which its name does not say",
            where="timm",
            todo=f"Write model={name}",
        )
    arguments = described.get("model_args", {})
    odd = next((key for key in arguments if key.startswith("pretrained") or key == "features_only"), None)
    if odd is not None:
        raise ModelFileError(f"model_args has {odd!r}, which is not supported", where=str(files.config))
    return f"local-dir:{files.config.parent}", name, described.get("pretrained_cfg", described)


def _check_name(name: str, where: str) -> None:
    if not timm.is_model(name):
        hint = suggestion(name, timm.list_models())
        raise ConfigError(
            f"timm has no model {name!r}. {hint}".strip(),
            where=where,
            todo="`timm.list_models()` names them all",
        )


def read_weights(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a weight file; nothing is unpickled but tensors.

    Raises:
        ModelFileError: it is damaged, or holds something else.
    """
    try:
        with _quiet():
            tensors = load_state_dict(str(file), weights_only=True)
    except _DAMAGED as error:
        todo = "Copy it again; of what torch wrote, only tensors are read"
        raise ModelFileError(
            f"the weights cannot be read: {_reason(error)}", where=str(file), todo=todo
        ) from error
    odd = next((name for name, value in tensors.items() if not isinstance(value, torch.Tensor)), None)
    if odd is not None or not tensors:
        raise ModelFileError(
            f"{odd!r} is no tensor" if tensors else "it holds no tensors",
            where=str(file),
            possible="the state dict of a model",
        )
    return tensors


def _with_weights(
    source: str, name: str, files: Files, tensors: dict[str, Tensor], settings: Mapping[str, Any]
) -> nn.Module:
    classifier = settings.get("classifier") or ()
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    biased = [
        tensors[f"{head}.{part}"]
        for head in heads
        for part in ("weight", "bias")
        if f"{head}.{part}" in tensors
    ]
    # With the classes of the file timm reads every tensor strictly; the classifier goes afterwards.
    classes = int(biased[0].shape[0]) if biased else 0
    overlay = {**_NO_SOURCE, "state_dict": dict(tensors), "num_classes": classes, "label_offset": 0}
    try:
        model = _create(
            source, name, files, pretrained=True, num_classes=classes, pretrained_cfg_overlay=overlay
        )
    except _ODD as error:
        said = _differences(
            tensors, _create(source, name, files, pretrained=False, num_classes=classes).state_dict()
        ) or _reason(error)
        todo = "Name the architecture that the weights are of"
        raise ModelFileError(
            f"the weights are not those of {name}: {said}", where=str(files.weights), todo=todo
        ) from error
    model.pretrained_cfg.pop("state_dict", None)  # type: ignore[operator, union-attr]
    if classes:
        model.reset_classifier(0)  # type: ignore[operator]
    return model


def _create(source: str, name: str, files: Files, **options: Any) -> nn.Module:
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            model: nn.Module = timm.create_model(source, **options)
    except _ODD as error:
        if options["pretrained"]:
            raise
        raise ModelFileError(
            f"a model {name} cannot be made: {_reason(error)}", where=str(files.config or "timm")
        ) from error
    return model


def _differences(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Return how tensors differ from those of a model, at most the first three."""
    shapes = [
        f"{name} has the shape {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    said = (
        shapes
        + [f"{name} is missing" for name in wanted if name not in found]
        + [f"{name} is unknown" for name in found if name not in wanted]
    )
    return "; ".join([*said[:3], *([f"{len(said) - 3} more"] if len(said) > 3 else [])])


def _reason(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".:")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep timm's log to errors: what matters of it is an error here."""
    log = logging.getLogger("timm")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
