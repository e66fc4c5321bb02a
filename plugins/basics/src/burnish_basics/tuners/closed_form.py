"""Heads that are solved, not trained: they use no loss and no optimiser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from burnish import NoConfig
from burnish.blocks import HeadTuner, TrainingData, one_hot
from burnish.errors import FitError
from burnish_basics._tuners import NearestClassMeanConfig, RidgeConfig

NEVER = -1e30
"""Logit of a class that must not be predicted: finite, so that no sum becomes NaN."""

_ROWS = 4096


class Rows(NamedTuple):
    """Training rows of positive weight, every view a row of its own.

    Attributes:
        x: (R, D) float32.
        hard: (R,) int64 classes, None for multi-label targets.
        multi: (R, C) 0 or 1, None for labels.
        observed: (R, C) 1 where an entry is known, None for labels.
        weights: (R,) float64.
    """

    x: Tensor
    hard: Tensor | None
    multi: Tensor | None
    observed: Tensor | None
    weights: Tensor


def rows_of(data: TrainingData) -> Rows:
    """Return the training rows of positive weight.

    Raises:
        FitError: there are none.
    """
    used = data.weights > 0
    if not bool(used.any()):
        raise FitError("no training item has a label and a positive weight")
    views = data.x.shape[1]

    def repeated(values: Tensor | None) -> Tensor | None:
        return None if values is None else values[used].repeat_interleave(views, dim=0)

    x = data.x if bool(used.all()) else data.x[used]
    weights = data.weights[used].double().repeat_interleave(views)
    return Rows(
        x.reshape(-1, x.shape[2]),
        repeated(data.targets.hard),
        repeated(data.targets.multi),
        repeated(data.targets.observed),
        weights,
    )


def in_float64(x: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield x (R, D) as float64 a few thousand rows at a time, with their place.

    A whole copy would cost twice the features.
    """
    for start in range(0, len(x), _ROWS):
        place = slice(start, start + _ROWS)
        yield place, x[place].double()


def weighted_sum(x: Tensor, weights: Tensor) -> Tensor:
    """Return sum_i w_i x_i (D,) float64 of x (R, D)."""
    return torch.stack([weights[place] @ rows for place, rows in in_float64(x)]).sum(dim=0)


