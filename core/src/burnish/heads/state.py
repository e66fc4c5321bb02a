"""Whether a saved state is the one that a predictor wants: for `Tuner.restore`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from burnish.errors import ModelFileError


def check_state(
    state: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...] | Tensor], where: str = ""
) -> None:
    """Raise unless a state has the names, shapes and types that are wanted, and is finite.

    Args:
        state: tensors by name, as they were read from a model file.
        wanted: by name the shape of a float32 tensor, or a tensor of the shape and type; those of a module
            that was built under ``torch.device("meta")`` take no memory.
        where: whose state it is, for messages.

    Raises:
        burnish.errors.ModelFileError: the first difference.
    """
    names = ", ".join(sorted(wanted))
    if missing := sorted(wanted.keys() - state.keys()):
        raise ModelFileError(f"tensor {missing[0]!r} is missing", where=where, possible=names)
    if extra := sorted(state.keys() - wanted.keys()):
        raise ModelFileError(f"tensor {extra[0]!r} is not part of this model", where=where, possible=names)
    for name, like in wanted.items():
        shape, dtype = (tuple(like.shape), like.dtype) if isinstance(like, Tensor) else (like, torch.float32)
        given = state[name]
        if tuple(given.shape) != shape or given.dtype != dtype:
            what = f"tensor {name!r} is {tuple(given.shape)} {given.dtype}"
            raise ModelFileError(what, where=where, possible=f"{shape} {dtype}")
        if not torch.isfinite(given).all():
            raise ModelFileError(f"tensor {name!r} has values that are NaN or infinite", where=where)
