"""NMTune's three regularisers, each a function of a batch, with exact gradients and usable without NMTune.

Source: NMTune (arXiv:2309.17002), section 4. F (R, D) are features of a frozen model, Z (R, D) what a small network makes of them.
All three run under `torch.func.vmap` and in either floating dtype; first derivatives only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from burnish_nmtune.spectrum import singular_system


def consistency(features: Tensor, z: Tensor) -> Tensor:
    """Return ||f / ||f|| - z / ||z|| ||^2 of each row, (R,): how far z has turned away from what the frozen model knew.

    Args:
        features: f, (R, D); a constant.
        z: (R, D).
    """
    return (normalize(features.detach(), dim=-1) - normalize(z, dim=-1)).square().sum(-1)


def covariance(z: Tensor) -> Tensor:
    """Return L_COV = sum_{i != j} C_ij^2 / D, 0-d, of the sample covariance C (D, D) of z's columns: 0 where they are uncorrelated.

    With fewer rows than columns C is never formed: ||C||^2 = ||c c^T||^2 / (R - 1)^2 for the centred c. As C then has rank R - 1 at most,
    the term only sees the space that the batch spans.

    Args:
        z: (R, D).
    """
    value: Tensor = _Known.apply(z, _covariance)[0]
    return value


def spectrum(z: Tensor, *, top: int = 1) -> Tensor:
    """Return L_SVD, 0-d: minus the mean of the `top` largest p_i = sigma_i / sum_j sigma_j of z's singular values.

    With ``top=1``, the paper's - sigma_1 / sum sigma, it lies in [-1, -1 / r], r = min(R, D). A singular value of 0 gets no gradient,
    and of equal ones any basis serves: the result is then one of the subgradients.

    Args:
        z: (R, D).
        top: how many of the largest to average, at most r of them.
    """
    value: Tensor = _Known.apply(z, _Spectrum(top))[0]
    return value


class _Known(torch.autograd.Function):
    """A function of a matrix that gives its value and its gradient at once; backward then only scales the gradient."""

    @staticmethod
    def forward(z: Tensor, both: Callable[[Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Return value (...) and gradient (..., R, D) for z (..., R, D)."""
        return both(z)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return grads[0][..., None, None] * gradient, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int, None], z: Tensor, both: Any) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        return _Known.apply(z.movedim(in_dims[0], 0), both), (0, 0)


def _covariance(z: Tensor) -> tuple[Tensor, Tensor]:
    c = z - z.mean(-2, keepdim=True)
    free, width = max(z.shape[-2] - 1, 1), z.shape[-1]
    variances = c.square().sum(-2, keepdim=True) / free
    if z.shape[-2] < width:
        gram = c @ c.mT / free
        squares, product = gram.square().sum((-2, -1)), gram @ c
    else:
        matrix = c.mT @ c / free
        squares, product = matrix.square().sum((-2, -1)), c @ matrix
    value = (squares - variances.square().sum((-2, -1))) / width
    return value, 4 / (width * free) * (product - c * variances)


class _Spectrum:
    """Value and gradient of `spectrum`: dL/dZ = sum_i dL/dsigma_i u_i v_i^T, where u_i v_i^T = u_i u_i^T Z / sigma_i."""

    def __init__(self, top: int) -> None:
        self.top = top

    def __call__(self, z: Tensor) -> tuple[Tensor, Tensor]:
        sigma, vectors = singular_system(z)
        top = min(self.top, sigma.shape[-1])
        leading = torch.zeros_like(sigma)
        leading[..., -top:] = 1 / top
        total = sigma.sum(-1, keepdim=True)
        total = total.masked_fill(total == 0, 1)
        value = -(leading * sigma).sum(-1, keepdim=True) / total
        slopes = -(leading + value) / total
        scaled = (slopes / sigma).masked_fill(sigma == 0, 0)
        vectors, scaled = vectors.to(z.dtype), scaled.to(z.dtype)
        left = z.shape[-2] <= z.shape[-1]
        gradient = vectors @ (scaled[..., None] * (vectors.mT @ z)) if left else (z @ vectors * scaled[..., None, :]) @ vectors.mT
        return value[..., 0].to(z.dtype), gradient