class Constant(nn.Module):
    """The same logits (C,) for every item."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, features: Tensor) -> Tensor:
        """Return (R, C) logits."""
        return self.bias.expand(features.shape[0], -1)


class Nothing(HeadTuner[NoConfig]):
    """The do-nothing row of every table: predicts the most frequent training class, whatever the features.

    Its logits are log((n_c + 1) / (n + C)) of the weighted class counts n_c, so that its probabilities are
    the smoothed class frequencies; for multi-label targets they are the log-odds of each class's smoothed
    prevalence among its known entries.
    """

    uses_loss: ClassVar[bool] = False

    def build(self, dim: int, classes: int) -> nn.Module:
        """Return a module of C constants."""
        return Constant(dim, classes)

    def solve(self, data: TrainingData) -> dict[str, Tensor]:
        """Return the constants.

        Raises:
            FitError: no training item has a label.
        """
        weights = data.weights.double()
        if not bool((weights > 0).any()):
            raise FitError("no training item has a label and a positive weight", where="tuner nothing")
        multi, observed = data.targets.multi, data.targets.observed
        if multi is not None and observed is not None:
            present, absent = (
                weights @ (multi * observed).double(),
                weights @ ((1 - multi) * observed).double(),
            )
            return {"bias": ((present + 1) / (absent + 1)).log().float()}
        counts = data.prior.double()
        return {"bias": ((counts + 1) / (counts + 1).sum()).log().float()}


class Prototypes(nn.Module):
    """Logits that fall with the squared distance to class means, up to a term that all classes share.

    Linear in the (normalised) features.
    """

    def __init__(self, dim: int, classes: int, metric: Literal["euclidean", "cosine"]) -> None:
        super().__init__()
        self.metric = metric
        self.centre = nn.Parameter(torch.zeros(dim))
        self.weight = nn.Parameter(torch.zeros(classes, dim))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, features: Tensor) -> Tensor:
        """Return (R, C) logits."""
        x = normalize(features, dim=-1) if self.metric == "cosine" else features - self.centre
        return x @ self.weight.T + self.bias


class NearestClassMean(HeadTuner[NearestClassMeanConfig]):
    """Predicts the class with the nearest weighted mean feature (prototypical networks, arXiv:1703.05175).

    The logits are -||f - m_c||^2 / (2 v) up to a shared term, where v is the mean within-class variance of a
    column: log-likelihoods under Gaussians of one common variance, so that the probabilities mean something.
        With ``cosine`` features and means are L2-normalised
    first. A class without training items is never predicted.
    """

    uses_loss: ClassVar[bool] = False

    def build(self, dim: int, classes: int) -> nn.Module:
        """Return a module of class means."""
        return Prototypes(dim, classes, self.config.metric)

    def solve(self, data: TrainingData) -> dict[str, Tensor]:
        """Return centre, weight and bias.

        Raises:
            FitError: the targets are multi-labels, or no training item has a label.
        """
        rows = rows_of(data)
        if rows.hard is None:
            raise FitError(
                "the targets are multi-labels",
                where="tuner nearest-class-mean",
                possible="labels",
                todo="Use linear, mlp, ridge or knn",
            )
        cosine, total = self.config.metric == "cosine", rows.weights.sum()
        x = normalize(rows.x, dim=1) if cosine else rows.x
        counts = rows.weights.new_zeros(len(data.classes)).index_add(0, rows.hard, rows.weights)
        there = counts > 0
        sums = rows.weights.new_zeros(len(counts), x.shape[1])
        for place, part in in_float64(x):
            sums.index_add_(0, rows.hard[place], part * rows.weights[place, None])
        means = sums / torch.where(there, counts, 1)[:, None]
        means = normalize(means, dim=1) if cosine else means
        centre = torch.zeros_like(means[0]) if cosine else sums.sum(dim=0) / total
        spread = [
            rows.weights[place] @ (part - means[rows.hard[place]]).square().mean(dim=1)
            for place, part in in_float64(x)
        ]
        variance = torch.stack(spread).sum() / total
        # One item a class, or equal items: any scale gives the same classes.
        variance = torch.where(variance > 0, variance, torch.ones_like(variance))
        weight = torch.where(there[:, None], means - centre, 0) / variance
        bias = torch.where(there, -(means - centre).square().sum(dim=1) / (2 * variance), NEVER)
        return {"centre": centre.float(), "weight": weight.float(), "bias": bias.float()}


class CentredLinear(nn.Module):
    """Logits W (f - centre) + b."""

    def __init__(self, dim: int, classes: int) -> None:
        super().__init__()
        self.centre = nn.Parameter(torch.zeros(dim))
        self.weight = nn.Parameter(torch.zeros(classes, dim))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, features: Tensor) -> Tensor:
        """Return (R, C) logits."""
        return (features - self.centre) @ self.weight.T + self.bias


class Ridge(HeadTuner[RidgeConfig]):
    """One-vs-rest least squares on targets 1 and -1 with the penalty alpha ||w||^2.

    The intercept is not penalised. Solved in float64.

    The scores rank classes and cut at 0 for multi-label targets; they are no calibrated logits.
    """

    uses_loss: ClassVar[bool] = False

    def build(self, dim: int, classes: int) -> nn.Module:
        """Return a linear module on centred features."""
        return CentredLinear(dim, classes)

    def solve(self, data: TrainingData) -> dict[str, Tensor]:
        """Return centre, weight and bias.

        Raises:
            FitError: no training item has a label.
        """
        rows = rows_of(data)
        if rows.hard is not None:
            return self._together(
                rows.x, 2 * one_hot(rows.hard, len(data.classes)).double() - 1, rows.weights
            )
        if rows.multi is None or rows.observed is None:
            raise FitError("the targets are neither labels nor multi-labels", where="tuner ridge")
        signs, weights = 2 * rows.multi.double() - 1, rows.observed.double() * rows.weights[:, None]
        if bool((rows.observed == 1).all()):
            return self._together(rows.x, signs, rows.weights)
        return self._apart(rows.x, signs, weights)

    def _together(self, x: Tensor, signs: Tensor, weights: Tensor) -> dict[str, Tensor]:
        mean, weight, bias = ridge(x, signs, weights, self.config.alpha)
        return {"centre": mean.float(), "weight": weight.T.float().contiguous(), "bias": bias.float()}

    def _apart(self, x: Tensor, signs: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Solve each class on the rows in which it is known.

        A class that is known in none is never predicted.
        """
        centre = weighted_sum(x, torch.ones_like(weights[:, 0])) / len(x)
        weight, bias = centre.new_zeros(signs.shape[1], x.shape[1]), centre.new_full((signs.shape[1],), NEVER)
        for c in range(signs.shape[1]):
            if bool((weights[:, c] > 0).any()):
                mean, w, b = ridge(x, signs[:, c : c + 1], weights[:, c], self.config.alpha)
                weight[c], bias[c] = w[:, 0], b[0] + (centre - mean) @ w[:, 0]
        return {"centre": centre.float(), "weight": weight.float(), "bias": bias.float()}


def ridge(x: Tensor, y: Tensor, weights: Tensor, alpha: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return weighted mean (D,), weight (D, C) and bias (C,) of the penalised least squares.

    They minimise sum_i w_i ||y_i - W^T (x_i - mean) - b||^2 + alpha ||W||^2.

    All in float64; the smaller of the D x D and the R x R system is solved.

    Args:
        x: (R, D).
        y: (R, C) float64.
        weights: (R,) float64 at least 0, not all 0.
        alpha: above 0.

    Raises:
        FitError: the system is singular in float64.
    """
    total = weights.sum()
    mean, bias = weighted_sum(x, weights) / total, weights @ y / total
    root = weights.sqrt()[:, None]
    b = root * (y - bias)
    primal = x.shape[1] <= x.shape[0]
    size = min(x.shape)
    gram = alpha * torch.eye(size, dtype=torch.float64, device=x.device)
    try:
        if not primal:
            a = root * (x.double() - mean)
            return mean, a.T @ torch.linalg.solve(gram + a @ a.T, b), bias
        right = gram.new_zeros(size, y.shape[1])
        for place, part in in_float64(x):
            a = root[place] * (part - mean)
            gram += a.T @ a
            right += a.T @ b[place]
        return mean, torch.linalg.solve(gram, right), bias
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined] # torch does not list it
        raise FitError(
            f"the normal equations are singular at alpha={alpha:g}", where="tuner ridge", todo="Raise alpha"
        ) from error
