"""One training step of a stack: every trial's terms and gradients in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from burnish.contracts.loss import LossInput, LossValue
from burnish.errors import BurnishError, FitError
from burnish.heads.blame import author_error
from burnish.heads.head import Batch, Fit, HeadMethod, Outputs, as_outputs
from burnish.heads.targets import as_targets
from burnish.heads.tensors import weighted_mean

LinAlgError: type[RuntimeError] = torch.linalg.LinAlgError  # type: ignore[attr-defined]
"""What torch raises where a decomposition does not converge."""

_TODO = "Objective and loss run under torch.func.vmap: no branching on data, boolean masks or .item()"

Tree = dict[str, Any]
"""Nested dicts of tensors."""


def reduce_loss(value: LossValue, weights: Tensor) -> Tensor:
    """Return one number for a batch of R rows: sum(w l) / sum(w), 0 where the weights sum to 0.

    A penalty on the batch as a whole stays as it is.

    Args:
        value: what the loss returned.
        weights: (R,) at least 0.

    Raises:
        FitError: the values have another shape than they say.
    """
    values, wanted = value.values, weights.shape if value.per == "example" else ()
    if values.shape != wanted:
        raise FitError(
            f"a loss gave values of shape {tuple(values.shape)} per {value.per} for {weights.shape[0]} rows",
            possible='(B,) per "example", 0-d per "batch"',
        )
    if value.per == "batch":
        return values
    return weighted_mean(torch.where(weights > 0, values, torch.zeros_like(values)), weights)


@dataclass
class Step:
    """The objective of a tuner as one function of parameters and data.

    Attributes:
        tuner: whose `objective` it is.
        loss: the recipe's loss; None where the tuner has its own.
        template: the built module without storage; it is only read, and by one thread at a time.
        views: views of an item.
    """

    tuner: HeadMethod[Any]
    loss: Any
    template: nn.Module
    views: int

    def __call__(self, parameters: Tree, trial: Tree, shared: Tree) -> tuple[Tree, Tensor, Tree]:
        """Run all T trials.

        Args:
            parameters: by name, (T, ...) each.
            trial: per trial, leading dimension T: ``buffers``, ``frozen``, ``x``, ``targets``, ``weights``,
                ``real``, ``labelled``, ``index``, ``offset``, ``constants``, ``prepared``, ``prior``.
            shared: one for all: ``progress``, ``memory``.

        Returns:
            Gradients by name, totals (T,), and ``buffers``, ``terms``, ``rows`` and ``index`` (what a loss
            wrote to its memory) by trial.

        Raises:
            FitError: the module, the objective or the loss cannot be stacked; it names the line.
            torch.linalg.LinAlgError: a decomposition failed for some trial.
        """
        try:
            # The forward pass alone runs under vmap: `torch.func.grad` would import the compiler, seconds and
            # 100 MB, for the same numbers.
            total, aux = vmap(self._one, in_dims=(0, 0, None))(parameters, trial, shared)
            gradients = torch.autograd.grad(total.sum(), list(parameters.values()), materialize_grads=True)
        except (BurnishError, LinAlgError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise author_error(self.tuner, "cannot be trained", error, _TODO) from error
        return dict(zip(parameters, gradients, strict=True)), total.detach(), aux

    def _one(self, parameters: Tree, trial: Tree, shared: Tree) -> tuple[Tensor, Tree]:
        buffers = {name: b.clone() for name, b in trial["buffers"].items()}
        state = {**parameters, **trial["frozen"], **buffers}
        batch = Batch(
            trial["x"],
            as_targets(trial["targets"]),
            trial["weights"],
            trial["index"],
            trial["real"],
            trial["labelled"],
            self.views,
        )

        def forward(x: Tensor) -> Outputs:
            return as_outputs(functional_call(self.template, state, (x,)))

        written: list[tuple[Tensor, Mapping[str, Tensor]]] = []
        fit = Fit(
            trial["constants"],
            trial["prepared"],
            trial["prior"],
            shared["progress"],
            self._loss(trial, shared, written),
            forward,
        )
        out = forward(batch.x)
        terms = self.tuner.objective(out, batch, fit)
        values = {term.name: term.value.to(torch.float32) for term in terms}
        if not terms or len(values) != len(terms):
            raise FitError(
                f"objective gives terms named {[term.name for term in terms]}",
                possible="at least one term, names that differ",
            )
        if odd := [name for name, value in values.items() if value.ndim]:
            raise FitError(f"term {odd[0]!r} has shape {tuple(values[odd[0]].shape)}", possible="0-d values")
        total = sum(
            (term.weight * values[term.name] for term in terms[1:]), terms[0].weight * values[terms[0].name]
        )
        rows = (
            {name: torch.cat([new[name] for _, new in written]) for name in shared["memory"]}
            if written
            else {}
        )
        index = torch.cat([i for i, _ in written]) if written and rows else torch.zeros(0, dtype=torch.int64)
        terms_now = {name: value.detach() for name, value in values.items()}
        return total, {"buffers": buffers, "terms": terms_now, "rows": rows, "index": index}

    def _loss(self, trial: Tree, shared: Tree, written: list[Any]) -> Callable[[Outputs, Batch], Tensor]:
        memory: Mapping[str, Tensor] = shared["memory"]

        def loss(out: Outputs, batch: Batch) -> Tensor:
            if self.loss is None:
                raise FitError(
                    f"{type(self.tuner).__name__} calls fit.loss, but there is no loss",
                    todo="Name one in the recipe",
                )
            scratch = next(iter(memory.values())).shape[0] - 1 if memory else 0
            counted = (batch.weights > 0) & (batch.index >= 0)
            index = torch.where(counted, batch.index + trial["offset"], torch.full_like(batch.index, scratch))
            rows = {name: m[index] for name, m in memory.items()}
            given = LossInput(
                out.logits,
                batch.targets,
                out.embeddings,
                trial["prior"],
                batch.index,
                shared["progress"],
                batch.x,
            )
            value, new = self.loss(given, rows)
            if memory:
                written.append((index, {name: new[name].detach() for name in memory}))
            return reduce_loss(value, batch.weights)

        return loss
