"""What a client does in a round: the one function that trains clients, in-process and on Flower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam

from burnish.blocks import batch_rows, rows_in_last_batch
from burnish_fedclip.models import ClientModel, Parameters

if TYPE_CHECKING:
    from numpy.typing import NDArray

BETAS, EPS = (0.9, 0.98), 1e-6
"""Adam's constants in FedCLIP's released code."""


@dataclass(frozen=True)
class LocalTraining:
    """How a client trains.

    Attributes:
        lr: learning rate.
        weight_decay: L2 penalty inside Adam: it is added to the gradient.
        batch: items of a batch.
        epochs: passes over its items in a round.
        order: seed of the batch order.
    """

    lr: float
    weight_decay: float
    batch: int
    epochs: int
    order: int


@dataclass(frozen=True, eq=False)
class Table:
    """Labelled items on a device, of one client or of all.

    Attributes:
        x: (n, D) float32 features.
        y: (n,) int64 labels.
        weights: (n,) float32 above 0.
    """

    x: Tensor
    y: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Part:
    """A client as `train_clients` needs it.

    Attributes:
        number: seeds its batches, so that they are the same wherever it trains.
        rows: (n,) int64 rows of the table that are its items.
    """

    number: int
    rows: NDArray[np.int64]


def client_batches(
    part: Part, training: LocalTraining, turn: int, least: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return a client's batches of a round, (S, B) int64 rows of the table, and (S, B) which of them count.

    Those that do not count are not in the batch and only fill it.

    They follow from the client's number, the number of its items, the seed, the round and the epoch, and from
    nothing else.

    Args:
        part: the client.
        training: batch size, epochs and seed.
        turn: the round, from 0.
        least: smaller batches are skipped.
    """
    n, size = len(part.rows), training.batch
    order = int(np.random.SeedSequence([training.order, part.number]).generate_state(1, np.uint64)[0] >> 1)
    rows, real = [], []
    for epoch in range(training.epochs):
        places = batch_rows(n, size, order, turn * training.epochs + epoch)
        inside = np.ones(places.shape, dtype=bool)
        inside[-1, rows_in_last_batch(n, size) :] = False
        enough = inside.sum(axis=1) >= least
        rows.append(part.rows[places[enough]])
        real.append(inside[enough])
    return np.concatenate(rows), np.concatenate(real)


def train_clients(
    model: ClientModel,
    start: Parameters,
    table: Table,
    parts: Sequence[Part],
    training: LocalTraining,
    turn: int,
) -> dict[str, Tensor]:
    """Train K clients from the same parameters, side by side, and return theirs, (K, ...) each.

    Every client has an Adam of its own, new in each round, and stops at the end of its own items.

    Args:
        model: what they train.
        start: what the server sent.
        table: where their items are.
        parts: the clients.
        training: how they train.
        turn: the round, from 0.
    """
    device, count = table.x.device, len(parts)
    batches = [client_batches(part, training, turn, model.least) for part in parts]
    # Clients with more steps come first, so that those that still train are the first ones of every tensor.
    places = sorted(range(count), key=lambda k: -len(batches[k][0]))
    index, inside = _padded([batches[k] for k in places])
    steps = np.array([len(batches[k][0]) for k in places])
    rows = torch.from_numpy(index).to(device)
    weights = table.weights[rows] * torch.from_numpy(inside).to(device)

    # Matrices are stored turned, because the gradient of a linear layer's weight comes turned: so no step
    # copies it.
    matrices = {name for name, t in start.items() if t.ndim == 2}

    def turned(tensors: Parameters) -> dict[str, Tensor]:
        return {name: t.mT if name in matrices else t for name, t in tensors.items()}

    values = {
        name: t.detach().to(device).contiguous().expand(count, *t.shape).clone()
        for name, t in turned(start).items()
    }
    first, second = ({name: torch.zeros_like(v) for name, v in values.items()} for _ in range(2))
    taken = [torch.zeros((), device=device) for _ in values]
    for step in range(len(index)):
        active = int((steps > step).sum())
        leaves = {name: v[:active].detach().requires_grad_() for name, v in values.items()}
        batch = rows[step, :active]
        loss = model.losses(turned(leaves), start, table.x[batch], table.y[batch], weights[step, :active])
        # The fused kernel goes through memory: a gradient must lie there as its parameter does.
        gradients = [g.contiguous() for g in torch.autograd.grad(loss.sum(), list(leaves.values()))]
        with torch.no_grad():
            adam(
                list(leaves.values()),
                gradients,
                [m[:active] for m in first.values()],
                [v[:active] for v in second.values()],
                [],
                taken,
                foreach=False,
                fused=True,
                amsgrad=False,
                maximize=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=training.lr,
                weight_decay=training.weight_decay,
                eps=EPS,
            )
    if places != sorted(places):
        back = torch.tensor(np.argsort(places), device=device)
        values = {name: v[back] for name, v in values.items()}
    return turned(values)


def _padded(
    batches: Sequence[tuple[NDArray[np.int64], NDArray[np.bool_]]],
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return rows (S, K, B), and which are in a batch, padded to the most steps and the largest batch."""
    steps, size = (max((rows.shape[axis] for rows, _ in batches), default=0) for axis in range(2))
    index = np.zeros((steps, len(batches), size), dtype=np.int64)
    inside = np.zeros(index.shape, dtype=bool)
    for k, (rows, real) in enumerate(batches):
        index[: rows.shape[0], k, : rows.shape[1]] = rows
        inside[: rows.shape[0], k, : rows.shape[1]] = real
    return index, inside
