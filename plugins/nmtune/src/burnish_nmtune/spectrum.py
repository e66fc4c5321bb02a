"""Singular values through the smaller Gram matrix, and what NMTune reads from them: SVE and LSVR.

Source: NMTune (arXiv:2309.17002), section 3.3. F (M, D) holds features of M test items, sigma_1 >= ... >= sigma_r its singular
values, r = min(M, D), and p_i = sigma_i / sum_j sigma_j.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from burnish_nmtune.eigen import eigh, eigvalsh

Center = Literal["none", "row", "column"]

LARGE = 128
"""From this size of the shorter side on, float32 is tried first."""

TOLERANCE = 1e-3
"""Relative error of the gradient of sum sigma up to which a float32 decomposition is good enough."""


def singular_values(z: Tensor) -> Tensor:
    """Return the singular values (..., r), r = min(R, D), of matrices (..., R, D), descending, in z's dtype.

    They are the square roots of the eigenvalues of the smaller Gram matrix, computed in float64; no gradient flows. Those below
    about 1e-7 of the largest are given as 0.
    """
    return _roots(eigvalsh(_smaller_gram(z, torch.float64))).flip(-1).to(z.dtype)


def singular_system(z: Tensor) -> tuple[Tensor, Tensor]:
    """Return singular values (..., r), ascending and float64, and the singular vectors (..., r, r) of z's shorter side.

    The vectors are the left ones (columns) of z (..., R, D) where R <= D, else the right ones. No gradient flows. All is float64, except
    for a large float32 matrix, well away from square, whose float32 decomposition turns out to be good enough.
    """
    r, longer = sorted(z.shape[-2:])
    if z.dtype == torch.float32 and LARGE <= r <= 0.75 * longer:
        systems = [_single_or_double(matrix) for matrix in z.reshape(-1, *z.shape[-2:])]
        values, vectors = (torch.stack(parts) for parts in zip(*systems, strict=True))
        return values.reshape(*z.shape[:-2], r), vectors.reshape(*z.shape[:-2], r, r)
    return _double(z)


def _single_or_double(z: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = eigh(_smaller_gram(z, torch.float32))
    # Squaring leaves an eigenvalue with an error of eps times the largest one, and so its u v^T with one of eps (sigma_1 / sigma_i)^2.
    error = torch.finfo(torch.float32).eps * (values[-1] / values).square().mean().sqrt()
    if values[0] > 0 and error <= TOLERANCE:
        return values.to(torch.float64).sqrt(), vectors.to(torch.float64)
    return _double(z)


def _double(z: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = eigh(_smaller_gram(z, torch.float64))
    return _roots(values), vectors


def _smaller_gram(z: Tensor, dtype: torch.dtype) -> Tensor:
    """Return Z Z^T or Z^T Z, whichever is smaller; squaring costs half of the digits, which only float64 can spare."""
    z = z.detach().to(dtype)
    return z @ z.mT if z.shape[-2] <= z.shape[-1] else z.mT @ z


def _roots(eigenvalues: Tensor) -> Tensor:
    """Return square roots of ascending eigenvalues; those that may be rounding alone, at most r eps of the largest, as 0."""
    largest = eigenvalues[..., -1:]
    noise = eigenvalues.shape[-1] * torch.finfo(eigenvalues.dtype).eps * largest
    return eigenvalues.masked_fill(eigenvalues <= noise, 0).sqrt()


def unit_rows(features: Tensor) -> Tensor:
    """Return features (M, D) with each row divided by its length; a row of zeros stays."""
    lengths: Tensor = torch.linalg.vector_norm(features, dim=-1, keepdim=True)
    return features / lengths.masked_fill(lengths == 0, 1)


def centered(features: Tensor, center: Center) -> Tensor:
    """Return features (M, D) less the mean of each row, less the mean of each column, or as they are.

    NMTune's released script subtracts row means, of rows brought to unit length before (`unit_rows`); column means are what principal component
    analysis subtracts.
    """
    if center == "row":
        return features - features.mean(-1, keepdim=True)
    if center == "column":
        return features - features.mean(-2, keepdim=True)
    return features


def shares(values: Tensor) -> Tensor:
    """Return p_i = sigma_i / sum_j sigma_j, (..., r) float64, of singular values (..., r); NaN where all are 0."""
    wide = values.to(torch.float64)
    return wide / wide.sum(-1, keepdim=True)


def singular_value_entropy(values: Tensor) -> Tensor:
    """Return SVE = - sum_i p_i ln p_i in nats (...), float64, of singular values (..., r): 0 for rank one, ln r for a flat spectrum."""
    entropy: Tensor = torch.special.entr(shares(values)).sum(-1)
    return entropy


def largest_singular_value_ratio(values: Tensor) -> Tensor:
    """Return LSVR = - ln(sigma_1 / sum_i sigma_i) in nats (...), float64, of singular values (..., r): at most SVE."""
    return -shares(values).amax(-1).log()
