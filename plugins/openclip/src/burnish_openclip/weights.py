"""Weight files: read as data alone, and put into a model only where every tensor fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from safetensors.torch import load_file

from burnish.errors import ModelFileError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_POSSIBLE: Final = "safetensors, or a state dict saved by torch.save"
_NO_WEIGHTS: Final = ("input_resolution", "context_length", "vocab_size")
"""Numbers that the first CLIP files hold among their weights."""


def read_state(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a weight file: safetensors, or what torch loads with ``weights_only``.

    Checkpoints of open_clip's training are read, too: their ``state_dict``, without the ``module.`` of
    parallel training.

    Raises:
        ModelFileError: it cannot be read, or holds something else.
    """
    try:
        content: Any = (
            load_file(file)
            if file.suffix == ".safetensors"
            else torch.load(file, map_location="cpu", weights_only=True)
        )
    except MemoryError:
        raise
    except Exception as error:  # whatever a broken or crafted file makes a reader raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise ModelFileError(
            f"the weights cannot be read: {reason}",
            where=str(file),
            possible=_POSSIBLE,
            todo="Copy or download the file again",
        ) from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(value, torch.Tensor) for value in content.values())
    ):
        raise ModelFileError(
            "it holds something else than named tensors", where=str(file), possible=_POSSIBLE
        )
    parallel = all(name.startswith("module.") for name in content)
    return {name.removeprefix("module.") if parallel else name: value for name, value in content.items()}


def fill(model: Any, state: dict[str, Tensor], file: Path, label: str) -> None:
    """Put tensors into a model: all of them, and all it has, in shapes that fit; nothing is resized to fit.

    Args:
        model: the model.
        state: tensors by name; those of older formats that open_clip knows are renamed as it does.
        file: where they are from, for errors.
        label: the model's name, for errors.

    Raises:
        ModelFileError: a tensor is missing, unknown, of another shape, or not finite.
    """
    state = {name: value for name, value in state.items() if name not in _NO_WEIGHTS or value.ndim}
    state = convert_state_dict(model, state)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    wanted = model.state_dict()
    for name in ("logit_scale", "logit_bias"):
        if name in state and name in wanted and state[name].numel() == wanted[name].numel() == 1:
            state[name] = state[name].reshape(wanted[name].shape)
    if wrong := _differences(wanted, state):
        raise ModelFileError(
            f"these are no weights of {label}: {wrong}",
            where=str(file),
            todo="Name the architecture that they were trained in",
        )
    for name, value in state.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ModelFileError(
                f"{name} has values that are not finite",
                where=str(file),
                todo="Copy or download the file again",
            )
    model.load_state_dict(state, strict=True)


def _differences(wanted: dict[str, Tensor], state: dict[str, Tensor]) -> str:
    """Return in words the first tensor that is missing, unknown or mis-shaped, and how many of each.

    Empty where all fit.
    """
    missing, unknown = (
        [name for name in one if name not in other] for one, other in ((wanted, state), (state, wanted))
    )
    shaped = [
        f"{n} is {tuple(state[n].shape)} instead of {tuple(t.shape)}"
        for n, t in wanted.items()
        if n in state and state[n].shape != t.shape
    ]
    kinds = ([f"{n} is missing" for n in missing], [f"{n} is unknown" for n in unknown], shaped)
    return ", ".join(
        f"{found[0]}{f' (and {len(found) - 1} more)' if len(found) > 1 else ''}" for found in kinds if found
    )
