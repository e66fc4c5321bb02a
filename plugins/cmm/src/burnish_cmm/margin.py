"""The class-wise matching margin (arXiv:2310.03324).

Is a class's own text the nearest one to its items, and by how much?

The paper's code is not public. What is here follows its definition: average first, then the best rival.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Items at a time: more of them in float64 would only take memory.
_CHUNK = 65_536


def unit(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return x (..., D) with rows of length 1; a row of zeros stays."""
    x = np.asarray(x, dtype=np.float64)
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    scaled: NDArray[np.float64] = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    return scaled


def class_sums(
    features: NDArray[Any], y: NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of unit features by class (C, D), and how many there are (C,).

    Similarities are linear in the image feature, so sums are all that is needed, whatever the prompts: chunks
    can be added up.

    Args:
        features: (N, D), of any length.
        y: (N,) classes; -1 is left out.
        classes: C.
    """
    sums, counts = np.zeros((classes, features.shape[1])), np.zeros(classes)
    for start in range(0, len(y), _CHUNK):
        part = y[start : start + _CHUNK]
        order = np.argsort(part, kind="stable")[(part < 0).sum() :]
        there, first, many = np.unique(part[order], return_index=True, return_counts=True)
        if len(there):
            sums[there] += np.add.reduceat(unit(features[start : start + _CHUNK][order]), first, axis=0)
            counts[there] += many
    return sums, counts


def similarity(
    sums: NDArray[np.float64], counts: NDArray[np.float64], texts: NDArray[Any]
) -> NDArray[np.float64]:
    """Return S[i, k] = mean over items v of class i of <v, t_k>, (..., C, C); NaN for a class without items.

    Args:
        sums: (C, D) sums of unit features.
        counts: (C,) items.
        texts: (..., C, D) text features, of any length.
    """
    means = np.divide(sums, counts[:, None], out=np.full_like(sums, np.nan), where=counts[:, None] > 0)
    return means @ np.swapaxes(unit(texts), -1, -2)


def matching_margin(s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return CMM_i = S[i, i] - max_{k != i} S[i, k], (..., C), in [-2, 2].

    Negative where a rival's text is nearer; NaN without items.

    A single class has no rival: its margin is S[0, 0].
    """
    own = np.diagonal(s, axis1=-2, axis2=-1)
    rivals = np.where(np.eye(s.shape[-1], dtype=bool), -np.inf, s)
    return own - rivals.max(axis=-1) if s.shape[-1] > 1 else own


def prompt_margins(
    sums: NDArray[np.float64], counts: NDArray[np.float64], texts: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the margins (P, C) of texts (P, C, D), one prompt after the other.

    All similarities at once would be P times C times C numbers.
    """
    return np.stack([matching_margin(similarity(sums, counts, prompt)) for prompt in texts])


def worst(margins: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Return the k classes of lowest margin, worst first; a class without items is worst of all."""
    return np.argsort(np.where(np.isnan(margins), -np.inf, margins), kind="stable")[:k]
