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
"""Numbers a vector register holds at most.

Each trial's part of a leaf starts at a multiple of it, because the kernel rounds the numbers
of a last, incomplete vector differently: without it a trial's bits would depend on its place in the stack."""


def schedule_factor(schedule: Literal["cosine", "constant"], step: int, steps: int) -> float:
    """Return what the learning rate is multiplied with at a step.

    Args:
        schedule: ``"cosine"`` is (1 + cos(pi step / steps)) / 2, which goes from 1 towards 0 without warm-up;
            ``"constant"`` is 1.
        step: 0 to ``steps - 1``.
        steps: steps in all.
    """
    return 0.5 * (1.0 + math.cos(math.pi * step / steps)) if schedule == "cosine" else 1.0


class _Run(NamedTuple):
    """Neighbouring trials with one learning rate and one weight decay, so one kernel call serves them."""

    rows: slice
    lr: float
    weight_decay: float
    values: list[Tensor]
    first: list[Tensor]
    second: list[Tensor]
    counts: list[Tensor]


class StackedAdamW:
    """AdamW for T trials at once.

    Loshchilov & Hutter, arXiv:1711.05101, algorithm 2; the arithmetic of `torch.optim.AdamW`.

    Args:
        leaves: start values by name, (T, ...) float32 each; they are copied.
        lr: T learning rates before the schedule. Equal neighbours share a kernel call: sort the trials by
            rate.
        weight_decay: T decoupled weight decays.
        betas: decay rates of the two moments.
        eps: added to the root of the second moment.

    Attributes:
        leaves: the current values by name, (T, ...), of which gradients can be asked; take them anew before
            every step.
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
        self._betas, self._eps, self._steps = betas, eps, 0
        self._rates = list(zip(lr, weight_decay, strict=True))
        self._orders = {name: tuple(range(leaf.ndim)) for name, leaf in leaves.items()}
        self._shapes = {name: leaf.shape[1:] for name, leaf in leaves.items()}
        storage = {name: _flat(leaf, self._orders[name]).clone() for name, leaf in leaves.items()}
        self._adopt(storage, [(torch.zeros_like(s), torch.zeros_like(s)) for s in storage.values()])

    def _adopt(self, storage: dict[str, Tensor], moments: list[tuple[Tensor, Tensor]]) -> None:
        self._storage, self._moments = storage, moments
        self.leaves = {name: self._view(name).requires_grad_() for name in storage}
        self._runs: list[_Run] = []
        for rows, (lr, weight_decay) in _neighbours(self._rates):
            first, second = [m[rows] for m, _ in moments], [v[rows] for _, v in moments]
            counts = [torch.full((), float(self._steps), device=s.device) for s in storage.values()]
            self._runs.append(
                _Run(rows, lr, weight_decay, [s[rows] for s in storage.values()], first, second, counts)
            )

    def _view(self, name: str) -> Tensor:
        order, shape, storage = (
            self._orders[name],
            (len(self._rates), *self._shapes[name]),
            self._storage[name],
        )
        inverse = sorted(range(len(order)), key=order.__getitem__)
        return storage[:, : self._shapes[name].numel()].view([shape[i] for i in order]).permute(inverse)

    def step(self, gradients: Mapping[str, Tensor], factor: float = 1.0) -> None:
        """Update every leaf in place.

        Args:
            gradients: by name, of the leaves' shapes.
            factor: of the learning rates, from the schedule.
        """
        if not self._steps:
            self._adopt_layout(gradients)
        self._steps += 1
        flat = [_flat(gradients[name], self._orders[name]) for name in self._storage]
        for run in self._runs:
            adamw(
                run.values,
                [g[run.rows] for g in flat],
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

    def _adopt_layout(self, gradients: Mapping[str, Tensor]) -> None:
        """Keep values in memory as their gradients are, so that no step copies these.

        The gradient of a linear layer's weight comes transposed.
        """
        orders = {
            name: (0, *sorted(range(1, g.ndim), key=g.stride, reverse=True)) for name, g in gradients.items()
        }
        if orders != self._orders:
            self._orders = orders
            self._adopt(
                {name: _flat(leaf, orders[name]).clone() for name, leaf in self.leaves.items()}, self._moments
            )

    def keep(self, trials: Tensor) -> None:
        """Go on with the trials at `trials` (K,) int64 alone; one may stand there several times."""
        self._rates = [self._rates[t] for t in trials.tolist()]
        storage = {name: s[trials] for name, s in self._storage.items()}
        self._adopt(storage, [(first[trials], second[trials]) for first, second in self._moments])


def _flat(leaf: Tensor, order: tuple[int, ...]) -> Tensor:
    """Return the leaf, its dimensions in this order, as (T, L), L rounded up to whole vectors.

    A view where that needs no copy.
    """
    flat = leaf.detach().permute(order).reshape(leaf.shape[0], -1)
    missing = -flat.shape[1] % _LANES
    return torch.nn.functional.pad(flat, (0, missing)) if missing else flat.contiguous()


def _neighbours(rates: Sequence[tuple[float, float]]) -> list[tuple[slice, tuple[float, float]]]:
    runs, start = [], 0
    for value, group in groupby(rates):
        stop = start + len(list(group))
        runs.append((slice(start, stop), value))
        start = stop
    return runs
