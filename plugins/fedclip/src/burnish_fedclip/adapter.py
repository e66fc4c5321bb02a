"""FedCLIP's attention adapter and its loss, as functions of tensors (Lu et al. 2023, arXiv:2302.13485).

The constants are those of the released code.

Leading dimensions ``...`` are clients: none, or K of them, each with its own parameters.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, normalize

NAMES = ("w1", "b1", "w2", "b2")
"""Names of the adapter's tensors."""


def shapes(dim: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of an adapter for features of width D: 2 (D^2 + D) numbers."""
    return {"w1": (dim, dim), "b1": (dim,), "w2": (dim, dim), "b2": (dim,)}


def initial(dim: int, seed: int) -> dict[str, Tensor]:
    """Return a fresh adapter, drawn as two `torch.nn.Linear` are.

    Nearly the identity in cosine space, because the gate is nearly uniform.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        first, second = torch.nn.Linear(dim, dim), torch.nn.Linear(dim, dim)
    drawn = dict(zip(NAMES, (first.weight, first.bias, second.weight, second.bias), strict=True))
    return {name: tensor.detach() for name, tensor in drawn.items()}


def attention(adapter: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Return the gate a (..., B, D), which sums to 1 over the D features.

    Args:
        adapter: ``w1``, ``w2`` (..., D, D) and ``b1``, ``b2`` (..., D).
        images: image features I (..., B, D), as the backbone gives them.
    """
    hidden = torch.tanh(images @ adapter["w1"].mT + adapter["b1"].unsqueeze(-2))  # tanh(W1 I + b1)
    return torch.softmax(
        hidden @ adapter["w2"].mT + adapter["b2"].unsqueeze(-2), dim=-1
    )  # a = softmax(W2 ... + b2)


def adapted(adapter: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Return the adapted image features a * I (..., B, D), of length 1."""
    return normalize(attention(adapter, images) * images, dim=-1)


def infonce(images: Tensor, texts: Tensor, weights: Tensor, scale: float) -> Tensor:
    """Return the symmetric in-batch InfoNCE loss of each client, (...,).

    Images against captions, and captions against images.

    Items of one class have one caption, and are each other's negatives all the same: with classes of n_c
    items in a batch of B the loss cannot fall below the sum of (n_c / B) log n_c.

    Args:
        images: adapted features (..., B, D) of length 1.
        texts: features (..., B, D) of length 1 of each item's caption.
        weights: (..., B) at least 0; rows of weight 0 are not in the batch.
        scale: what cosine similarities are multiplied with, the exponential of CLIP's logit scale.
    """
    similarities = scale * images @ texts.mT  # S_ij, image i and text j
    absent = weights <= 0
    to_texts = log_softmax(similarities.masked_fill(absent.unsqueeze(-2), -torch.inf), dim=-1).diagonal(
        dim1=-2, dim2=-1
    )
    to_images = log_softmax(similarities.masked_fill(absent.unsqueeze(-1), -torch.inf), dim=-2).diagonal(
        dim1=-2, dim2=-1
    )
    both = 0.5 * (to_texts + to_images)
    return -_mean(both, weights, absent)


def class_cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return each client's cross-entropy over the classes, (...,).

    Args:
        logits: (..., B, C).
        labels: (..., B) int64.
        weights: (..., B) at least 0; rows of weight 0 are not in the batch.
    """
    chosen = log_softmax(logits, dim=-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1)
    return -_mean(chosen, weights, weights <= 0)


def _mean(values: Tensor, weights: Tensor, absent: Tensor) -> Tensor:
    """Return sum(w v) / sum(w) over the batch; absent values, which may be infinite, do not count."""
    return (weights * values.masked_fill(absent, 0.0)).sum(-1) / weights.sum(-1)
