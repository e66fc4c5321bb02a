"""The training loop of one stack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from burnish.errors import FitError
from burnish.heads.batches import steps_per_epoch
from burnish.heads.head import head_config
from burnish.heads.member import Member
from burnish.heads.optimisers import StackedAdamW, schedule_factor
from burnish.heads.stack_data import Memory, StackData, chosen, stacked
from burnish.heads.step import LinAlgError, Step, Tree


class Trained(NamedTuple):
    """What became of one member: its state on the CPU by name, None where it died; why."""

    state: dict[str, Tensor] | None
    error: str


class StackTraining:
    """Trains members at once. No number of one member depends on another, or on how many there are.

    A member whose loss becomes NaN or infinite, or for which a decomposition fails, dies: it leaves the
    stack, with its reason, and the others go on with the bits they would have had.

    Args:
        members: members of one signature and of equal shapes; those of equal learning rate and weight decay
            are best neighbours.
        step: their objective.
        table: (R, V, D) float32 features that `Member.positions` point into.
        least: how many members the stack always holds; the last living one stands there more than once where
            there are fewer.

    Attributes:
        steps: training steps in all.
    """

    def __init__(self, members: Sequence[Member], step: Step, table: Tensor, least: int) -> None:
        self._trials, self._step, self._table, self._least = members, step, table, least
        self._config = head_config(members[0].job.tuner)
        self._per_epoch = steps_per_epoch(len(members[0].positions), self._config.batch)
        self.steps = self._per_epoch * self._config.epochs
        self._errors = [""] * len(members)
        self._slots = self._filled(list(range(len(members))))
        members = [members[t] for t in self._slots]
        configs = [head_config(member.job.tuner) for member in members]
        parameters = stacked([member.state["parameters"] for member in members])
        self._optimiser = StackedAdamW(parameters, [c.lr for c in configs], [c.weight_decay for c in configs])
        self._buffers = stacked([member.state["buffers"] for member in members])
        self._data = StackData(members, table)
        loss = step.loss
        rows = [
            {} if loss is None else dict(loss.memory(len(member.positions), len(member.job.classes)))
            for member in members
        ]
        self._memory = Memory(rows, table.device)
        self._sums: dict[str, Tensor] = {}

    def run(self, advance: Callable[[int], bool]) -> None:
        """Train to the end.

        Args:
            advance: called after each step with the number of steps done; returns False to stop.

        Raises:
            FitError: the tuner's code cannot be stacked.
        """
        for epoch in range(self._config.epochs):
            self._index = self._data.epoch(epoch)
            self._sums = {}
            for s in range(self._per_epoch):
                done = epoch * self._per_epoch + s
                self._advance(s, done)
                if not advance(done + 1) or not self._slots:
                    return
            self._bury_non_finite(self._sums, f"epoch {epoch + 1} of {self._config.epochs}")
            self._drop_dead()
            if not self._slots:
                return
        self._bury_non_finite(
            {**self._optimiser.leaves, **self._buffers}, f"step {self.steps} of {self.steps}"
        )

    def results(self) -> list[Trained]:
        """Return what became of each member."""
        state = {**self._optimiser.leaves, **self._data.fixed["frozen"], **self._buffers}
        trained = []
        for t, error in enumerate(self._errors):
            slot = -1 if error else self._slots.index(t)
            own = (
                None
                if error
                else {
                    name: leaf[slot].detach().to("cpu", copy=True).contiguous()
                    for name, leaf in state.items()
                }
            )
            trained.append(Trained(own, error))
        return trained

    def _advance(self, s: int, done: int) -> None:
        """Take step s of an epoch."""
        gradients, total, aux = self._evaluate(s, done)
        if not self._slots:
            return
        self._optimiser.step(gradients, schedule_factor(self._config.schedule, done, self.steps))
        self._buffers = aux["buffers"]
        if aux["rows"]:
            self._memory.write(aux["index"], aux["rows"])
        self._sums = {
            name: self._sums[name] + value if self._sums else value for name, value in aux["terms"].items()
        }
        # Asking a GPU for the answer at every step would stop its queue; there the check waits for the end of
        # the epoch.
        if self._table.device.type == "cpu" and not bool(torch.isfinite(total).all()):
            self._bury_non_finite({**aux["terms"], "": total}, f"step {done + 1} of {self.steps}")
            self._drop_dead()

    def _evaluate(self, s: int, done: int) -> tuple[Tree, Tensor, Tree]:
        """Return gradients, totals and the rest.

        Trials for which a decomposition fails die, and the step is taken without them.
        """
        while True:
            batch = self._data.batch(self._index[s], last=s == self._per_epoch - 1)
            member = {**self._data.fixed, **batch, "buffers": self._buffers}
            shared = {
                "progress": torch.tensor(done / self.steps, device=self._table.device),
                "memory": self._memory.tensors,
            }
            try:
                return self._step(self._optimiser.leaves, member, shared)
            except LinAlgError as error:
                self._bury_raising(member, shared, f"step {done + 1} of {self.steps}", error)
                self._drop_dead()
                if not self._slots:
                    return {}, torch.zeros(0), {"buffers": {}, "rows": {}, "terms": {}}

    def _bury_raising(self, member: Tree, shared: Tree, when: str, error: Exception) -> None:
        """Find the members whose own step raises, and let them die."""
        before = list(self._errors)
        for slot, t in enumerate(self._slots):
            own = torch.full((self._least,), slot, device=self._table.device)
            try:
                self._step(chosen(self._optimiser.leaves, own), chosen(member, own), shared)
            except LinAlgError as failure:
                self._bury(t, f"{when}: {str(failure).splitlines()[0]}")
        if self._errors == before:
            raise FitError(str(error).splitlines()[0], where=type(self._step.tuner).__name__) from error

    def _bury_non_finite(self, values: dict[str, Tensor], when: str) -> None:
        """Let the members die that have a number that is not finite among these tensors (T, ...).

        "" names the objective as a whole.
        """
        finite = {
            name: torch.isfinite(v).reshape(len(self._slots), -1).all(1).tolist()
            for name, v in values.items()
        }
        for slot, t in enumerate(self._slots):
            for name in (name for name in finite if not finite[name][slot]):
                odd = values[name][slot].flatten()
                what = (
                    f"{name!r} became {float(odd[~torch.isfinite(odd)][0])}"
                    if name
                    else f"the objective became {float(odd[0])}"
                )
                self._bury(t, f"{when}: {what}")

    def _bury(self, t: int, reason: str) -> None:
        if not self._errors[t]:
            rate = head_config(self._trials[t].job.tuner).lr
            self._errors[t] = str(
                FitError(
                    reason, where=type(self._step.tuner).__name__, todo=f"Lower the learning rate ({rate:g})"
                )
            )

    def _filled(self, living: list[int]) -> list[int]:
        return living + living[-1:] * (self._least - len(living)) if living else []

    def _drop_dead(self) -> None:
        """Take dead members out of the stack."""
        if not any(self._errors[t] for t in self._slots):
            return
        slots = self._filled([t for t in dict.fromkeys(self._slots) if not self._errors[t]])
        keep = [self._slots.index(t) for t in slots]
        members = [self._trials[t] for t in slots]
        if members:
            index = torch.tensor(keep, device=self._table.device)
            offsets = self._data.offsets.tolist()
            self._memory = Memory(
                [self._memory.part(offsets[k], len(m.positions)) for k, m in zip(keep, members, strict=True)],
                self._table.device,
            )
            self._optimiser.keep(index)
            self._buffers, self._sums = chosen(self._buffers, index), chosen(self._sums, index)
            self._index = self._index[:, index]
            self._data = StackData(members, self._table)
        self._slots = slots
