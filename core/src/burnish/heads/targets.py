"""From supervision to the arrays and tensors that training reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from burnish.contracts.loss import Accepts, Loss, Targets
from burnish.data import Labels, MultiLabels
from burnish.errors import FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Supervision


def target_arrays(
    supervision: Supervision, classes: int
) -> tuple[dict[str, NDArray[Any]], NDArray[np.float32]]:
    """Return the targets and weights of n items as `HeadJob` takes them.

    Args:
        supervision: of the n items.
        classes: C.

    Returns:
        ``{"hard": (n,) int64}``, -1 for unknown, or ``{"multi": (n, C), "observed": (n, C)}`` float32; and
        (n,) float32 weights, 0 for items of which nothing is known.

    Raises:
        FitError: a label outside the classes, or supervision of a type that heads are not trained on.
    """
    known = supervision.known
    given = (
        np.ones(len(supervision), dtype=np.float32) if supervision.weights is None else supervision.weights
    )
    weights = np.where(known, given, np.float32(0)).astype(np.float32)
    if isinstance(supervision, Labels):
        if len(supervision) and supervision.y.max() >= classes:
            row = int(supervision.y.argmax())
            raise FitError(
                f"label {supervision.y[row]} of training item {row} is out of range",
                possible=f"0 to {classes - 1}, or -1 for unknown",
            )
        return {"hard": supervision.y}, weights
    if isinstance(supervision, MultiLabels):
        if supervision.positive.shape[1] != classes:
            raise FitError(
                f"multi-label targets of {supervision.positive.shape[1]} columns for {classes} classes"
            )
        multi = supervision.positive.toarray().astype(np.float32)
        observed = (
            np.ones_like(multi)
            if supervision.observed is None
            else supervision.observed.toarray().astype(np.float32)
        )
        return {"multi": multi, "observed": observed}, weights
    raise FitError(f"a head cannot be trained on {supervision.word}", possible="labels, multi-labels")


def target_kind(targets: Mapping[str, NDArray[Any]]) -> Accepts:
    """Return which form of targets these arrays are: ``"hard"``, ``"soft"`` or ``"multi"``.

    Raises:
        FitError: they are none of the three.
    """
    names = set(targets)
    for kind, wanted in (("hard", {"hard"}), ("soft", {"soft"}), ("multi", {"multi", "observed"})):
        if names == wanted:
            return cast("Accepts", kind)
    raise FitError(
        f"targets named {', '.join(sorted(names)) or 'nothing'}", possible="hard; soft; multi with observed"
    )


def target_tensors(
    targets: Mapping[str, NDArray[Any]], device: str | torch.device = "cpu"
) -> dict[str, Tensor]:
    """Return the targets of n items as tensors.

    Hard ones int64 with 0 in place of -1 (their weight is 0), the others float32.
    """
    target_kind(targets)
    tensors = {name: torch.as_tensor(np.array(a), device=device) for name, a in targets.items()}
    return {
        name: t.to(torch.int64).clamp_min(0) if name == "hard" else t.to(torch.float32)
        for name, t in tensors.items()
    }


def as_targets(tensors: Mapping[str, Tensor]) -> Targets:
    """Return tensors by name as `burnish.contracts.loss.Targets`."""
    return Targets(**tensors)


def class_prior(
    targets: Mapping[str, NDArray[Any]], weights: NDArray[Any], classes: int
) -> NDArray[np.float32]:
    """Return the weighted counts (C,) float32 of the training classes; a class that no item has gets 0.

    Args:
        targets: arrays of n items.
        weights: (n,) at least 0.
        classes: C.
    """
    if target_kind(targets) == "hard":
        y = targets["hard"]
        known = y >= 0
        return np.bincount(y[known], weights=weights[known].astype(np.float64), minlength=classes).astype(
            np.float32
        )
    rows = targets["soft"] if "soft" in targets else targets["multi"] * targets["observed"]
    return np.asarray(weights.astype(np.float64) @ rows.astype(np.float64), dtype=np.float32)


def require_accepted(loss: Loss, targets: Mapping[str, NDArray[Any]], where: str = "") -> None:
    """Check that a loss takes the targets there are.

    Raises:
        FitError: it does not.
    """
    kind = target_kind(targets)
    if kind not in loss.accepts:
        todo = (
            "Name a loss that does, such as bce for several labels an item"
            if kind == "multi"
            else "Name a loss that does: see burnish list loss"
        )
        raise FitError(
            f"loss {type(loss).__name__} does not take {kind} targets",
            where=where,
            possible=", ".join(sorted(loss.accepts)),
            todo=todo,
        )
