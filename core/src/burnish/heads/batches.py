"""Which rows stand in which training batch.

A function of the number of rows, the batch size, a seed and the epoch, of nothing else.

Every batch is full, so that trials stack and batch statistics are never those of a handful of rows. The last
batch of an epoch, where the rows do not fill it, is completed with rows from the start of the same epoch;
these have weight 0, write no memory, and count only where something looks at the batch as a whole: in batch
normalisation and in penalties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def batch_size(n: int, batch: int) -> int:
    """Return the rows of a batch: `batch`, or all n rows where there are fewer; at least 2."""
    return max(2, min(n, batch))


def steps_per_epoch(n: int, batch: int) -> int:
    """Return the batches of an epoch over n rows: a last one of fewer than 2 rows is dropped."""
    full, rest = divmod(n, batch_size(n, batch))
    return max(1, full + (rest >= 2))


def rows_in_last_batch(n: int, batch: int) -> int:
    """Return how many rows of an epoch's last batch belong to it; the rest complete it with weight 0."""
    size = batch_size(n, batch)
    return min(size, n - (steps_per_epoch(n, batch) - 1) * size)


def batch_rows(n: int, batch: int, order: int, epoch: int) -> NDArray[np.int64]:
    """Return the rows (S, B) int64 of the S batches of an epoch.

    Args:
        n: rows to go through, in a new order each epoch.
        batch: rows of a batch.
        order: seed of the order, at least 0; trials that share it and n get the same batches.
        epoch: from 0.
    """
    # Raw output of a bit generator is what numpy promises to keep from version to version;
    # `Generator.permutation` is not.
    raw = np.random.PCG64(np.random.SeedSequence([order, epoch])).random_raw(n)
    permutation = np.argsort(raw, kind="stable").astype(np.int64)
    return np.resize(permutation, (steps_per_epoch(n, batch), batch_size(n, batch)))
