"""The contract of losses and penalties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from burnish.blocks import one_hot
from burnish.contracts.loss import LossInput, LossValue, Targets
from burnish.testing.checks import expect, global_randomness_untouched
from burnish.testing.contract import PluginContract

_FORMS = ("hard", "soft", "multi")
_FLOAT64 = torch.float64


class LossContract(PluginContract):
    """Tests of a loss.

    Where `reference` is written, the loss must agree with it.

    Attributes:
        rows: B of the batches.
        classes: C of the batches.
        width: D of embeddings and features.
        tolerance: largest difference from the reference, beside a relative one of the same size, in float64.
    """

    kind, key = "loss", "loss"
    rows: ClassVar[int] = 7
    classes: ClassVar[int] = 4
    width: ClassVar[int] = 5
    tolerance: ClassVar[float] = 1e-6

    def reference(self, logits: Any, labels: Any) -> Any:
        """Return the loss as slowly and obviously as possible: override it.

        Args:
            logits: (B, C) float64 array.
            labels: (B,) int64 array of classes; for a loss that takes multi-labels only, (B, C) of 0.0 and
                1.0.

        Returns:
            What the loss should give: (B,) for one value an example.
        """
        raise NotImplementedError

    # -- making inputs ---------------------------------------------------------------------------------------

    def batch(
        self, form: str, *, dtype: torch.dtype = torch.float32, seed: int = 0, scale: float = 2.0
    ) -> LossInput:
        """Return a random batch with one form of targets: ``"hard"``, ``"soft"`` or ``"multi"``."""
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

        b, c = self.rows, self.classes
        hard = torch.randint(0, c, (b,), generator=generator)
        soft = torch.softmax(normal(b, c), dim=-1)
        multi = (normal(b, c) > 0).to(dtype)
        observed = (normal(b, c) > -1).to(dtype)
        targets = {
            "hard": Targets(hard=hard),
            "soft": Targets(soft=soft),
            "multi": Targets(multi=multi * observed, observed=observed),
        }[form]
        return LossInput(
            logits=scale * normal(b, c),
            targets=targets,
            embeddings=normal(b, self.width),
            prior=torch.arange(1.0, c + 1).to(dtype),
            index=torch.arange(b),
            progress=torch.tensor(0.25, dtype=dtype),
            features=normal(b, self.width),
        )

    def forms(self, folder: Path) -> list[str]:
        """Return the forms of targets that the loss accepts."""
        return [form for form in _FORMS if form in self.make(folder).accepts]

    def _call(self, loss: Any, x: LossInput) -> tuple[LossValue, Mapping[str, Tensor]]:
        memory = loss.memory(self.rows, self.classes)
        value, rows = loss(x, {name: tensor.clone().to(x.logits.dtype) for name, tensor in memory.items()})
        expect(
            isinstance(value, LossValue),
            f"the loss returns {type(value).__name__}. Return LossValue(values), rows",
        )
        return value, rows

    def _function(self, loss: Any, x: LossInput) -> Callable[..., Tensor]:
        """Return the loss as a function of logits and embeddings."""
        return lambda logits, embeddings: (
            self._call(loss, replace(x, logits=logits, embeddings=embeddings))[0].values
        )

    # -- tests -----------------------------------------------------------------------------------------------

    def test_it_says_what_it_accepts(self, tmp_path: Path) -> None:
        """`accepts` is a frozenset of known forms of targets."""
        accepts = self.make(tmp_path).accepts
        known = isinstance(accepts, frozenset) and bool(accepts) and accepts <= set(_FORMS)
        expect(known, f"accepts is {accepts!r}. Write for instance accepts = frozenset({{'hard', 'soft'}})")

    def test_values_have_the_shape_of_what_they_are_per(self, tmp_path: Path) -> None:
        """(B,) for examples, 0-d for a batch; finite."""
        loss = self.make(tmp_path)
        for form in self.forms(tmp_path):
            value, _ = self._call(loss, self.batch(form))
            shapes: dict[str, tuple[int, ...]] = {"example": (self.rows,), "batch": ()}
            wanted, shape = shapes.get(value.per), tuple(value.values.shape)
            expect(wanted is not None, f"values are per {value.per!r}. Write 'example' or 'batch'")
            expect(
                shape == wanted,
                f"values per {value.per} have the shape {shape}, not {wanted} ({form} targets). Do not reduce"
                " them",
            )
            expect(bool(torch.isfinite(value.values).all()), f"a value is not finite ({form} targets)")

    def test_every_choice_of_its_options_gives_values(self, tmp_path: Path) -> None:
        """With each choice of an option and each bool turned, one finite value an example."""
        for changes in self.variations(tmp_path):
            loss = self.make(tmp_path, **changes)
            for form in (form for form in _FORMS if form in loss.accepts):
                value, _ = self._call(loss, self.batch(form))
                told = f"with {changes} and {form} targets"
                expect(bool(torch.isfinite(value.values).all()), f"{told} a value is not finite")
                whole = value.per != "example" or tuple(value.values.shape) == (self.rows,)
                expect(whole, f"{told} values have the shape {tuple(value.values.shape)}")

    def test_its_memory_keeps_names_and_shapes(self, tmp_path: Path) -> None:
        """Rows in, rows out: the same names, one row an item."""
        loss = self.make(tmp_path)
        memory = loss.memory(self.rows, self.classes)
        short = [name for name, tensor in memory.items() if tensor.ndim < 1 or len(tensor) != self.rows]
        expect(not short, f"memory {short} has not one row an item: the first dimension is n")
        for form in self.forms(tmp_path):
            _, rows = self._call(loss, self.batch(form))
            same = {name: tuple(tensor.shape) for name, tensor in rows.items()} == {
                name: tuple(tensor.shape) for name, tensor in memory.items()
            }
            expect(
                same,
                f"the rows returned are {list(rows)}, those of the memory {list(memory)}; names and shapes"
                " must be the same",
            )

    def test_it_is_a_pure_function(self, tmp_path: Path) -> None:
        """Called twice it gives the same, changes no input and draws nothing from global generators."""
        loss = self.make(tmp_path)
        for form in self.forms(tmp_path):
            x, untouched = self.batch(form), self.batch(form)
            with global_randomness_untouched(f"loss {self.name}"):
                first, _ = self._call(loss, x)
                second, _ = self._call(loss, x)
            expect(
                torch.equal(first.values, second.values),
                f"the second call gives other values ({form} targets)",
            )
            for name in ("logits", "embeddings", "prior", "features"):
                expect(
                    torch.equal(getattr(x, name), getattr(untouched, name)),
                    f"the loss writes to {name}; copy before writing",
                )

    def test_the_order_of_a_batch_plays_no_part(self, tmp_path: Path) -> None:
        """Permuting the batch permutes values per example, and leaves the others as they are."""
        loss, order = (
            self.make(tmp_path),
            torch.tensor([3, 0, 6, 1, 5, 2, 4, *range(7, self.rows)])[: self.rows],
        )
        for form in self.forms(tmp_path):
            x = self.batch(form, dtype=_FLOAT64)
            moved = _taken(x, order)
            value, other = self._call(loss, x)[0], self._call(loss, moved)[0]
            wanted = value.values[order] if value.per == "example" else value.values
            expect(
                torch.allclose(other.values, wanted, rtol=1e-9, atol=1e-12),
                f"values depend on the order of the batch ({form} targets)",
            )

    def test_gradients_are_finite(self, tmp_path: Path) -> None:
        """Values and gradients are finite, for confident and wrong logits too."""
        loss = self.make(tmp_path)
        for form in self.forms(tmp_path):
            for scale in (0.0, 2.0, 60.0):
                x = self.batch(form, scale=scale)
                logits = x.logits.clone().requires_grad_(True)
                values = self._call(loss, replace(x, logits=logits))[0].values
                expect(
                    bool(torch.isfinite(values).all()),
                    f"a value is not finite where logits are about {scale:g} ({form} targets)",
                )
                if not values.requires_grad:
                    continue  # a penalty on the embeddings alone
                (gradient,) = torch.autograd.grad(values.sum(), logits, allow_unused=True)
                finite = gradient is None or bool(torch.isfinite(gradient).all())
                expect(finite, f"a gradient is not finite where logits are about {scale:g} ({form} targets)")

    def test_gradients_are_right(self, tmp_path: Path) -> None:
        """Gradients are those of finite differences, in float64."""
        loss = self.make(tmp_path)
        for form in self.forms(tmp_path):
            x = self.batch(form, dtype=_FLOAT64)
            inputs = tuple(
                tensor.clone().requires_grad_(True)
                for tensor in (x.logits, x.embeddings)
                if tensor is not None
            )
            function = self._function(loss, x)
            if function(*inputs).requires_grad:
                try:
                    torch.autograd.gradcheck(function, inputs, eps=1e-6, atol=1e-5, rtol=1e-4)
                except RuntimeError as error:
                    raise AssertionError(
                        f"a gradient is not that of finite differences ({form} targets): {error}"
                    ) from error

    def test_it_stacks(self, tmp_path: Path) -> None:
        """Under `torch.func.vmap` with 2 and 3 trials it gives what one trial after the other does.

        Both values and gradients.
        """
        loss = self.make(tmp_path)
        for form in self.forms(tmp_path):
            for trials in (2, 3):
                self._check_stack(
                    loss, [self.batch(form, dtype=_FLOAT64, seed=seed) for seed in range(trials)], form
                )

    def _check_stack(self, loss: Any, each: list[LossInput], form: str) -> None:
        def total(
            logits: Tensor, embeddings: Tensor, features: Tensor, targets: Mapping[str, Tensor]
        ) -> tuple[Tensor, Tensor]:
            x = replace(
                each[0], logits=logits, embeddings=embeddings, features=features, targets=Targets(**targets)
            )
            values = self._call(loss, x)[0].values
            return values.sum(), values

        def arguments(x: LossInput) -> tuple[Any, ...]:
            given = {
                name: tensor
                for name in ("hard", "soft", "multi", "observed")
                if (tensor := getattr(x.targets, name)) is not None
            }
            return x.logits, x.embeddings, x.features, given

        step = torch.func.grad_and_value(total, argnums=(0, 1), has_aux=True)
        alone = [step(*arguments(x)) for x in each]
        stacked_arguments = [_stacked([arguments(x)[i] for x in each]) for i in range(4)]
        try:
            gradients, (_, values) = torch.func.vmap(step)(*stacked_arguments)
        except RuntimeError as error:
            raise AssertionError(
                f"the loss does not run under torch.func.vmap ({form} targets): {str(error).splitlines()[0]} "
                "No branching on data, no boolean indexing, no .item(), no in-place writes"
            ) from error
        for t, (own_gradients, (_, own_values)) in enumerate(alone):
            expect(
                torch.allclose(values[t], own_values, rtol=1e-9, atol=1e-12),
                f"in a stack of {len(each)} the values are others ({form} targets)",
            )
            for stacked, own in zip(gradients, own_gradients, strict=True):
                expect(
                    torch.allclose(stacked[t], own, rtol=1e-8, atol=1e-10),
                    f"in a stack of {len(each)} the gradients are others ({form} targets)",
                )

    def test_a_hard_target_is_a_soft_one_of_one_class(self, tmp_path: Path) -> None:
        """Where both forms are accepted they agree."""
        loss = self.make(tmp_path)
        if not {"hard", "soft"} <= loss.accepts:
            return
        x = self.batch("hard", dtype=_FLOAT64)
        soft = replace(
            x, targets=Targets(soft=one_hot(cast("Tensor", x.targets.hard), self.classes).to(_FLOAT64))
        )
        hard_values, soft_values = self._call(loss, x)[0].values, self._call(loss, soft)[0].values
        expect(
            torch.allclose(hard_values, soft_values, rtol=1e-6, atol=1e-9),
            "a soft target of probability 1 gives another value than the hard one",
        )

    def test_unobserved_entries_play_no_part(self, tmp_path: Path) -> None:
        """What stands in an entry of multi-labels that nobody observed changes nothing."""
        loss = self.make(tmp_path)
        if "multi" not in loss.accepts:
            return
        x = self.batch("multi", dtype=_FLOAT64)
        multi, observed = cast("Tensor", x.targets.multi), cast("Tensor", x.targets.observed)
        other = replace(x, targets=Targets(multi=multi * observed + (1 - observed), observed=observed))
        same = torch.allclose(self._call(loss, x)[0].values, self._call(loss, other)[0].values)
        expect(same, "entries that are not observed change the value: multiply by targets.observed")

    def test_it_agrees_with_its_reference(self, tmp_path: Path) -> None:
        """The loss gives what `reference` gives, where the author wrote one."""
        if type(self).reference is LossContract.reference:
            return
        loss = self.make(tmp_path)
        form = "hard" if "hard" in loss.accepts else "multi"
        for seed in range(3):
            x = self.batch(form, dtype=_FLOAT64, seed=seed)
            if form == "multi" and x.targets.multi is not None:
                x = replace(
                    x, targets=Targets(multi=x.targets.multi, observed=torch.ones_like(x.targets.multi))
                )
            labels = cast("Tensor", x.targets.hard if form == "hard" else x.targets.multi)
            wanted = np.asarray(self.reference(x.logits.numpy(), labels.numpy()), dtype=np.float64)
            values = self._call(loss, x)[0].values.numpy()
            expect(
                wanted.shape == values.shape,
                f"reference gives the shape {wanted.shape}, the loss {values.shape}",
            )
            close = np.allclose(values, wanted, rtol=self.tolerance, atol=self.tolerance)
            expect(
                close,
                f"the loss gives {values}, the reference {wanted}: they differ by up to"
                f" {np.abs(values - wanted).max():.3g}",
            )


def _taken(x: LossInput, order: Tensor) -> LossInput:
    """Return the batch in another order."""

    def rows(tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor[order]

    targets = Targets(
        **{name: rows(getattr(x.targets, name)) for name in ("hard", "soft", "multi", "observed")}
    )
    return replace(
        x,
        logits=x.logits[order],
        targets=targets,
        embeddings=rows(x.embeddings),
        index=x.index[order],
        features=rows(x.features),
    )


def _stacked(each: list[Any]) -> Any:
    if isinstance(each[0], dict):
        return {name: torch.stack([tensors[name] for tensors in each]) for name in each[0]}
    return torch.stack(each)
