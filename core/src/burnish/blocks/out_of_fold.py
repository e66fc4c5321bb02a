"""Out-of-fold probabilities: what a probe says of each item that it was not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.optimize
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from burnish.errors import FitError
from burnish.heads.tensors import one_hot
from burnish.heads.threads import thread_pool

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Labels

_ITERATIONS = 200
_TOLERANCE = 3e-6


def out_of_fold(
    features: NDArray[np.float32],
    supervision: Labels,
    classes: int,
    groups: NDArray[np.int64],
    folds: int = 5,
    *,
    rng: np.random.Generator,
    l2: float = 1.0,
) -> NDArray[np.float32]:
    """Return the probabilities (M, C) float32 of each item from a model trained on the other folds.

    The model is multinomial logistic regression.

    In each fold it minimises sum_i w_i CE(W x_i + b, y_i) + l2 / 2 ||W||^2 by L-BFGS on standardised columns;
    items without a label are scored and never trained on. A class that no training item of a fold has gets
    probability 0 there. Each fold is solved on one core, so the number of threads does not change the result.

    Args:
        features: (M, D).
        supervision: labels of the M items, some of them wrong or unknown, and weights.
        classes: C.
        groups: (M,) items of one group, such as duplicates, are never on both sides of a fold.
        folds: number of folds; fewer where there are fewer groups with a label.
        rng: which group is in which fold.
        l2: strength of the penalty on the weights, not on the bias.

    Raises:
        burnish.errors.FitError: features that are not finite, or fewer than two groups with a label.
    """
    if not np.isfinite(features).all():
        row = int(np.argmin(np.isfinite(features).all(axis=1)))
        raise FitError(
            f"a feature of item {row} is NaN or infinite",
            where="out-of-fold probabilities",
            todo="Mend or remove the item",
        )
    weights = (
        np.ones(len(supervision), dtype=np.float32) if supervision.weights is None else supervision.weights
    )
    weights = np.where(supervision.known, weights, 0).astype(np.float32)
    fold = fold_of(supervision.y, weights > 0, groups, folds, rng)
    x = _standardised(features)
    y = torch.from_numpy(supervision.y.clip(0))
    result = np.zeros((len(fold), classes), dtype=np.float32)

    def solve(number: int) -> None:
        held_out = fold == number
        trained = torch.from_numpy(np.where(held_out, np.float32(0), weights))
        result[held_out] = _probe(x, y, trained, classes, l2)[torch.from_numpy(held_out)].numpy()

    # scipy's optimiser has small vectors, on which the threads of its BLAS only wait for each other: ten
    # times slower than one.
    with threadpool_limits(1, user_api="blas"), thread_pool(torch.get_num_threads(), 1) as pool:
        list(pool.map(solve, range(int(fold.max()) + 1)))
    return result


def fold_of(
    y: NDArray[np.int64],
    labelled: NDArray[np.bool_],
    groups: NDArray[np.int64],
    folds: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return the fold (M,) int64 of each item: whole groups, classes spread as evenly as groups allow.

    Groups are taken in a random order; each goes where the fewest labelled items of its most frequent class
    are, then the fewest items.

    Args:
        y: (M,) classes.
        labelled: (M,) bool, whether the label is known and counts.
        groups: (M,) group of each item.
        folds: number of folds at most.
        rng: the order.

    Raises:
        burnish.errors.FitError: fewer than two groups have a labelled item.
    """
    names, group = np.unique(groups, return_inverse=True)
    with_label = len(np.unique(group[labelled]))
    if with_label < 2:
        raise FitError(
            f"{with_label} groups of items have a label",
            where="out-of-fold probabilities",
            possible="at least 2",
        )
    count = min(folds, with_label)
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(group))[:-1])
    per_class = np.zeros((int(y.max()) + 1, count), dtype=np.int64)
    sizes = np.zeros((2, count), dtype=np.int64)
    fold = np.empty(len(y), dtype=np.int64)
    # Groups with a label first: so each of the first `count` of a class opens another fold, and no fold lacks
    # labels.
    shuffled = rng.permutation(len(names))
    for g in sorted(shuffled, key=lambda g: not labelled[members[g]].any()):
        rows = members[g]
        known = y[rows[labelled[rows]]]
        counts = np.bincount(known, minlength=1)
        main = per_class[counts.argmax()] if len(known) else sizes[0]
        best = int(np.lexsort((sizes[1], sizes[0], main))[0])
        fold[rows] = best
        per_class[: len(counts), best] += counts if len(known) else 0
        sizes[:, best] += (len(known), len(rows))
    return fold


def _standardised(features: NDArray[np.float32]) -> Tensor:
    """Return columns of mean 0 and standard deviation 1; a constant column becomes 0."""
    mean, std = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    x = (features - mean.astype(np.float32)) / np.where(std > 0, std, 1).astype(np.float32)
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))


def _probe(x: Tensor, y: Tensor, weights: Tensor, classes: int, l2: float) -> Tensor:
    """Return the probabilities (M, C) of all rows after training on those of positive weight."""
    used = torch.zeros(classes).index_add_(0, y, weights) > 0
    absent = torch.where(used, 0.0, -torch.inf)
    target = one_hot(y, classes) * weights.unsqueeze(-1)
    total = float(weights.sum())

    def unpacked(flat: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        both = torch.from_numpy(flat.astype(np.float32)).view(classes, -1)
        return both[:, :-1], both[:, -1]

    def value_and_gradient(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weight, bias = unpacked(flat)
        log_p = (torch.addmm(bias, x, weight.T) + absent).log_softmax(-1)
        # The loss in float64, so that the line search can tell neighbouring values apart.
        loss = -torch.where(target > 0, target * log_p, 0.0).sum(
            dtype=torch.float64
        ) + l2 / 2 * weight.square().sum(dtype=torch.float64)
        slope = log_p.exp_().mul_(weights.unsqueeze(-1)).sub_(target)
        gradient = torch.cat([slope.T @ x + l2 * weight, slope.sum(0).unsqueeze(-1)], dim=1)
        return float(loss) / total, gradient.double().numpy().ravel() / total

    start = np.zeros(classes * (x.shape[1] + 1))
    options = {"maxiter": _ITERATIONS, "gtol": _TOLERANCE, "ftol": 1e-10}
    found = scipy.optimize.minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=options)
    weight, bias = unpacked(found.x)
    return (torch.addmm(bias, x, weight.T) + absent).softmax(-1)
