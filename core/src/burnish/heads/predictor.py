"""What a head tuner returns: a module's state and how to apply it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from burnish.contracts.scores import Scores
from burnish.errors import BurnishError, DataError, ModelFileError
from burnish.heads.blame import author_error
from burnish.heads.head import HeadMethod, Outputs, as_outputs
from burnish.heads.threads import intra_op_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Classes

CHUNK = 256
"""Rows of a prediction at a time.

The last ones are padded to it, so that every row meets the same arithmetic whatever stands beside it.
"""

_WIDE = 8_000_000
"""Parameters from which a head predicts with all threads.

A smaller one is faster on one, and gives the same bits on any number of them.
"""


class HeadPredictor:
    """A trained head, on the CPU, in evaluation mode.

    Args:
        tuner: the tuner that made it.
        template: its module without storage (`burnish.heads.member.template_of`).
        state: every parameter and buffer by name.
        classes: what the C columns stand for.
        dim: D, the width of the features.
        activation: how logits become probabilities.
    """

    def __init__(
        self,
        tuner: HeadMethod[Any],
        template: nn.Module,
        state: Mapping[str, Tensor],
        classes: Classes,
        dim: int,
        activation: Literal["softmax", "sigmoid"] = "softmax",
    ) -> None:
        self.tuner, self.classes, self.dim, self.activation = tuner, classes, dim, activation
        self._template, self._state = template, dict(state)

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return the logits of M items from features (M, D) float32.

        An item's logits do not depend on the items beside it.

        Raises:
            burnish.errors.DataError: the features have another width, or a logit is NaN or infinite.
        """
        logits = [out.logits[:size].numpy() for out, size in self._chunks(features)]
        values = np.concatenate(logits) if logits else np.zeros((0, len(self.classes)), dtype=np.float32)
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            raise DataError(
                f"the scores of row {int(np.argmin(finite))} are NaN or infinite",
                todo="Check that its features are finite",
            )
        return Scores("logits", values, self.classes, self.activation)

    def embed(self, features: NDArray[Any]) -> NDArray[np.float32] | None:
        """Return (M, E) float32, what the last layer reads.

        None where the head reads the features themselves.

        Raises:
            burnish.errors.DataError: the features have another width.
        """
        parts = []
        for out, size in self._chunks(features):
            if out.embeddings is None:
                return None
            parts.append(out.embeddings[:size].numpy())
        return np.concatenate(parts) if parts else None

    def state(self) -> dict[str, Tensor]:
        """Return every parameter and buffer by name."""
        return dict(self._state)

    def info(self) -> dict[str, Any]:
        """Return what `restore` needs beside the state: ``{"dim": D, "activation".

        "softmax" or "sigmoid"}``.
        """
        return {"dim": self.dim, "activation": self.activation}

    @classmethod
    def restore(
        cls, tuner: HeadMethod[Any], state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> HeadPredictor:
        """Return the predictor that has this state and info.

        Raises:
            burnish.errors.ModelFileError: an entry of info is missing or odd, or a tensor has another name,
                shape or type than the tuner builds, or is not finite.
        """
        dim, activation = info.get("dim"), info.get("activation")
        if not isinstance(dim, int) or isinstance(dim, bool) or not 1 <= dim <= 2**24:
            raise ModelFileError(
                f"the width of the features is given as {dim!r}", possible="an integer of at least 1"
            )
        if activation not in ("softmax", "sigmoid"):
            raise ModelFileError(f"the activation is given as {activation!r}", possible="softmax, sigmoid")
        template = meta_module(tuner, dim, len(classes))
        check_state(state, template)
        kept = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}
        return cls(tuner, template, kept, classes, dim, cast("Literal['softmax', 'sigmoid']", activation))

    def _chunks(self, features: NDArray[Any]) -> Iterator[tuple[Outputs, int]]:
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise DataError(
                f"features of shape {features.shape}",
                possible=f"(M, {self.dim})",
                todo="Use the backbone it was trained on",
            )
        threads = (
            torch.get_num_threads() if sum(p.numel() for p in self._template.parameters()) >= _WIDE else 1
        )
        for start in range(0, len(features), CHUNK):
            rows = np.zeros((CHUNK, self.dim), dtype=np.float32)
            part = features[start : start + CHUNK]
            rows[: len(part)] = part
            with intra_op_threads(threads), torch.no_grad():
                out = as_outputs(functional_call(self._template, self._state, (torch.from_numpy(rows),)))
            yield out, len(part)


def meta_module(tuner: HeadMethod[Any], dim: int, classes: int) -> nn.Module:
    """Return the tuner's module in evaluation mode without storage; nothing is allocated, whatever the width.

    Raises:
        burnish.errors.ModelFileError: the tuner cannot build it for this width.
    """
    try:
        with torch.device("meta"):
            return tuner.build(dim, classes).to("meta").eval()
    except BurnishError:
        raise
    except Exception as error:
        cause = author_error(tuner, f"cannot build a head for {dim} features and {classes} classes", error)
        raise ModelFileError(cause.what, where=cause.where) from error


def check_state(
    state: Mapping[str, Tensor], expected: nn.Module | Mapping[str, Sequence[int]], where: str = ""
) -> None:
    """Raise unless a state has the names, shapes and types that are expected, and is finite; for `restore`.

    Args:
        state: tensors by name, as they came from a file.
        expected: the module they belong to, such as one built under ``torch.device("meta")``; or their shapes
            by name, all float32.
        where: who restores, for messages.

    Raises:
        burnish.errors.ModelFileError: the first difference.
    """
    wanted = _wanted(expected)
    known = ", ".join(sorted(wanted))
    if missing := sorted(wanted.keys() - state.keys()):
        raise ModelFileError(f"tensor {missing[0]!r} is missing", where=where, possible=known)
    if extra := sorted(state.keys() - wanted.keys()):
        raise ModelFileError(f"tensor {extra[0]!r} is not part of this model", where=where, possible=known)
    for name, (shape, dtype) in wanted.items():
        given = state[name]
        if tuple(given.shape) != shape or given.dtype != dtype:
            have, want = f"{tuple(given.shape)} {given.dtype}", f"{shape} {dtype}"
            raise ModelFileError(f"tensor {name!r} is {have}", where=where, possible=want)
        if not torch.isfinite(given).all():
            raise ModelFileError(f"tensor {name!r} has values that are NaN or infinite", where=where)


def _wanted(
    expected: nn.Module | Mapping[str, Sequence[int]],
) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    if isinstance(expected, nn.Module):
        tensors: dict[str, Tensor] = {**dict(expected.named_parameters()), **dict(expected.named_buffers())}
        return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}
    return {name: (tuple(shape), torch.float32) for name, shape in expected.items()}


@dataclass(frozen=True, eq=False)
class HeadResult:
    """What the stacked trainer returns for one trial.

    Attributes:
        predictor: the result; None where the trial died.
        error: why it died: one line.
    """

    predictor: HeadPredictor | None
    error: str = ""
