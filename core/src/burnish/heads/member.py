"""One member made ready to be trained.

Its module built, its rows looked up, its targets and constants as tensors.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from burnish.errors import BurnishError, FitError
from burnish.heads.blame import author_error
from burnish.heads.head import HeadJob, HeadMethod, TrainingData
from burnish.heads.normalisation import stackable
from burnish.heads.targets import as_targets, class_prior, require_accepted, target_kind, target_tensors

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RANDOM_LAYERS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.RReLU,
)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_CHECK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Member:
    """A job whose inputs are tensors on the run's device.

    Attributes:
        job: the job.
        positions: (n,) int64 rows of the feature table.
        state: parameters that are trained, other parameters and buffers, by group and name.
        targets: of the n rows.
        weights: (n,) float32.
        labelled: (n,) bool: items of which something is known.
        prior: (C,) float32.
        constants: 0-d float32 by name.
        prepared: what `HeadMethod.prepare` gave.
    """

    job: HeadJob
    positions: NDArray[np.int64]
    state: Mapping[str, Mapping[str, Tensor]]
    targets: Mapping[str, Tensor]
    weights: Tensor
    labelled: Tensor
    prior: Tensor
    constants: Mapping[str, Tensor]
    prepared: Mapping[str, Tensor]

    def shapes(self) -> tuple[Any, ...]:
        """Return what must be equal inside a stack and is known only now.

        Names and shapes of state and prepared tensors.
        """
        groups = (*self.state.values(), self.prepared)
        return tuple(tuple((name, tuple(t.shape), t.dtype) for name, t in group.items()) for group in groups)


def finite_rows(rows: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (R,) bool which rows of an array (R, ...) are finite throughout.

    A part at a time, so that it takes no memory to speak of.
    """
    flat = rows.reshape(len(rows), -1)
    parts = [
        np.isfinite(flat[start : start + _CHECK_ROWS]).all(axis=1)
        for start in range(0, len(flat), _CHECK_ROWS)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


class FeatureTable:
    """The rows of all features that some jobs train on, each array's once.

    Args:
        jobs: the jobs; jobs that hold the same array object share its rows.
        device: where the table lies.

    Attributes:
        rows: (R, V, D) float32.
    """

    def __init__(self, jobs: Sequence[HeadJob], device: str) -> None:
        arrays = {id(job.features): job.features for job in jobs}
        used = {
            key: np.unique(np.concatenate([job.rows for job in jobs if id(job.features) == key]))
            for key in arrays
        }
        starts = dict(zip(used, np.cumsum([0, *(len(rows) for rows in used.values())]), strict=False))
        # Choosing rows copies them already: no further copy is made, and none to look for what is not finite.
        chosen = [np.ascontiguousarray(arrays[key][rows], dtype=np.float32) for key, rows in used.items()]
        self._finite = np.concatenate([finite_rows(rows) for rows in chosen])
        blocks = [torch.from_numpy(rows) for rows in chosen]
        self.rows = (blocks[0] if len(blocks) == 1 else torch.cat(blocks)).to(device)
        self._used, self._starts = used, starts

    def positions(self, job: HeadJob) -> NDArray[np.int64]:
        """Return the (n,) int64 rows of the table that belong to a job's training rows.

        Raises:
            FitError: a feature of these rows is NaN or infinite.
        """
        found = np.searchsorted(self._used[id(job.features)], job.rows) + self._starts[id(job.features)]
        finite = self._finite[found]
        if not finite.all():
            raise FitError(
                f"a feature of training item {int(np.argmin(finite))} is NaN or infinite",
                todo="Mend or remove the item",
            )
        return np.asarray(found, dtype=np.int64)


def build_module(tuner: HeadMethod[Any], dim: int, classes: int, seed: int) -> nn.Module:
    """Return a fresh module on the CPU, initialised under a seed, the same whatever else was drawn before.

    Raises:
        FitError: it cannot be built, or has a layer that cannot be stacked.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            module = tuner.build(dim, classes)
        except BurnishError:
            raise
        except Exception as error:
            raise author_error(
                tuner, f"cannot build a head for {dim} features and {classes} classes", error
            ) from error
    for name, layer in module.named_modules():
        where = f"{type(tuner).__name__}.build, layer {name or '(the module itself)'}, {type(layer).__name__}"
        if isinstance(layer, _RANDOM_LAYERS) and getattr(layer, "p", 1.0) > 0:
            raise FitError("a random layer cannot be stacked", where=where, todo="Use burnish.blocks.Dropout")
        if isinstance(layer, nn.MultiheadAttention | nn.RNNBase) and layer.dropout > 0:
            raise FitError(
                "dropout inside this layer cannot be stacked",
                where=where,
                todo="Set it to 0 and add burnish.blocks.Dropout",
            )
        if isinstance(layer, nn.SyncBatchNorm) or (
            isinstance(layer, _BATCH_NORMS) and layer.momentum is None
        ):
            raise FitError(
                "this normalisation cannot be stacked",
                where=where,
                possible="BatchNorm with a momentum, LayerNorm, GroupNorm",
            )
        if plain := [key for key, value in vars(layer).items() if isinstance(value, Tensor)]:
            raise FitError(
                f"attribute {plain[0]!r} is a plain tensor",
                where=where,
                todo="Register it with register_buffer or as a Parameter",
            )
    return module


def template_of(module: nn.Module, *, training: bool) -> nn.Module:
    """Return a copy of a module without storage, for `torch.func.functional_call`.

    In training mode, for stacks.
    """
    template = copy.deepcopy(module).to("meta").train(training)
    return stackable(template) if training else template


def state_of(module: nn.Module, device: str) -> dict[str, dict[str, Tensor]]:
    """Return a module's tensors by name.

    As ``parameters`` (trained), ``frozen`` (parameters that are not) and ``buffers``.
    """
    parameters: dict[str, Tensor] = {name: p for name, p in module.named_parameters() if p.requires_grad}
    frozen: dict[str, Tensor] = {name: p for name, p in module.named_parameters() if not p.requires_grad}
    groups = {"parameters": parameters, "frozen": frozen, "buffers": dict(module.named_buffers())}
    return {
        group: {name: t.detach().to(device) for name, t in tensors.items()}
        for group, tensors in groups.items()
    }


def training_data(job: HeadJob, x: Tensor, device: str) -> TrainingData:
    """Return what `prepare` and `solve` see of a job with features x (n, V, D)."""
    classes = len(job.classes)
    prior = torch.from_numpy(class_prior(job.targets, job.weights, classes)).to(device)
    targets = as_targets(target_tensors(job.targets, device))
    return TrainingData(x, targets, counted_weights(job, device), job.classes, prior, job.generator)


def counted_weights(job: HeadJob, device: str) -> Tensor:
    """Return the weights (n,) float32 with 0 where a label is unknown."""
    return torch.from_numpy(np.where(labelled(job), job.weights, 0).astype(np.float32)).to(device)


def labelled(job: HeadJob) -> NDArray[np.bool_]:
    """Return (n,) bool which items have a label, or with multi-labels a known entry."""
    if "hard" in job.targets:
        return np.asarray(job.targets["hard"] >= 0)
    if "observed" in job.targets:
        return np.asarray((job.targets["observed"] > 0).any(axis=1))
    return np.ones(len(job.rows), dtype=bool)


def check_job(job: HeadJob) -> None:
    """Raise where a job's arrays do not belong together or nothing can be learnt from them.

    Raises:
        FitError: what is wrong.
    """
    n, classes = len(job.rows), len(job.classes)
    kind = target_kind(job.targets)
    if job.features.ndim != 3 or job.features.shape[1] < job.tuner.views:
        raise FitError(
            f"features of shape {job.features.shape}",
            possible=f"(N, V, D) with at least {job.tuner.views} views",
        )
    if lengths := [name for name, array in job.targets.items() if len(array) != n]:
        raise FitError(f"{len(job.targets[lengths[0]])} targets for {n} training items")
    if len(job.weights) != n or not np.isfinite(job.weights).all() or (job.weights < 0).any():
        raise FitError(f"the weights of {n} training items are not {n} numbers of at least 0")
    if kind == "hard" and n and int(job.targets["hard"].max()) >= classes:
        raise FitError(
            f"a training label is {int(job.targets['hard'].max())}",
            possible=f"0 to {classes - 1}, or -1 for unknown",
        )
    if kind != "hard" and job.targets[kind].shape != (n, classes):
        raise FitError(f"targets of shape {job.targets[kind].shape} for {n} items and {classes} classes")
    if job.loss is not None:
        require_accepted(job.loss, job.targets)
    if not ((job.weights > 0) & labelled(job)).any():
        raise FitError("no training item has both a known label and a weight above 0")


def make_member(job: HeadJob, table: FeatureTable, device: str) -> Member:
    """Build and prepare one member.

    Raises:
        FitError: it cannot be trained; the members beside it are not touched.
    """
    check_job(job)
    tuner, classes = job.tuner, len(job.classes)
    positions = table.positions(job)
    module = build_module(tuner, job.features.shape[2], classes, job.seed)
    prepared = (
        _prepared(job, table, positions, device) if type(tuner).prepare is not HeadMethod.prepare else {}
    )
    return Member(
        job,
        positions,
        state_of(module, device),
        target_tensors(job.targets, device),
        counted_weights(job, device),
        torch.from_numpy(labelled(job)).to(device),
        torch.from_numpy(class_prior(job.targets, job.weights, classes)).to(device),
        {name: torch.tensor(_constant(tuner, name), device=device) for name in tuner.constants},
        prepared,
    )


def _prepared(
    job: HeadJob, table: FeatureTable, positions: NDArray[np.int64], device: str
) -> dict[str, Tensor]:
    x = table.rows[torch.from_numpy(positions).to(table.rows.device)]
    try:
        prepared = {
            name: t.to(device) for name, t in job.tuner.prepare(training_data(job, x, device)).items()
        }
    except BurnishError:
        raise
    except Exception as error:
        raise author_error(job.tuner, "cannot prepare", error) from error
    if odd := [name for name, t in prepared.items() if torch.isnan(t).any()]:
        raise FitError(f"what {type(job.tuner).__name__}.prepare computed as {odd[0]!r} has NaN in it")
    return prepared


def _constant(tuner: HeadMethod[Any], name: str) -> float:
    value = getattr(tuner.config, name)
    if not isinstance(value, int | float):
        raise FitError(
            f"option {name!r} of {type(tuner).__name__} is {value!r}",
            possible="a number, as for all its constants",
        )
    return float(value)
