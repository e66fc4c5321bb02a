"""The data of a stack: what each of its members sees in each batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish.heads.batches import batch_rows, batch_size, rows_in_last_batch
from burnish.heads.head import head_config
from burnish.heads.member import Member
from burnish.heads.step import Tree


class StackData:
    """Data of T members.

    In everything that belongs to items, member t's stand at ``offsets[t]`` and after.

    Args:
        members: the members, of one signature; one may stand there several times.
        table: (R, V, D) float32 features that `Member.positions` point into.

    Attributes:
        offsets: (T,) int64.
        fixed: what does not change from batch to batch: ``frozen``, ``constants``, ``prepared``, ``prior``,
            ``offset``, each with leading dimension T.
    """

    def __init__(self, members: Sequence[Member], table: Tensor) -> None:
        device, views = table.device, table.shape[1]
        self._trials, self._features, self._views = members, table.flatten(0, 1), views
        self._batch = head_config(members[0].job.tuner).batch
        self._size = batch_size(len(members[0].positions), self._batch)
        sizes = [len(t.positions) for t in members]
        self.offsets = torch.as_tensor(np.cumsum([0, *sizes[:-1]]), device=device)
        self._positions = torch.from_numpy(np.concatenate([t.positions for t in members])).to(device)
        self._targets = {name: torch.cat([t.targets[name] for t in members]) for name in members[0].targets}
        self._weights = torch.cat([t.weights for t in members])
        self._labelled = torch.cat([t.labelled for t in members])
        self._last_rows = torch.tensor([rows_in_last_batch(n, self._batch) for n in sizes], device=device)
        self._column = torch.arange(self._size, device=device).repeat(views)
        self._view = torch.arange(views, device=device).repeat_interleave(self._size)
        self.fixed: Tree = {
            "frozen": stacked([t.state["frozen"] for t in members]),
            "constants": stacked([t.constants for t in members]),
            "prepared": stacked([t.prepared for t in members]),
            "prior": torch.stack([t.prior for t in members]),
            "offset": self.offsets,
        }

    def epoch(self, epoch: int) -> Tensor:
        """Return the rows (S, T, B) int64 of each member's batches of an epoch."""
        orders = [(len(t.positions), t.job.order) for t in self._trials]
        tables = {key: batch_rows(key[0], self._batch, key[1], epoch) for key in dict.fromkeys(orders)}
        return torch.from_numpy(np.stack([tables[key] for key in orders], axis=1)).to(self._features.device)

    def batch(self, rows: Tensor, *, last: bool) -> Tree:
        """Return, per member, what stands in a batch: R = V * B rows, view-major.

        Args:
            rows: (T, B).
            last: whether it is the last batch of its epoch, some rows of which only complete it.
        """
        index = rows.repeat(1, self._views)
        flat = (index + self.offsets.unsqueeze(1)).flatten()

        def gathered(items: Tensor, at: Tensor = flat) -> Tensor:
            return items.index_select(0, at).view(*index.shape, *items.shape[1:])

        weights, labelled = gathered(self._weights), gathered(self._labelled)
        real = torch.ones_like(labelled)
        if last:
            real = self._column < self._last_rows.unsqueeze(1)
            weights, labelled = torch.where(real, weights, torch.zeros_like(weights)), labelled & real
        view = gathered(self._positions) * self._views + self._view
        targets = {name: gathered(t) for name, t in self._targets.items()}
        return {
            "x": gathered(self._features, view.flatten()),
            "targets": targets,
            "weights": weights,
            "real": real,
            "labelled": labelled,
            "index": index,
        }


class Memory:
    """What a loss remembers of the items of all members, one member after the other.

    Args:
        rows: per member and name, (n, ...).
        device: where it lies.

    Attributes:
        tensors: by name, with one more row at the end that is written to and never read.
    """

    def __init__(self, rows: Sequence[dict[str, Tensor]], device: torch.device) -> None:
        whole = {name: torch.cat([r[name].to(device) for r in rows]) for name in rows[0]}
        self.tensors = {name: torch.cat([m, torch.zeros_like(m[:1])]) for name, m in whole.items()}

    def write(self, index: Tensor, rows: Tree) -> None:
        """Write rows (T, R, ...) to where `index` (T, R) says.

        An item written several times gets the mean.
        """
        index = index.flatten()
        for name, memory in self.tensors.items():
            new = rows[name].flatten(0, 1)
            ones = torch.ones(len(index), device=index.device)
            count = torch.zeros(len(memory), device=index.device).index_add_(0, index, ones)
            memory.index_fill_(0, index, 0)
            memory.index_add_(0, index, new / count[index].view(-1, *[1] * (new.ndim - 1)))

    def part(self, start: int, size: int) -> dict[str, Tensor]:
        """Return the rows of one member by name."""
        return {name: m[start : start + size] for name, m in self.tensors.items()}


def stacked(each: Sequence[Any]) -> dict[str, Tensor]:
    """Return tensors by name, those of each member one above the other: (T, ...)."""
    return {name: torch.stack([tensors[name] for tensors in each]) for name in each[0]}


def chosen(tree: Tree, members: Tensor) -> Tree:
    """Return a tree of tensors (T, ...) with only the members at `members` (K,)."""
    return {
        name: chosen(value, members) if isinstance(value, dict) else value[members]
        for name, value in tree.items()
    }
