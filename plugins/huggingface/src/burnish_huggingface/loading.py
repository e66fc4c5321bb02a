"""A model of transformers from its place: config, checked weights, evaluation mode, frozen."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import torch
from transformers import AutoConfig, AutoModel
from transformers.models.auto import configuration_auto
from transformers.utils import logging as library_logging

from burnish.errors import ConfigError, ModelFileError, suggestion
from burnish_huggingface.place import CONFIG, Place, hub_place, local_place, read_json
from burnish_huggingface.weights import read_weights

if TYPE_CHECKING:
    from torch import Tensor

    from burnish.contracts import Runtime
    from burnish_huggingface import ModelConfig

# Half of the library is typed.
_MESSAGES: Final[Any] = library_logging
_KNOWN: Final = tuple(cast("Any", configuration_auto).CONFIG_MAPPING_NAMES)
_SUCH_AS: Final = "a model type of transformers, such as gpt2, llama or t5"
_BUFFERS: Final = ("position_ids", "token_type_ids")
"""Constant buffers that old files hold and models make themselves."""


@dataclass(frozen=True)
class Loaded:
    """A model and where it came from.

    Attributes:
        model: frozen, in evaluation mode, on the CPU.
        config: its configuration.
        folder: folder with preprocessor and tokenizer files; None where only an architecture was named.
        where: what errors call it.
    """

    model: Any
    config: Any
    folder: Path | None
    where: str


def load(
    options: ModelConfig,
    runtime: Runtime,
    types: Sequence[str],
    *,
    elsewhere: Mapping[str, str] | None = None,
    model_class: Callable[[Any, str], Any] | None = None,
    arguments_of: Callable[[str], Mapping[str, Any]] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Loaded:
    """Return the model that options name.

    Args:
        options: which weights.
        runtime: `Runtime.offline` forbids the hub.
        types: model types (`model_type` of a config.json) that are read; empty for all that `model_class`
            takes.
        elsewhere: the backbone to use instead for model types that are not read.
        model_class: the class for a configuration and the name of its place; by default that without a head.
        arguments_of: further arguments of the class for a model type.
        dtype: type of the weights.

    Raises:
        ModelFileError: files are missing, damaged, or of another architecture.
        ConfigError: the options name nothing that can be read.
        MachineError: a hub repository is not at hand and cannot be asked for.
    """
    place = local_place(options) if options.hub is None else hub_place(options, offline=runtime.offline)
    with _quiet(), torch.random.fork_rng(devices=[]):
        config = _configuration(place, types, elsewhere or {})
        chosen = (model_class or _without_head)(config, place.where)
        arguments = arguments_of(config.model_type) if arguments_of else {}
        torch.manual_seed(options.random_seed or 0)
        if place.weights:
            model = _weighted(chosen, config, place, {"dtype": dtype, **arguments})
        else:  # drawn in float32 whatever the type, so that both modes have the same weights
            model = chosen._from_config(config, dtype=torch.float32, **arguments).to(dtype)
    return Loaded(model.eval().requires_grad_(False), model.config, place.folder, place.where)


def _without_head(config: Any, where: str) -> Any:
    del where
    return AutoModel._model_mapping[type(config)]


# -- configuration -------------------------------------------------------------------------------------------


def _configuration(place: Place, types: Sequence[str], elsewhere: Mapping[str, str]) -> Any:
    if place.folder is None:
        config = _standard(place.model, place.where)
    else:
        said = read_json(place.folder / CONFIG)
        name = str(said.get("model_type", ""))
        _check_type(name, types, elsewhere, place.where)
        if "quantization_config" in said:
            raise ModelFileError(
                "its weights are quantised, which is not supported",
                where=place.where,
                todo="Use the weights it was made from",
            )
        try:
            config = AutoConfig.from_pretrained(place.folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelFileError(f"{CONFIG} cannot be used: {error}", where=place.where) from error
    config._attn_implementation = (
        None  # transformers' own choice: a file may not name a kernel that would be downloaded
    )
    return config


def _check_type(name: str, types: Sequence[str], elsewhere: Mapping[str, str], where: str) -> None:
    known = types or _KNOWN
    if name in known:
        return
    what = f"this is a {name!r} model" if name else f"{CONFIG} names no model_type"
    raise ModelFileError(
        f"{what}. {suggestion(name, known)}".strip(),
        where=where,
        possible=", ".join(types) or _SUCH_AS,
        todo=elsewhere.get(name, ""),
    )


def _standard(name: str, where: str) -> Any:
    try:
        return AutoConfig.for_model(name)
    except ValueError as error:
        what = f"unknown model {name!r}. {suggestion(name, _KNOWN)}".strip()
        raise ConfigError(what, where=where, possible=_SUCH_AS) from error


# -- weights -------------------------------------------------------------------------------------------------


def _weighted(chosen: Any, config: Any, place: Place, arguments: Mapping[str, Any]) -> Any:
    """Return a model with the weights of files.

    Every tensor of the model must be there, in its shape, and none too many inside it.
    """
    state = read_weights(place.weights)
    try:
        model, report = chosen.from_pretrained(
            None,
            config=config,
            state_dict=state,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **arguments,
        )
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"the weights do not fit a {config.model_type} model: {error}", where=place.where
        ) from error
    _check_report(model, report, place.where)
    _check_finite(model, place.where)
    return model


def _check_report(model: Any, report: Mapping[str, Any], where: str) -> None:
    missing = sorted(report["missing_keys"])
    odd = [
        (str(name), tuple(found), tuple(wanted))
        for name, found, wanted in sorted(report["mismatched_keys"], key=str)
    ]
    inside = sorted(name for name in report["unexpected_keys"] if _inside(model, name))
    problems = [f"{missing[0]} is missing ({len(missing)} in all)"] if missing else []
    problems += [f"{odd[0][0]} is {odd[0][1]}, not {odd[0][2]} ({len(odd)} in all)"] if odd else []
    problems += [f"{inside[0]} is unknown ({len(inside)} in all)"] if inside else []
    problems += [str(message) for message in report.get("error_msgs", ())]
    if problems:
        what = f"not the weights of this {model.config.model_type} model: {'; '.join(problems)}"
        raise ModelFileError(
            what, where=where, todo="Give the architecture or config.json they were made with"
        )


def _inside(model: Any, name: str) -> bool:
    """Whether a name that the model does not know lies within a part that it has.

    Heads, which are not used, do not.
    """
    parts = name.removeprefix(f"{model.base_model_prefix}.").split(".")
    return getattr(model, parts[0], None) is not None and parts[-1] not in _BUFFERS


def _check_finite(model: torch.nn.Module, where: str) -> None:
    for name, tensor in model.named_parameters():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(f"{name} has values that are not finite", where=where)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing: what it would report is checked here, and raised."""
    level, bars = _MESSAGES.get_verbosity(), _MESSAGES.is_progress_bar_enabled()
    _MESSAGES.set_verbosity(logging.CRITICAL)
    _MESSAGES.disable_progress_bar()
    try:
        yield
    finally:
        _MESSAGES.set_verbosity(level)
        if bars:
            _MESSAGES.enable_progress_bar()


# -- numeric mode --------------------------------------------------------------------------------------------


@contextmanager
def computing(runtime: Runtime) -> Iterator[None]:
    """Compute in the runtime's mode.

    bfloat16 is automatic mixed precision: weights, normalisations and the residual stream stay float32, so
    that parts which a tuner attaches, in float32, fit in.
    """
    with torch.autocast(
        torch.device(runtime.device).type, dtype=torch.bfloat16, enabled=runtime.dtype == "bfloat16"
    ):
        yield


def on_device(array: Any, runtime: Runtime) -> Tensor:
    """Return a numpy array on the runtime's device."""
    return torch.from_numpy(array).to(runtime.device)
