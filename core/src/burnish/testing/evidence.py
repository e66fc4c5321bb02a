"""What an assessor is given.

Evidence on rows of features, or on pictures with a backbone that can be changed, for those that train.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from burnish.blocks.out_of_fold import out_of_fold
from burnish.contracts.noise import Evidence
from burnish.data import Labels
from burnish.testing.data import blobs, class_names, practice_on_pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray


def evidence(
    classes: int = 3, *, n: int = 240, dim: int = 6, wrong: float = 0.2, unknown: float = 0.0, seed: int = 0
) -> tuple[Evidence, NDArray[np.bool_]]:
    """Return evidence on n items, and which of their labels are wrong, (n,) bool.

    The positions of the items are others than 0, 1, 2, and so on.

    Args:
        classes: C; with a single one no label is wrong.
        n: items.
        dim: D.
        wrong: share of labels that are another class than the blob the item is from.
        unknown: share of items without a label.
        seed: of labels and folds.
    """
    features, y = blobs(n, dim, classes, seed=seed)
    rng = np.random.default_rng(seed + 1)
    flipped = rng.permutation(n) < (wrong * n if classes > 1 else 0)
    observed = np.where(flipped, (y + 1 + rng.integers(0, max(classes - 1, 1), n)) % classes, y).astype(
        np.int64
    )
    observed[rng.permutation(n) < unknown * n] = -1
    labels = Labels(y=observed)
    index = np.sort(rng.permutation(3 * n)[:n]).astype(np.int64)
    rng, groups = np.random.default_rng(seed), np.arange(n, dtype=np.int64)
    shown = Evidence(
        index,
        labels,
        class_names(classes),
        features,
        lambda: out_of_fold(features, labels, classes, groups, rng=np.random.default_rng(seed)),
        rng,
    )
    return shown, flipped & (observed >= 0)


def evidence_on_pictures(
    classes: int = 3, *, n: int = 240, wrong: float = 0.2, unknown: float = 0.0, seed: int = 0
) -> tuple[Evidence, NDArray[np.bool_]]:
    """Return evidence on the training items of n pictures, and which labels are wrong.

    They are three fifths of the pictures (`burnish.testing.data.practice_on_pictures`).

    Args:
        classes: C, at most 7; with a single one no label is wrong.
        n: pictures.
        wrong: share of labels that are another class.
        unknown: share of items without a label.
        seed: of labels and folds.
    """
    rng = np.random.default_rng(seed + 1)
    flipped = rng.permutation(n) < (wrong * n if classes > 1 else 0)
    away = 1 + rng.integers(0, max(classes - 1, 1), n)
    hidden = rng.permutation(n) < unknown * n

    def observed(y: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(hidden, -1, np.where(flipped, (y + away) % classes, y)).astype(np.int64)

    task = practice_on_pictures(classes, n=n, relabel=observed).task
    index = task.splits["train"].index
    labels = task.supervision.take(index)
    features = np.ascontiguousarray(task.features("train")[:, 0])
    groups = np.arange(len(index), dtype=np.int64)
    assert isinstance(labels, Labels)  # noqa: S101 - made above
    shown = Evidence(
        index,
        labels,
        task.classes,
        features,
        lambda: out_of_fold(features, labels, classes, groups, rng=np.random.default_rng(seed)),
        np.random.default_rng(seed),
        task,
    )
    return shown, (flipped & ~hidden)[index]
