"""LIFT's classifier, and what it is at first (arXiv:2309.10019, section 4)."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import linear, normalize


class Cosine(nn.Module):
    """z = sigma cos(h, w_k), without a bias.

    Args:
        weight: W0 (C, w).
        scale: sigma.
    """

    def __init__(self, weight: Tensor, scale: float) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(weight.clone()), scale

    def forward(self, h: Tensor) -> Tensor:
        """Return logits (B, C) of features (B, w)."""
        return self.scale * linear(normalize(h, dim=-1), normalize(self.weight, dim=-1))


class Linear(nn.Module):
    """z = W h + b, with b = 0 at first.

    Args:
        weight: W0 (C, w).
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(weight.clone()),
            nn.Parameter(torch.zeros(len(weight), device=weight.device)),
        )

    def forward(self, h: Tensor) -> Tensor:
        """Return logits (B, C) of features (B, w)."""
        return linear(h, self.weight, self.bias)


def from_text(text: Tensor, projection: Tensor) -> Tensor:
    """Return W0 = norm(T P^T), (C, w).

    H P t = h (t P^T), so that features h before the projection P are compared with texts.

    Before the rows are normalised the largest product h (T P^T) of an item is that of its zero-shot class.

    Args:
        text: T (C, D), a row of length 1 for each class.
        projection: P (w, D).
    """
    return normalize(text.to(projection.device) @ projection.T, dim=-1)


def from_class_means(h: Tensor, y: Tensor, weights: Tensor, classes: int, generator: Generator) -> Tensor:
    """Return the normalised weighted mean of each class's frozen features, (C, w).

    A class without items gets a random direction.

    Args:
        h: (n, w).
        y: (n,) labels.
        weights: (n,) above 0.
        classes: C.
        generator: on the CPU.
    """
    sums = torch.zeros(classes, h.shape[1], device=h.device).index_add(0, y, h * weights[:, None])
    present = torch.zeros(classes, dtype=torch.bool, device=h.device).index_fill(0, y, value=True)
    return torch.where(
        present[:, None],
        normalize(sums, dim=-1),
        random_directions(classes, h.shape[1], generator).to(h.device),
    )


def random_directions(classes: int, width: int, generator: Generator) -> Tensor:
    """Return rows drawn from U(-1, 1) and normalised, (C, w)."""
    return normalize(torch.rand(classes, width, generator=generator) * 2 - 1, dim=-1)
