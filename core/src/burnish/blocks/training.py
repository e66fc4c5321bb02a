"""The training loop of one stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from burnish.blocks.batches import batch_rows, batch_size, rows_in_last_batch, steps_per_epoch
from burnish.blocks.head import head_config
from burnish.blocks.optimisers import StackedAdamW, schedule_factor
from burnish.blocks.step import LinAlgError, Step, Tree
from burnish.blocks.trial import Trial
from burnish.errors import FitError


class StackTraining:
    """Trains T trials at once. No number of one trial depends on another, or on how many there are.

    Args:
        trials: trials of one signature and of equal shapes; those of equal learning rate and weight decay are best neighbours.
        step: their objective.
        table: (R, V, D) float32 features that `Trial.positions` point into.

    Attributes:
        steps: training steps in all.
        errors: per trial why it died, "" while it lives.
        terms: per epoch, by name, the mean (T,) of each objective term.
    """

    def __init__(self, trials: Sequence[Trial], step: Step, table: Tensor) -> None:
        first = trials[0]
        self._config = head_config(first.job.tuner)
        self._trials, self._step, self._table, self._device = trials, step, table, table.device
        n = len(first.positions)
        self._size, self._steps = batch_size(n, self._config.batch), steps_per_epoch(n, self._config.batch)
        self.steps = self._steps * self._config.epochs
        self.errors = [""] * len(trials)
        self.terms: list[dict[str, Tensor]] = []
        self._buffers = _stack([t.state["buffers"] for t in trials])
        configs = [head_config(t.job.tuner) for t in trials]
        parameters = _stack([t.state["parameters"] for t in trials])
        self._optimiser = StackedAdamW(parameters, [c.lr for c in configs], [c.weight_decay for c in configs])
        offsets = np.cumsum([0, *(len(t.positions) for t in trials)])
        self._offsets = torch.as_tensor(offsets[:-1], device=self._device)
        self._positions = torch.from_numpy(np.concatenate([t.positions for t in trials])).to(self._device)
        last = [rows_in_last_batch(len(t.positions), self._config.batch) for t in trials]
        self._last_rows = torch.tensor(last, device=self._device)
        self._whole = torch.ones(len(trials), device=self._device)
        self._column = torch.arange(self._size, device=self._device).repeat(table.shape[1])
        self._view = torch.arange(table.shape[1], device=self._device).repeat_interleave(self._size)
        self._targets = {name: torch.cat([t.targets[name] for t in trials]) for name in first.targets}
        self._weights = torch.cat([t.weights for t in trials])
        self._fixed: Tree = {
            "frozen": _stack([t.state["frozen"] for t in trials]),
            "constants": _stack([t.constants for t in trials]),
            "prepared": _stack([t.prepared for t in trials]),
            "prior": torch.stack([t.prior for t in trials]),
            "offset": self._offsets,
        }
        self._memory = self._new_memory()

    def _new_memory(self) -> dict[str, Tensor]:
        """Return the loss's memory of all trials' items, one after the other, and a last row that is written to and never read."""
        loss = self._step.loss
        each = [loss.memory(len(t.positions), len(t.job.classes)) for t in self._trials] if loss is not None else [{}]
        whole = {name: torch.cat([m[name].to(self._device) for m in each]) for name in each[0]}
        return {name: torch.cat([m, torch.zeros_like(m[:1])]) for name, m in whole.items()}

    def run(self, advance: Callable[[int], bool]) -> None:
        """Train to the end.

        Args:
            advance: called after each step with the number of steps done; returns False to stop.

        Raises:
            FitError: the tuner's code cannot be stacked.
        """
        done = 0
        for epoch in range(self._config.epochs):
            index = self._epoch_index(epoch)
            sums: dict[str, Tensor] = {}
            for s in range(self._steps):
                terms = self._advance(index[s], done, last=s == self._steps - 1)
                sums = {name: sums[name] + value if sums else value.clone() for name, value in terms.items()}
                done += 1
                if not advance(done):
                    return
            self.terms.append({name: value / self._steps for name, value in sums.items()})
            self._bury_non_finite(sums, f"epoch {epoch + 1} of {self._config.epochs}")
            if all(self.errors):
                return
        self._bury_broken_state()

    def results(self) -> list[tuple[dict[str, Tensor], dict[str, list[float]]]]:
        """Return, per trial, its state on the CPU by name and its terms per epoch."""
        state = {**self._optimiser.leaves, **self._fixed["frozen"], **self._buffers}
        terms = {name: torch.stack([epoch[name] for epoch in self.terms]).T.tolist() for name in (self.terms[0] if self.terms else {})}
        each = [{name: leaf[t].detach().to("cpu", copy=True) for name, leaf in state.items()} for t in range(len(self._trials))]
        return [(own, {name: rows[t] for name, rows in terms.items()}) for t, own in enumerate(each)]

    def _epoch_index(self, epoch: int) -> Tensor:
        """Return the rows (S, T, B) int64 of each trial's batches of an epoch."""
        orders = {(len(t.positions), t.job.order): None for t in self._trials}
        tables = {(n, order): batch_rows(n, self._config.batch, order, epoch) for n, order in orders}
        rows = np.stack([tables[len(t.positions), t.job.order] for t in self._trials], axis=1)
        return torch.from_numpy(rows).to(self._device)

    def _batch(self, rows: Tensor, *, last: bool) -> Tree:
        """Return, per trial, what is in a batch with rows (T, B): R = V * B rows, view-major."""
        index = rows.repeat(1, self._table.shape[1])
        flat = (index + self._offsets.unsqueeze(1)).flatten()

        def gathered(items: Tensor, at: Tensor = flat) -> Tensor:
            return items.index_select(0, at).view(*index.shape, *items.shape[1:])

        weights, share = gathered(self._weights), self._whole
        if last:
            weights = torch.where(self._column < self._last_rows.unsqueeze(1), weights, torch.zeros_like(weights))
            share = self._last_rows / self._size
        view = gathered(self._positions) * self._table.shape[1] + self._view
        targets = {name: gathered(t) for name, t in self._targets.items()}
        return {"x": gathered(self._table.flatten(0, 1), view.flatten()), "targets": targets, "weights": weights, "index": index, "share": share}

    def _advance(self, rows: Tensor, done: int, *, last: bool) -> dict[str, Tensor]:
        """Take one step; return the terms (T,) by name."""
        batch = self._batch(rows, last=last)
        shared = {"progress": torch.tensor(done / self.steps, device=self._device), "memory": self._memory}
        gradients, total, aux = self._evaluate(batch, shared, done)
        self._optimiser.step(gradients, schedule_factor(self._config.schedule, done, self.steps))
        self._buffers = aux["buffers"]
        if aux["rows"]:
            self._remember(aux["index"].flatten(), aux["rows"])
        # Asking a GPU for the answer at every step would stop its queue; there the check waits for the end of the epoch.
        if self._device.type == "cpu" and not bool(torch.isfinite(total).all()):
            self._bury_non_finite({**aux["terms"], "": total}, f"step {done + 1} of {self.steps}")
        if any(self.errors):
            self._clear_dead()
        return dict(aux["terms"])

    def _evaluate(self, batch: Tree, shared: Tree, done: int) -> tuple[Tree, Tensor, Tree]:
        """Return gradients, totals and the rest; a trial for which a decomposition fails dies, and the step is taken without it."""
        while True:
            trial = {**self._fixed, **batch, "buffers": self._buffers}
            try:
                return self._step(self._optimiser.leaves, trial, shared)
            except LinAlgError as error:
                self._bury_raising(trial, shared, done, error)

    def _bury_raising(self, trial: Tree, shared: Tree, done: int, error: Exception) -> None:
        """Find the trials whose own step raises, and let them die."""
        found = False
        for t in (t for t, reason in enumerate(self.errors) if not reason):
            pair = torch.tensor([t, t], device=self._device)
            try:
                self._step(_rows(self._optimiser.leaves, pair), _rows(trial, pair), shared)
            except LinAlgError as own:
                found = True
                self._bury(t, f"step {done + 1} of {self.steps}: {str(own).splitlines()[0]}")
        if not found:
            raise FitError(f"{type(self._step.tuner).__name__}: {str(error).splitlines()[0]}") from error
        self._clear_dead()

    def _remember(self, index: Tensor, rows: Tree) -> None:
        """Write rows (T, R, ...) of the loss's memory to where `index` (T R,) says; an item written several times gets the mean."""
        for name, memory in self._memory.items():
            new = rows[name].flatten(0, 1)
            count = torch.zeros(len(memory), device=self._device).index_add_(0, index, torch.ones(len(index), device=self._device))
            memory.index_fill_(0, index, 0.0)
            memory.index_add_(0, index, new / count[index].view(-1, *[1] * (new.ndim - 1)))

    def _bury_non_finite(self, values: dict[str, Tensor], when: str) -> None:
        """Let the trials die that have a non-finite value (T,) among these; the last name "" is the whole objective."""
        finite = {name: torch.isfinite(v).tolist() for name, v in values.items()}
        for t in range(len(self._trials)):
            bad = [name for name in finite if not finite[name][t]]
            if bad and not self.errors[t]:
                what = f"term {bad[0]!r}" if bad[0] else "the objective"
                self._bury(t, f"{when}: {what} became {float(values[bad[0]][t])}")

    def _bury_broken_state(self) -> None:
        for name, leaf in {**self._optimiser.leaves, **self._buffers}.items():
            broken = ~torch.isfinite(leaf.reshape(len(self._trials), -1)).all(1)
            for t in broken.nonzero().flatten().tolist():
                if not self.errors[t]:
                    self._bury(t, f"{name!r} has values that are NaN or infinite after the last step")

    def _bury(self, t: int, reason: str) -> None:
        config = head_config(self._trials[t].job.tuner)
        self.errors[t] = str(FitError(reason, where=type(self._step.tuner).__name__, todo=f"Lower the learning rate ({config.lr:g})"))

    def _clear_dead(self) -> None:
        """Hold dead trials at zero, so that no kernel that refuses NaN stops the others."""
        dead = torch.tensor([t for t, reason in enumerate(self.errors) if reason], device=self._device)
        self._optimiser.clear(dead)
        for buffer in self._buffers.values():
            buffer[dead] = 0


def _stack(each: Sequence[Any]) -> dict[str, Tensor]:
    return {name: torch.stack([tensors[name] for tensors in each]) for name in each[0]}


def _rows(tree: Tree, index: Tensor) -> Tree:
    return {name: _rows(value, index) if isinstance(value, dict) else value[index] for name, value in tree.items()}
