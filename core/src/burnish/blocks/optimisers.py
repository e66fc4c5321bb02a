"""AdamW over stacked leaves, and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.optim.adamw import adamw

if TYPE_CHECKING:
    from typing import Literal

_LANES = 16
"""Numbers a vector register holds at most. Each trial's part of a leaf starts at a multiple of it, because the kernel rounds the numbers
of a last, incomplete vector differently: without it a trial's bits would depend on its place in the stack."""


def schedule_factor(schedule: Literal["cosine", "constant"], step: int, steps: int) -> float:
    """Return what the learning rate is multiplied with at a step.

    Args:
        schedule: ``"cosine"`` is (1 + cos(pi step / steps)) / 2, which goes from 1 towards 0 without warm-up; ``"constant"`` is 1.
        step: 0 to ``steps - 1``.
        steps: steps in all.
    """
    return 0.5 * (1.0 + math.cos(math.pi * step / steps)) if schedule == "cosine" else 1.0


class _Run(NamedTuple):
    """Neighbouring trials with one learning rate and one weight decay, so that one kernel call serves them."""

    rows: slice
    lr: float
    weight_decay: float
    values: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]
    counts: list[Tensor]


class StackedAdamW:
    """AdamW (Loshchilov & Hutter, arXiv:1711.05101, algorithm 2; the arithmetic of `torch.optim.AdamW`) for T trials at once.

    Args:
        leaves: start values by name, (T, ...) float32 each; they are copied.
        lr: T learning rates before the schedule. Equal neighbours share a kernel call: sort the trials by rate.
        weight_decay: T decoupled weight decays.
        betas: decay rates of the two moments.
        eps: added to the root of the second moment.

    Attributes:
        leaves: the current values by name, (T, ...): views that every `step` writes to.
    """

    def __init__(
        self,
        leaves: Mapping[str, Tensor],
        lr: Sequence[float],
        weight_decay: Sequence[float],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self._betas, self._eps = betas, eps
        self._storage = {name: _padded(leaf) for name, leaf in leaves.items()}
        self.leaves = {name: self._storage[name][:, : leaf[0].numel()].view(leaf.shape) for name, leaf in leaves.items()}
        storages = list(self._storage.values())
        self._moments = [(torch.zeros_like(s), torch.zeros_like(s)) for s in storages]
        self._runs = [self._run(rows, *rates) for rows, rates in _neighbours(list(zip(lr, weight_decay, strict=True)))]

    def _run(self, rows: slice, lr: float, weight_decay: float) -> _Run:
        values = [s[rows] for s in self._storage.values()]
        first, second = [m[rows] for m, _ in self._moments], [v[rows] for _, v in self._moments]
        return _Run(rows, lr, weight_decay, values, first, second, [torch.zeros((), device=v.device) for v in values])

    def step(self, gradients: Mapping[str, Tensor], factor: float = 1.0) -> None:
        """Update every leaf in place.

        Args:
            gradients: by name, of the leaves' shapes.
            factor: of the learning rates, from the schedule.
        """
        padded = [_padded(gradients[name]) for name in self._storage]
        for run in self._runs:
            adamw(
                run.values,
                [g[run.rows] for g in padded],
                run.first,
                run.second,
                [],
                run.counts,
                fused=True,
                foreach=False,
                amsgrad=False,
                maximize=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=run.lr * factor,
                weight_decay=run.weight_decay,
                eps=self._eps,
            )

    def clear(self, trials: Tensor) -> None:
        """Set values and moments of the trials at `trials` (K,) int64 to 0, so that a trial that went wrong stays finite."""
        for storage, (first, second) in zip(self._storage.values(), self._moments, strict=True):
            for tensor in (storage, first, second):
                tensor[trials] = 0.0


def _padded(leaf: Tensor) -> Tensor:
    """Return the leaf as (T, L), L rounded up to whole vectors; a copy unless it is a gradient that needs no padding."""
    flat = leaf.detach().reshape(leaf.shape[0], -1)
    missing = -flat.shape[1] % _LANES
    return torch.nn.functional.pad(flat, (0, missing)) if missing else flat.contiguous()


def _neighbours(rates: Sequence[tuple[float, float]]) -> list[tuple[slice, tuple[float, float]]]:
    runs, start = [], 0
    for value, group in groupby(rates):
        stop = start + len(list(group))
        runs.append((slice(start, stop), value))
        start = stop
    return runs
