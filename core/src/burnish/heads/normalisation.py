"""Batch normalisation for stacks.

Under `torch.func.vmap`, torch's own normalises the columns of all trials as one wide batch. The sums over it
that follow then run over columns in groups, and how a column is summed depends on where it lies: a trial's
bits would depend on its place in the stack. Here every trial keeps its rows together; the arithmetic is that
of `torch.nn.BatchNorm1d` (arXiv:1502.03167, algorithm 1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Parts = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def stackable(module: nn.Module) -> nn.Module:
    """Return the module with every `torch.nn.BatchNorm1d` in it replaced by one for stacks.

    Names of tensors stay. The module is changed.
    """
    for name, child in module.named_children():
        setattr(module, name, stackable(child))
    if type(module) is not nn.BatchNorm1d:
        return module
    norm = BatchNorm(
        module.num_features,
        module.eps,
        module.momentum,
        module.affine,
        module.track_running_stats,
        device="meta",
    )
    norm.load_state_dict(module.state_dict(), assign=True)
    return norm.train(module.training)


class BatchNorm(nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` of (R, F) rows whose bits do not depend on the stack."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised rows (R, F); in training the running statistics are updated in place."""
        if not self.training or x.ndim != 2 or self.momentum is None:
            return super().forward(x)
        weight = self.weight if self.affine else torch.ones_like(x[0])
        bias = self.bias if self.affine else torch.zeros_like(x[0])
        parts: Parts = _Normalise.apply(x, weight, bias, self.eps)
        y, mean, variance = parts[:3]
        if (
            self.running_mean is not None
            and self.running_var is not None
            and self.num_batches_tracked is not None
        ):
            rows = x.shape[0]
            self.running_mean.mul_(1 - self.momentum).add_(mean * self.momentum)
            self.running_var.mul_(1 - self.momentum).add_(variance * (self.momentum * rows / (rows - 1)))
            self.num_batches_tracked.add_(1)
        return y


class _Normalise(torch.autograd.Function):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias over the rows, with mean and (biased) variance.

    The last two are for backward.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Parts:
        mean = x.mean(-2)
        scaled = x - mean.unsqueeze(-2)
        variance = scaled.square().mean(-2)
        rate = (variance + eps).rsqrt()
        scaled.mul_(rate.unsqueeze(-2))
        return torch.addcmul(bias.unsqueeze(-2), scaled, weight.unsqueeze(-2)), mean, variance, scaled, rate

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Parts) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(output[3], output[4], inputs[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        scaled, rate, weight = ctx.saved_tensors
        g, rows = gradients[0], scaled.shape[-2]
        to_bias, to_weight = g.sum(-2), (g * scaled).sum(-2)
        # With x^ the scaled rows: dx = weight rate (g - mean(g) - x^ mean(g x^)).
        to_x = torch.addcmul(g - (to_bias / rows).unsqueeze(-2), scaled, (to_weight / -rows).unsqueeze(-2))
        return to_x.mul_((weight * rate).unsqueeze(-2)), to_weight, to_bias, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Parts, tuple[int, ...]]:
        given = [_leading(t, dim, info.batch_size) for t, dim in zip(inputs[:3], in_dims[:3], strict=True)]
        return _Normalise.apply(*given, inputs[3]), (0,) * 5


def _leading(tensor: Tensor, dim: int | None, size: int) -> Tensor:
    return tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
