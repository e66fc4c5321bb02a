"""NMTune's three regularisers, each a function of a batch, with exact gradients and usable without NMTune.

Source: NMTune (arXiv:2309.17002), section 4. F (R, D) are features of a frozen model, Z (R, D) what a small
    network makes of them.
All run under `torch.func.vmap` and in either floating dtype; first derivatives only.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.functional import threshold

from burnish_nmtune.spectrum import singular_system
from burnish_nmtune.symmetric import symmetric_product

_ZERO: Final = 1e-12
"""A shorter row counts as one of zeros."""


def consistency(features: Tensor, z: Tensor) -> Tensor:
    """Return ||f / ||f|| - z / ||z|| ||^2 of each row, (R,).

    How far z has turned away from what the frozen model knew.

    A row shorter than 1e-12 counts as one of zeros, which gets no gradient.

    Args:
        features: f, (R, D); a constant.
        z: (R, D).
    """
    value: Tensor = _Consistency.apply(features.detach(), z)[0]
    return value


def covariance(z: Tensor) -> Tensor:
    """Return L_COV = sum_{i != j} C_ij^2 / D, 0-d, of the sample covariance C (D, D) of z's columns.

    0 where they are uncorrelated.

    With fewer rows than columns C is never formed: ||C||^2 = ||c c^T||^2 / (R - 1)^2 for the centred c. As C
    then has rank R - 1 at most, the term only sees the space that the batch spans.

    Args:
        z: (R, D).
    """
    value: Tensor = _OfGram.apply(z, None)[0]
    return value


def spectrum(z: Tensor, *, top: int = 1) -> Tensor:
    """Return L_SVD, 0-d: minus the mean of the `top` largest p_i = sigma_i / sum_j sigma_j of z.

    The sigma_i are z's singular values.

    With ``top=1``, the paper's - sigma_1 / sum sigma, it lies in [-1, -1 / r], r = min(R, D). A singular
    value of 0 gets no gradient, and of equal ones any basis serves: the result is then one of the
    subgradients.

    Args:
        z: (R, D).
        top: how many of the largest to average, at most r of them.
    """
    return covariance_and_spectrum(z, top=top)[1]


def covariance_and_spectrum(z: Tensor, *, top: int = 1) -> tuple[Tensor, Tensor]:
    """Return `covariance` and `spectrum` of z (R, D), each 0-d, for little more than the second alone costs.

    They share their products.
    """
    l_cov, l_svd, *_ = _OfGram.apply(z, top)
    return l_cov, l_svd


class _Consistency(torch.autograd.Function):
    """With unit rows f and z of f and Z.

    Value |f - z|^2, cos = 1 - value / 2, and gradient -2 (f - cos z) / ||Z||.
    """

    @staticmethod
    def forward(features: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return values (..., R), and for backward the factors (..., R, 1) of F and of Z in the gradient."""
        length_f, per_f = _lengths(features)
        _, per_z = _lengths(z)
        value = torch.linalg.vector_norm(
            (features * per_f).addcmul_(z, per_z, value=-1), dim=-1, keepdim=True
        ).square_()
        per_both = per_f * per_z
        return value.squeeze(-1), -2 * per_both, (2 - value) * per_both * (length_f * per_z)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(*inputs, *output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor]:
        features, z, of_f, of_z = ctx.saved_tensors
        grad = grads[0].unsqueeze(-1)
        return None, torch.addcmul(features * (grad * of_f), z, grad * of_z)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None], *inputs: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        pairs = zip(inputs, in_dims, strict=True)
        batched = (
            x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0) for x, dim in pairs
        )
        return _Consistency.apply(*batched), (0,) * 3


