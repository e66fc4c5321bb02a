"""Stochastic gradient descent with momentum, for parameters inside a backbone."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class SGD:
    """The arithmetic of `torch.optim.SGD` with momentum and weight decay: d = g + wd p.

    B = momentum b + d, at first d; p = p - lr b.

    Parameters in less than float32 are updated in a copy in float32, or small steps would round to nothing.
    (`torch.optim` itself would import the compiler on first use: seconds and 100 MB.)

    Args:
        parameters: what is trained; one without a gradient stays as it is.
        lr: learning rate before the schedule.
        momentum: share of the last step that is kept.
        weight_decay: added to the gradient, times the parameter.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        self._lr, self._momentum, self._decay = lr, momentum, weight_decay
        self._parameters = list(parameters)
        self._values: list[Tensor] = [
            p.detach() if p.dtype == torch.float32 else p.detach().float() for p in self._parameters
        ]
        self._steps: list[Tensor | None] = [None] * len(self._parameters)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """Update every parameter that has a gradient.

        Args:
            factor: of the learning rate, from the schedule.
        """
        for number, (parameter, value) in enumerate(zip(self._parameters, self._values, strict=True)):
            if parameter.grad is None:
                continue
            gradient = parameter.grad.to(value.dtype).add(value, alpha=self._decay)
            before = self._steps[number]
            step = gradient if before is None else before.mul_(self._momentum).add_(gradient)
            self._steps[number] = step
            value.add_(step, alpha=-self._lr * factor)
            if value.dtype != parameter.dtype:
                parameter.copy_(value)
