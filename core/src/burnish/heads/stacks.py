"""Which trials may be trained in one stack, and which should be."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from burnish.errors import FitError, ModelFileError
from burnish.heads.batches import batch_size, steps_per_epoch
from burnish.heads.head import HeadJob, HeadMethod, head_config
from burnish.heads.predictor import meta_module
from burnish.heads.targets import target_kind

_VARYING = ("lr", "weight_decay")
WIDE = 2.5e9
"""Multiplications and additions of a trial's step from which all cores work on it together."""

_FLOPS = 25e9
"""Multiplications and additions a second that one core reaches in training; on purpose a low figure."""

_OVERHEAD = {True: 5e-5, False: 1.5e-3}
"""Seconds a trial's step costs beside them, stacked and not."""

_ALIGNMENT = 16
"""Numbers between two places where a matrix product may start and round alike.

One vector register, 64 bytes.
"""


@dataclass(frozen=True)
class Limits:
    """What a stack may take.

    Attributes:
        memory: bytes of parameters, gradients, optimiser state and activations.
        seconds: estimated time to train it: what is lost at most when a study is killed.
        cores: cores that train it.
    """

    memory: int = 1_000_000_000
    seconds: float = 30.0
    cores: int = 2


def signature(job: HeadJob) -> Hashable:
    """Return what must be equal for two trials to share a stack.

    That is: the tuner's class and its config but for learning rate, weight decay and `HeadMethod.constants`;
    width, views, classes, rows of a batch, batches of an epoch; the kind of targets; the loss, its class and
    attributes.
    """
    n, config = len(job.rows), head_config(job.tuner)
    shape = (
        *job.features.shape[1:],
        len(job.classes),
        batch_size(n, config.batch),
        steps_per_epoch(n, config.batch),
    )
    return (*_tuner_key(job.tuner), shape, target_kind(job.targets), _loss_key(job.loss))


def _tuner_key(tuner: HeadMethod[Any]) -> tuple[type, type, Hashable]:
    varying = {*_VARYING, *tuner.constants}
    config = tuner.config
    kept = (
        {f.name: getattr(config, f.name) for f in fields(config) if f.name not in varying}
        if is_dataclass(config)
        else {"": config}
    )
    return type(tuner), type(config), _values(kept)


def _loss_key(loss: Any) -> Hashable:
    """Return class and attributes of a loss; two losses that differ in neither are one loss."""
    return None if loss is None else (type(loss), _values(vars(loss)))


def _values(attributes: Mapping[str, Any]) -> Hashable:
    """Return names and values; arrays by content, because their text leaves most of them out."""
    arrays = {name: np.asarray(v) for name, v in attributes.items() if isinstance(v, np.ndarray | Tensor)}
    texts = tuple(sorted((name, repr(v)) for name, v in attributes.items() if name not in arrays))
    return texts, tuple(sorted((name, a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()))


def is_closed_form(tuner: HeadMethod[Any]) -> bool:
    """Return whether a tuner computes its state instead of training it."""
    return type(tuner).solve is not HeadMethod.solve


def step_flops(module: nn.Module, rows: int) -> int:
    """Return about how many multiplications and additions one step takes.

    Each parameter meets each row, forward and twice backward.
    """
    return 6 * rows * sum(p.numel() for p in module.parameters())


def is_wide(module: nn.Module, rows: int) -> bool:
    """Return whether a step is so much work that all cores should do it together."""
    return step_flops(module, rows) >= WIDE


def can_share(module: nn.Module, rows: int) -> bool:
    """Return whether trials of this head, on this many rows a batch, are trained in one matrix product each.

    A matrix product rounds differently where its matrices start at odd addresses. So heads share one only if
    every trial's matrices have a multiple of 16 numbers: else a trial's bits would depend on its place in the
    stack. A large head is trained alone too, by all cores.
    """
    sizes = [p.numel() for p in module.parameters() if p.ndim > 1]
    return not is_wide(module, rows) and all(size % _ALIGNMENT == 0 for size in [rows, *sizes])


def state_bytes(module: nn.Module, rows: int) -> int:
    """Return about how many bytes one trial takes in training on batches of this many rows."""
    parameters = sum(p.numel() for p in module.parameters())
    widths = sum(p.shape[0] for p in module.parameters() if p.ndim > 1)
    return 4 * (5 * parameters + 10 * rows * widths)


def stacks(jobs: Sequence[HeadJob], limits: Limits | None = None) -> list[list[int]]:
    """Return the trials (positions in `jobs`) of each stack: the units to train and to commit.

    It depends on the jobs, their order and the limits alone. No number of a trial depends on the stack it is
    in.

    Args:
        jobs: the trials.
        limits: what a stack may take.

    Returns:
        Lists of ascending positions; every position stands in one.

    Raises:
        burnish.errors.FitError: a tuner cannot build its head.
    """
    limits = limits or Limits()
    alike: dict[Hashable, list[int]] = {}
    for number, job in enumerate(jobs):
        alike.setdefault(signature(job), []).append(number)
    found = []
    for numbers in alike.values():
        size = _stack_size(jobs[numbers[0]], limits)
        count = -(-len(numbers) // size)
        share, rest = divmod(len(numbers), count)
        ends = [share * (i + 1) + min(i + 1, rest) for i in range(count)]
        found += [numbers[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    return sorted(found)


def _stack_size(job: HeadJob, limits: Limits) -> int:
    """Return how many trials like this one a stack should hold."""
    try:
        module = meta_module(job.tuner, job.features.shape[2], len(job.classes))
    except ModelFileError as error:
        raise FitError(error.what, where=error.where) from error
    config, n = head_config(job.tuner), len(job.rows)
    rows = batch_size(n, config.batch) * job.features.shape[1]
    steps = 1 if is_closed_form(job.tuner) else steps_per_epoch(n, config.batch) * config.epochs
    seconds = steps * (_OVERHEAD[can_share(module, rows)] + step_flops(module, rows) / _FLOPS)
    cores = 1 if is_wide(module, rows) else limits.cores
    return max(
        2 if cores > 1 else 1,
        min(int(limits.seconds * cores / seconds), limits.memory // state_bytes(module, rows)),
    )