def _lengths(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return lengths of the rows of x (..., R, D) and 1 / length, (..., R, 1) each; 0 for rows of zeros."""
    lengths = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return lengths, threshold(lengths, _ZERO, torch.inf).reciprocal()


class _OfGram(torch.autograd.Function):
    """Covariance and spectrum of Z (R, D) from one Gram matrix and one product of its size in each direction.

    Where R <= D, the gradient of each is S Z for some S (R, R), else Z S for some S (D, D); of covariance,
    less an excess.
    """

    @staticmethod
    def forward(z: Tensor, top: int | None) -> tuple[Tensor, ...]:
        """Return both values (...), both S (..., r, r) and two factors of the excess.

        Without `top` there is no spectrum.
        """
        wide, rows = z.shape[-2] <= z.shape[-1], z.shape[-2]
        mean = z.mean(-2, keepdim=True)
        c = z - mean
        centred = symmetric_product(c, c) if wide else symmetric_product(c.mT, c.mT)
        l_cov, s_cov, *excess = _covariance(c, mean, centred)
        if top is None:
            return l_cov, torch.zeros_like(l_cov), s_cov, torch.zeros_like(s_cov), *excess
        # Z = c + 1 m; this way round no digits are lost, where subtracting from Z's Gram matrix would cancel
        # them.
        if wide:
            across = c @ mean.mT
            gram = centred + (across + mean @ mean.mT) + across.mT
        else:
            gram = centred + mean.mT @ (rows * mean)
        l_svd, s_svd = _spectrum(z, gram, top)
        return l_cov, l_svd, s_cov, s_svd, *excess

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int | None], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[2:])
        ctx.save_for_backward(inputs[0], *output[2:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, None]:
        z, s_cov, s_svd, base, factor = ctx.saved_tensors
        rates = (4 * _per_square(z), 1.0)
        of_cov, of_svd = (
            None if g is None else rate * g[..., None, None] for rate, g in zip(rates, grads[:2], strict=True)
        )
        slope = None if of_svd is None else of_svd * s_svd
        if of_cov is not None:
            slope = of_cov * s_cov if slope is None else torch.addcmul(slope, s_cov, of_cov)
        if slope is None:
            return None, None
        gradient = slope @ z if z.shape[-2] <= z.shape[-1] else z @ slope
        return gradient if of_cov is None else torch.addcmul(gradient, base, of_cov * factor, value=-1), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int, None], z: Tensor, top: int | None
    ) -> tuple[tuple[Tensor, ...], tuple[int, ...]]:
        return _OfGram.apply(z.movedim(in_dims[0], 0), top), (0,) * 6


def _per_square(z: Tensor) -> float:
    """Return 1 / (D (R - 1)^2): what a squared entry of c^T c counts in the covariance term."""
    return 1 / (z.shape[-1] * max(z.shape[-2] - 1, 1) ** 2)


def _covariance(c: Tensor, mean: Tensor, gram: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return value (...), S and two factors of the excess.

    All but the value are still to be multiplied by 4 / (D (R - 1)^2).

    dL/dZ = 4 / (D (R - 1)) c (C - diag C), where C = c^T c / (R - 1); for wide Z, c C = c c^T c / (R - 1) = c
    c^T Z / (R - 1).
    """
    if c.shape[-2] <= c.shape[-1]:
        squares = c.square().sum(-2, keepdim=True)
        value = _sum_of_squares(gram) - _sum_of_squares(squares)
        return value * _per_square(c), gram, c, squares
    others = gram - torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1))
    return _sum_of_squares(others) * _per_square(c), others, mean @ others, torch.ones_like(mean[..., :1])


def _sum_of_squares(x: Tensor) -> Tensor:
    return x.square().sum((-2, -1))


def _spectrum(z: Tensor, gram: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """Return value (...) and S.

    DL/dZ = sum_i dL/dsigma_i u_i v_i^T, where u_i v_i^T = u_i u_i^T Z / sigma_i = Z v_i v_i^T / sigma_i.
    """
    sigma, vectors = singular_system(z, gram)
    top = min(top, sigma.shape[-1])
    total = sigma.sum(-1, keepdim=True).clamp_min(torch.finfo(sigma.dtype).tiny)
    leading = sigma[..., -top:]
    share = leading.mean(-1, keepdim=True) / total
    scaled = share / sigma
    scaled[..., -top:] -= leading.reciprocal() / top
    scaled = (scaled / total).masked_fill(sigma == 0, 0)
    slope = symmetric_product(vectors * scaled.unsqueeze(-2), vectors)
    return -share.squeeze(-1).to(z.dtype), slope.to(z.dtype)
