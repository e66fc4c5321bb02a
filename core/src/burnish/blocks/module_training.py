"""Training inside a backbone.

Its items are read, augmented and run through the module again in every epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from burnish.errors import FitError
from burnish.heads.batches import batch_rows
from burnish.heads.optimisers import schedule_factor
from burnish.heads.sgd import SGD
from burnish.numeric import physical_cores
from burnish.options import ModuleConfig
from burnish.places import ahead

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.backbone import Prepared
    from burnish.contracts.tuner import Run, SplitInputs

_MOST_READERS = 8


@dataclass(frozen=True, eq=False)
class ModuleBatch:
    """Some of the items that are trained on.

    Attributes:
        epoch: from 0.
        at: (B,) int64 places among the n items that are trained on.
        inputs: the items, prepared.
    """

    epoch: int
    at: NDArray[np.int64]
    inputs: Prepared


def orders(n: int, batch: int, order: int, epoch: int) -> list[NDArray[np.int64]]:
    """Return the places 0 to n - 1 in a new order, in batches; the last one has what is left.

    Args:
        n: items.
        batch: items of a batch.
        order: seed of the order, at least 0.
        epoch: from 0; another one is another order.
    """
    places = batch_rows(n, n, order, epoch)[0][:n]
    return [places[start : start + batch] for start in range(0, n, batch)]


def prepared_batches(
    items: SplitInputs, rows: NDArray[np.int64], batches: Iterable[NDArray[np.int64]], draw: int | None = None
) -> Iterator[tuple[NDArray[np.int64], Prepared]]:
    """Yield batches with their prepared inputs, in order, while threads prepare the next ones.

    Args:
        items: of a split.
        rows: (n,) which of them the places stand for.
        batches: places, (B,) each.
        draw: number of the augmented view; None for the evaluation view.

    Raises:
        burnish.errors.ItemError: an item cannot be read.
    """
    readers = min(_MOST_READERS, physical_cores())
    yield from ahead(lambda places: items.prepared(rows[places], draw), batches, readers)


def train_module(
    parameters: Iterable[nn.Parameter],
    items: SplitInputs,
    rows: NDArray[np.int64],
    config: ModuleConfig,
    loss: Callable[[ModuleBatch], Tensor],
    *,
    order: int,
    run: Run,
    views: bool,
    where: str,
    weights: Tensor | None = None,
    at_once: int = 0,
) -> int:
    """Minimise a loss over batches of items by SGD; the learning rate changes from epoch to epoch.

    With weights, a batch that does not fit into the device's memory is run in parts whose gradients add up to
    those of the whole.

    Args:
        parameters: what is trained.
        items: of the split they are from.
        rows: (n,) int64 the items of the split to train on.
        config: optimiser, epochs, batches, augmentation.
        loss: gives the 0-d loss of a batch; one without gradient takes no step.
        order: seed of the order of items, at least 0.
        run: whom to tell.
        views: whether the backbone makes augmented views.
        where: who trains, for messages.
        weights: (n,) float, where the loss is a mean over the batch with these weights; None where its parts
            do not add up.
        at_once: most items to run at once, with weights; 0 for as many as fit.

    Returns:
        How many items were run at once.

    Raises:
        FitError: the loss became NaN or infinite, or the device has too little memory for a batch, or for a
            single item of it.
    """
    size = min(at_once or config.batch, config.batch) if weights is not None else config.batch
    optimiser = SGD(parameters, config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
    total, done = config.epochs * -(-len(rows) // config.batch), 0
    for epoch in range(config.epochs):
        factor = schedule_factor(config.schedule, epoch, config.epochs)
        batches = orders(len(rows), config.batch, order, epoch)
        for at, inputs in prepared_batches(items, rows, batches, epoch if config.augment and views else None):
            size = _gradients(optimiser, loss, ModuleBatch(epoch, at, inputs), weights, size, where)
            optimiser.step(factor)
            done += 1
            run.progress(done, total)
    optimiser.zero_grad()
    return size


def _gradients(
    optimiser: SGD,
    loss: Callable[[ModuleBatch], Tensor],
    batch: ModuleBatch,
    weights: Tensor | None,
    size: int,
    where: str,
) -> int:
    """Leave the gradients of a batch in the parameters.

    Return how many items were run at once, fewer than `size` where those did not fit.
    """
    while True:
        optimiser.zero_grad()
        try:
            for part, share in _parts(batch, weights, size):
                value = loss(part)
                if not bool(torch.isfinite(value)):
                    raise FitError(
                        f"the loss became {float(value.detach())} in epoch {batch.epoch + 1}",
                        where=where,
                        todo="Lower the learning rate",
                    )
                if value.requires_grad:
                    (value if share == 1 else share * value).backward()  # type: ignore[no-untyped-call]
            return size
        except torch.OutOfMemoryError as error:
            if weights is None or size == 1:
                what = "a batch" if weights is None else "a single item"
                todo = (
                    "Give a smaller batch"
                    if weights is None
                    else "Take a smaller backbone, or numeric: {dtype: bfloat16}"
                )
                raise FitError(
                    f"the device has too little memory for {what}", where=where, todo=todo
                ) from error
        size = max(1, min(size, len(batch.at)) // 2)
        torch.cuda.empty_cache()


def _parts(batch: ModuleBatch, weights: Tensor | None, size: int) -> Iterator[tuple[ModuleBatch, float]]:
    """Yield a batch in parts of at most `size` items, each with its share of the weight."""
    if weights is None or len(batch.at) <= size:
        yield batch, 1.0
        return
    given = weights[torch.from_numpy(batch.at)]
    total = float(given.sum())
    for start in range(0, len(batch.at), size):
        rows = slice(start, start + size)
        share = float(given[rows].sum()) / total if total > 0 else 0.0
        if share > 0:
            yield (
                ModuleBatch(
                    batch.epoch, batch.at[rows], {name: array[rows] for name, array in batch.inputs.items()}
                ),
                share,
            )
