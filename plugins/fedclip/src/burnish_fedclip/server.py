"""What the server does.

Average what the clients send, judge it by their validation items, and keep a round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch import Tensor

from burnish.blocks import intra_op_threads, thread_pool
from burnish.errors import FitError
from burnish_fedclip.local import LocalTraining, Part, Table, train_clients
from burnish_fedclip.models import ClientModel, Parameters

if TYPE_CHECKING:
    from concurrent.futures import Executor

Finished = TypeVar("Finished")

_BYTES_ON_A_CORE, _BYTES_ON_A_GPU = 64_000_000, 4_000_000_000
"""Parameters, gradients and moments of the clients that train as one batch.

It is the same whatever the number of cores, and so are the bits.
"""


@dataclass(frozen=True)
class Federation:
    """What all clients agree on.

    Attributes:
        rounds: of local training and averaging.
        aggregate: weight of a client in the average: equal, or its number of items.
        keep: the best round by the mean of the clients' validation accuracies, or the last.
        training: how a client trains.
        seed: of the first parameters.
    """

    rounds: int
    aggregate: Literal["uniform", "size"]
    keep: Literal["best", "last"]
    training: LocalTraining
    seed: int


@dataclass(frozen=True, eq=False)
class Group:
    """All clients and their items.

    Attributes:
        train: labelled training items.
        validation: labelled validation items.
        parts: each client's training items.
        judges: each client's validation items; it may have none.
        names: of the clients, for errors.
    """

    train: Table
    validation: Table
    parts: Sequence[Part]
    judges: Sequence[Part]
    names: Sequence[str]


@dataclass
class Keeper:
    """Remembers the round to keep.

    Attributes:
        keep: which one.
        accuracy: of the round kept.
        turn: the round kept, from 0.
        parameters: its parameters.
    """

    keep: Literal["best", "last"]
    accuracy: float = -1.0
    turn: int = -1
    parameters: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, turn: int, parameters: Parameters, accuracy: float) -> None:
        """Take a round's average where it is the one to keep; of equal ones the first."""
        if self.keep == "last" or accuracy > self.accuracy:
            self.accuracy, self.turn, self.parameters = (
                accuracy,
                turn,
                {name: t.detach().clone() for name, t in parameters.items()},
            )


def shares(sizes: Sequence[int], aggregate: Literal["uniform", "size"]) -> list[float]:
    """Return what each client counts in the average; the shares sum to 1.

    Args:
        sizes: items of each client.
        aggregate: equal shares (FedCLIP's released code), or shares by size (McMahan et al. 2017,
            arXiv:1602.05629, algorithm 1).
    """
    counted = [1.0 if aggregate == "uniform" else float(size) for size in sizes]
    return [c / sum(counted) for c in counted]


def average(values: Parameters, counted: Tensor) -> dict[str, Tensor]:
    """Return sum_k w_k theta_k in float32, by name.

    Args:
        values: parameters (K, ...) of K clients.
        counted: (K,) float32, what each counts.
    """
    sums = {name: torch.zeros_like(v[0]) for name, v in values.items()}
    for k, share in enumerate(counted.tolist()):
        for name, total in sums.items():
            total.add_(values[name][k], alpha=share)
    return sums


def right_answers(model: ClientModel, parameters: Parameters, items: Table) -> Tensor:
    """Return whether each item is classified rightly, (n,) float32."""
    with torch.no_grad():
        return (model.logits(parameters, items.x).argmax(dim=-1) == items.y).float()


def mean_accuracy(model: ClientModel, parameters: Parameters, items: Table, judges: Sequence[Part]) -> float:
    """Return the mean over clients of their validation accuracy, weighted within a client.

    Clients without validation items do not count.
    """
    right = right_answers(model, parameters, items)
    means = []
    for judge in (judge for judge in judges if len(judge.rows)):
        rows = torch.from_numpy(judge.rows).to(right.device)
        weights = items.weights[rows]
        means.append(float((right[rows] * weights).sum() / weights.sum()))
    return sum(means) / len(means) if means else 0.0


