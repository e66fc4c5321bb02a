"""A frozen module on loan.

Adapters, prompts and unfrozen parameters go in for the length of a `with` block, and come out again.

All trials of a study share one copy of the frozen weights. A tuner that works inside the module therefore
borrows it: whatever it adds hangs on hooks, replaced modules and copies that the lease takes away at its end,
also when the fit breaks off, so that the next trial finds the module as it was, bit for bit
(`frozen_digest`). What was learnt is the lease's `state`; putting it in again is the same code with `load`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from burnish.errors import ModelFileError, PluginError


class Lease:
    """A module on loan; a context manager.

    Inside the block every parameter of the module is frozen and the module is in evaluation mode, whatever is
    added; `train` switches the added parts alone, so that statistics of normalisation layers never move.

    Args:
        module: the module, `burnish.contracts.towers.Attachable.module`.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._frozen = {id(p) for p in module.parameters()}
        self._parts: dict[str, nn.Module] = {}
        self._tuned: dict[str, tuple[nn.Parameter, Tensor]] = {}
        self._replaced: list[tuple[nn.Module, str, nn.Module, nn.Module]] = []
        self._undo: list[Callable[[], Any]] = []
        self._on = False
        self._before: tuple[dict[str, bool], dict[str, bool]] = ({}, {})

    @property
    def module(self) -> nn.Module:
        """The module on loan."""
        return self._module

    @property
    def device(self) -> torch.device:
        """Where its parameters are, and parts belong."""
        return next(self._module.parameters()).device

    def __enter__(self) -> Self:
        self._before = (
            {n: p.requires_grad for n, p in self._module.named_parameters()},
            {n: m.training for n, m in self._module.named_modules()},
        )
        self._module.requires_grad_(False).eval()
        self._on = True
        return self

    def __exit__(self, *reason: object) -> None:
        self._on = False
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
        self._replaced.clear()
        with torch.no_grad():
            for parameter, original in self._tuned.values():
                parameter.copy_(original)
                parameter.grad = None
        gradients, training = self._before
        for name, parameter in self._module.named_parameters():
            parameter.requires_grad_(gradients[name])
        for name, module in self._module.named_modules():
            module.training = training[name]

    # -- putting parts in ------------------------------------------------------------------------------------

    def add(self, name: str, part: nn.Module) -> None:
        """Train a part together with the module, such as a head or prompts that the tuner's own hook reads.

        Raises:
            PluginError: there is a part of this name, or the lease is over.
        """
        if not self._on:
            raise PluginError(
                f"part {name!r} was added to a module that is not on loan",
                where="blocks.lease",
                todo="Add it inside the with block",
            )
        if name in self._parts:
            raise PluginError(f"there are two parts named {name!r}", where="blocks.lease")
        self._parts[name] = part

    def before(self, name: str, site: str, part: nn.Module) -> None:
        """Let the module at `site` read ``part(x)`` in the place of its first input x."""
        self.add(name, part)
        hook = self._site(site).register_forward_pre_hook(
            lambda module, args: (part(args[0]), *args[1:]) if self._on else None
        )
        self._undo.append(hook.remove)

    def after(self, name: str, site: str, part: nn.Module) -> None:
        """Let the module at `site` give ``part(y)`` in the place of its output y.

        Of a tuple, of its first member.
        """
        self.add(name, part)
        hook = self._site(site).register_forward_hook(
            lambda module, args, out: _first(out, part) if self._on else None
        )
        self._undo.append(hook.remove)

    def parallel(self, name: str, site: str, part: nn.Module, reads: str = "") -> None:
        """Let the module at `site` give ``y + part(x)`` for its first input x and output y.

        Args:
            name: of the part.
            site: the module it is beside.
            part: the part.
            reads: a module that runs within `site`, once: x is then the first input of that one.
        """
        self.add(name, part)
        read = threading.local()  # the module may be called from several threads at once

        def keep(module: nn.Module, args: tuple[Any, ...]) -> None:
            read.x = args[0]

        def beside(module: nn.Module, args: tuple[Any, ...], out: Any) -> Any:
            if not self._on:
                return None
            x = read.__dict__.pop("x") if reads else args[0]
            return _first(out, lambda y: y + part(x))

        if reads:
            self._undo.append(self._site(reads).register_forward_pre_hook(keep).remove)
        self._undo.append(self._site(site).register_forward_hook(beside).remove)

    def replace(self, name: str, site: str, make: Callable[[nn.Module], nn.Module]) -> None:
        """Put ``make(original)`` in the place of the module at `site`, such as a layer of peft around it.

        What the new module has besides the parameters of the original is trained.
        """
        parent_name, _, child = site.rpartition(".")
        parent, original = self._site(parent_name), self._site(site)
        replacement = make(original)
        self.add(name, replacement)
        setattr(parent, child, replacement)
        self._replaced.append((parent, child, original, replacement))
        self._undo.append(lambda: setattr(parent, child, original))

    def reparametrise(self, name: str, site: str, parameter: str, part: nn.Module) -> None:
        """Let the module at `site` use ``part(w)`` in the place of its parameter w.

        One that adds a low-rank product, for example.
        """
        self.add(name, part)
        owner = self._site(site)
        parametrize.register_parametrization(owner, parameter, _Switched(part, lambda: self._on), unsafe=True)
        self._undo.append(
            lambda: parametrize.remove_parametrizations(owner, parameter, leave_parametrized=False)
        )

    def unfreeze(self, chosen: Callable[[str], bool]) -> None:
        """Train parameters of the module in place: those whose dotted name `chosen` accepts.

        The lease keeps a copy of them alone.

        Raises:
            PluginError: there is none.
        """
        found = {
            name: p for name, p in self._module.named_parameters() if id(p) in self._frozen and chosen(name)
        }
        if not found:
            raise PluginError("no parameter of the backbone has such a name", where="blocks.lease")
        for name, parameter in found.items():
            self._tuned[name] = (parameter, parameter.detach().clone())
            parameter.requires_grad_(True)

    def _site(self, site: str) -> nn.Module:
        if not self._on:
            raise PluginError(
                "a module was used that is not on loan",
                where="blocks.lease",
                todo="Use it inside the with block",
            )
        try:
            return self._module.get_submodule(site)
        except AttributeError as error:
            raise PluginError(f"the backbone has no module {site!r}", where="blocks.lease") from error

    # -- what is learnt --------------------------------------------------------------------------------------

    def parameters(self) -> dict[str, nn.Parameter]:
        """Return what is trained, by name.

        ``parts.<part>.<parameter>`` and ``tuned.<parameter of the module>``.
        """
        parts = {
            f"parts.{part}.{name}": p
            for part, m in self._parts.items()
            for name, p in m.named_parameters()
            if id(p) not in self._frozen
        }
        return parts | {f"tuned.{name}": parameter for name, (parameter, _) in self._tuned.items()}

    def state(self) -> dict[str, Tensor]:
        """Return copies of what was learnt, by name.

        Parameters and buffers of the parts, and unfrozen parameters.
        """
        return {name: tensor.detach().clone() for name, tensor in self._learnt().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Put in what another lease with the same parts learnt.

        Raises:
            ModelFileError: names or shapes differ.
        """
        learnt = self._learnt()
        if missing := sorted(learnt.keys() ^ state.keys()):
            raise ModelFileError(
                f"{missing[0]} is {'missing' if missing[0] in learnt else 'unknown'}", where="adapter"
            )
        with torch.no_grad():
            for name, tensor in learnt.items():
                if tensor.shape != state[name].shape:
                    raise ModelFileError(
                        f"{name} is {tuple(state[name].shape)}",
                        where="adapter",
                        possible=str(tuple(tensor.shape)),
                    )
                tensor.copy_(state[name])

    def _learnt(self) -> dict[str, Tensor]:
        buffers = {
            f"parts.{part}.{name}": b
            for part, m in self._parts.items()
            if all(m is not new for *_, new in self._replaced)
            for name, b in m.named_buffers()
        }
        return {**self.parameters(), **buffers}

    def train(self, mode: bool = True) -> None:
        """Put the added parts into training mode (or out of it).

        The frozen module stays in evaluation mode.
        """
        wrapped = {id(m) for _, _, original, _ in self._replaced for m in original.modules()}
        for part in self._parts.values():
            for module in part.modules():
                if id(module) not in wrapped:
                    module.training = mode

    @contextmanager
    def off(self) -> Iterator[None]:
        """Let the module be as it was without the lease, inside the block.

        The frozen teacher, with no second copy of its weights.
        """
        learnt = {name: parameter.detach().clone() for name, (parameter, _) in self._tuned.items()}
        self._on = False
        self._swap({name: original for name, (_, original) in self._tuned.items()})
        for parent, child, original, _ in self._replaced:
            setattr(parent, child, original)
        try:
            yield
        finally:
            for parent, child, _, replacement in self._replaced:
                setattr(parent, child, replacement)
            self._swap(learnt)
            self._on = True

    def _swap(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in values.items():
                self._tuned[name][0].copy_(value)


class _Switched(nn.Module):
    """A part that is left out while the lease is off."""

    def __init__(self, part: nn.Module, on: Callable[[], bool]) -> None:
        super().__init__()
        self.part, self.on = part, on

    def forward(self, weight: Tensor) -> Tensor:
        changed: Tensor = self.part(weight) if self.on() else weight
        return changed


def _first(out: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return (change(out[0]), *out[1:]) if isinstance(out, tuple) else change(out)


def frozen_digest(module: nn.Module) -> str:
    """Return a hash of names, shapes, dtypes and bits of all parameters and buffers."""
    digest = hashlib.blake2b()
    for name, tensor in sorted(module.state_dict().items()):
        if not isinstance(tensor, Tensor):  # extra state of a module of its own
            continue
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
