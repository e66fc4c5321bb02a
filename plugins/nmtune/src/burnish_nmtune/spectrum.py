"""Singular values through the smaller Gram matrix, and what NMTune reads from them: SVE and LSVR.

Source: NMTune (arXiv:2309.17002), section 3.3. F (M, D) holds features of M test items, sigma_1 >= ... >=
    sigma_r its singular
values, r = min(M, D), and p_i = sigma_i / sum_j sigma_j.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from burnish_nmtune.symmetric import eigh, eigvalsh, symmetric_product

Center = Literal["none", "row", "column"]

FLOAT32_FROM = 128
"""Size from which on `singular_system` decomposes a float32 matrix in float32 first."""

TOLERANCE = 1e-3
"""Relative error of the gradient of sum sigma up to which a float32 decomposition is good enough."""


def singular_values(z: Tensor) -> Tensor:
    """Return the singular values (..., r), r = min(R, D), of matrices (..., R, D), descending, in z's dtype.

    They are the square roots of the eigenvalues of the smaller Gram matrix, computed in float64; no gradient
    flows. Those below about 1e-7 of the largest are given as 0.
    """
    return _roots(eigvalsh(_smaller_gram(z, torch.float64))).flip(-1).to(z.dtype)


def singular_system(z: Tensor, gram: Tensor) -> tuple[Tensor, Tensor]:
    """Return singular values (..., r), ascending, and vectors (..., r, r) of z's shorter side, in columns.

    The vectors are the left ones of z (..., R, D) where R <= D, else the right ones. No gradient flows. All
    is float64, except for float32 matrices that are large and well away from square: these are decomposed in
    float32, again in float64 if that is not good enough, and what is returned is float32.

    Args:
        z: (..., R, D).
        gram: Z Z^T or Z^T Z, (..., r, r) in z's dtype, whichever is smaller: the caller has use for it, too.
    """
    r, longer = sorted(z.shape[-2:])
    if gram.dtype != torch.float32 or r < FLOAT32_FROM or r > 0.75 * longer:
        return _double(z, gram)
    values, vectors = eigh(gram)
    sigma = values.sqrt()
    # Squaring leaves an eigenvalue with an error of eps times the largest one, and so its u v^T with one of
    # eps (sigma_1 / sigma_i)^2.
    most = (TOLERANCE / torch.finfo(torch.float32).eps * r**0.5) ** 0.5
    good = (
        torch.linalg.vector_norm(sigma[..., -1:] / sigma, ord=4, dim=-1) <= most
    )  # of a negative eigenvalue: NaN, so not good
    if not good.all():
        better, their_vectors = _double(z[~good], gram[~good])
        sigma[~good], vectors[~good] = better.to(torch.float32), their_vectors.to(torch.float32)
    return sigma, vectors


def _double(z: Tensor, gram: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = eigh(gram if gram.dtype == torch.float64 else _smaller_gram(z, torch.float64))
    return _roots(values), vectors


def _smaller_gram(z: Tensor, dtype: torch.dtype) -> Tensor:
    """Return Z Z^T or Z^T Z, whichever is smaller.

    Squaring costs half of the digits, which only float64 can spare.
    """
    z = z.detach().to(dtype)
    side = z if z.shape[-2] <= z.shape[-1] else z.mT
    return symmetric_product(side, side)


def _roots(eigenvalues: Tensor) -> Tensor:
    """Return square roots of ascending eigenvalues.

    Those that may be rounding alone, at most r eps of the largest, as 0.
    """
    largest = eigenvalues[..., -1:]
    noise = eigenvalues.shape[-1] * torch.finfo(eigenvalues.dtype).eps * largest
    return eigenvalues.masked_fill(eigenvalues <= noise, 0).sqrt()


def unit_rows(features: Tensor) -> Tensor:
    """Return features (M, D) with each row divided by its length; a row of zeros stays."""
    lengths: Tensor = torch.linalg.vector_norm(features, dim=-1, keepdim=True)
    return features / lengths.masked_fill(lengths == 0, 1)


def centered(features: Tensor, center: Center) -> Tensor:
    """Return features (M, D) less the mean of each row, less the mean of each column, or as they are.

    NMTune's released script subtracts row means, of rows brought to unit length before (`unit_rows`); column
    means are what principal component analysis subtracts.
    """
    if center == "row":
        return features - features.mean(-1, keepdim=True)
    if center == "column":
        return features - features.mean(-2, keepdim=True)
    return features


def shares(values: Tensor) -> Tensor:
    """Return p_i = sigma_i / sum_j sigma_j, (..., r) float64, of singular values (..., r).

    NaN where all are 0.
    """
    wide = values.to(torch.float64)
    return wide / wide.sum(-1, keepdim=True)


def singular_value_entropy(values: Tensor) -> Tensor:
    """Return SVE = - sum_i p_i ln p_i in nats (...), float64, of singular values (..., r).

    0 for rank one, ln r for a flat spectrum.
    """
    entropy: Tensor = torch.special.entr(shares(values)).sum(-1)
    return entropy


def largest_singular_value_ratio(values: Tensor) -> Tensor:
    """Return LSVR = - ln(sigma_1 / sum_i sigma_i) in nats (...), float64, of singular values (..., r).

    At most SVE.
    """
    return -shares(values).amax(-1).log()