def require_finite(parameters: Parameters, who: str, turn: int, lr: float) -> None:
    """Raise where parameters are NaN or infinite.

    Raises:
        FitError: they are.
    """
    for name, tensor in parameters.items():
        if not bool(torch.isfinite(tensor).all()):
            raise FitError(
                f"{name} of {who} became NaN or infinite in round {turn + 1}",
                todo=f"Lower the learning rate ({lr:g})",
            )


class Crowd:
    """Trains any number of clients: a few at a time as one batch, a batch a core.

    Args:
        model: what they train.
        table: where their items are.
        parts: the clients.
        training: how they train.
        pool: threads that each use one core; on a GPU, one thread.
    """

    def __init__(
        self, model: ClientModel, table: Table, parts: Sequence[Part], training: LocalTraining, pool: Executor
    ) -> None:
        self._model, self._table, self._parts, self._training, self._pool = (
            model,
            table,
            parts,
            training,
            pool,
        )

    def train(
        self, start: Parameters, turn: int, finish: Callable[[slice, dict[str, Tensor]], Finished]
    ) -> list[Finished]:
        """Train all clients and return what became of them, a batch at a time in their order.

        Args:
            start: what the server sent.
            turn: the round, from 0.
            finish: called with the places of the clients of a batch and their parameters (K, ...); only what
                it returns is kept.
        """
        limit = _BYTES_ON_A_CORE if self._table.x.device.type == "cpu" else _BYTES_ON_A_GPU
        most = max(1, limit // (16 * sum(t.numel() for t in start.values())))

        def work(begin: int) -> Finished:
            chosen = slice(begin, begin + most)
            return finish(
                chosen,
                train_clients(self._model, start, self._table, self._parts[chosen], self._training, turn),
            )

        return list(self._pool.map(work, range(0, len(self._parts), most)))


@contextmanager
def crowd(
    model: ClientModel, table: Table, parts: Sequence[Part], training: LocalTraining
) -> Iterator[Crowd]:
    """Yield what trains these clients; inside, torch's operations use one core each."""
    workers = torch.get_num_threads() if table.x.device.type == "cpu" else 1
    with thread_pool(workers, 1) as pool, intra_op_threads(1):
        yield Crowd(model, table, parts, training, pool)


def federate(
    model: ClientModel, group: Group, federation: Federation, progress: Callable[[int, int], None]
) -> dict[str, Tensor]:
    """Run all rounds in this process, clients side by side, and return the parameters of the round to keep.

    Raises:
        FitError: parameters became NaN or infinite.
    """
    device = group.train.x.device
    current = {name: t.to(device) for name, t in model.start(federation.seed).items()}
    counted = torch.tensor(
        shares([len(part.rows) for part in group.parts], federation.aggregate), device=device
    )
    keeper = Keeper(federation.keep)

    with crowd(model, group.train, group.parts, federation.training) as clients:
        for turn in range(federation.rounds):
            sums = clients.train(current, turn, lambda places, trained: average(trained, counted[places]))
            current = {
                name: torch.stack([part[name] for part in sums]).sum(0) for name in current
            }  # theta = sum_k w_k theta_k
            require_finite(current, "the average", turn, federation.training.lr)
            keeper.offer(
                turn,
                current,
                mean_accuracy(model, current, group.validation, group.judges)
                if federation.keep == "best"
                else 0.0,
            )
            progress(turn + 1, federation.rounds)
    return keeper.parameters


def train_alone(
    model: ClientModel, table: Table, parts: Sequence[Part], training: LocalTraining, seed: int
) -> dict[str, Tensor]:
    """Train clients that share nothing, and return their parameters (K, ...).

    Raises:
        FitError: parameters became NaN or infinite.
    """
    start = {name: t.to(table.x.device) for name, t in model.start(seed).items()}
    with crowd(model, table, parts, training) as clients:
        found = clients.train(start, 0, lambda _, trained: trained)
    heads = {name: torch.cat([part[name] for part in found]) for name in start}
    require_finite(heads, "a client", 0, training.lr)
    return heads
