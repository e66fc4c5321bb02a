"""What authors of heads write, and what they are given.

An author writes `build` and, where the method has terms of its own, `objective`; or `solve` for a closed
form. Core trains it, many trials at once where that is faster (`burnish.heads.stacked`), and the one-trial
case is the same code path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from torch import Tensor, nn

from burnish.contracts.loss import LossInput, LossValue, Targets
from burnish.options import HeadConfig

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Classes

ConfigT = TypeVar("ConfigT")


class Outputs(NamedTuple):
    """What a head gives for R rows.

    Attributes:
        logits: (R, C).
        embeddings: (R, E) what the last layer reads, for penalties and diagnostics; None where it reads the
            features themselves.
        extra: further tensors by name that `objective` uses.
    """

    logits: Tensor
    embeddings: Tensor | None = None
    extra: dict[str, Tensor] = {}  # noqa: RUF012 - never written to


@dataclass(frozen=True, eq=False)
class Batch:
    """A training batch of B items in V views.

    Attributes:
        x: (V * B, D) features, view-major: rows 0 to B - 1 are the first view.
        targets: of the V * B rows.
        weights: (V * B,) float32 of the items; 0 where a row is not real or not labelled.
        index: (V * B,) int64 rows of the training set.
        real: (V * B,) bool; False for rows that only complete the last batch of an epoch.
        labelled: (V * B,) bool, real rows of items with a label (with multi-labels, with a known entry).
        views: V.
    """

    x: Tensor
    targets: Targets
    weights: Tensor
    index: Tensor
    real: Tensor
    labelled: Tensor
    views: int = 1

    def view(self, rows: Tensor, number: int) -> Tensor:
        """Return the B rows of one view from (V * B, ...)."""
        size = rows.shape[0] // self.views
        return rows[number * size : (number + 1) * size]


@dataclass(frozen=True, eq=False)
class Fit:
    """What an objective sees of its trial besides the batch. Tensors only, so that trials stack.

    Attributes:
        c: the config fields named in `HeadMethod.constants`, as 0-d float32 tensors.
        prepared: what `HeadMethod.prepare` returned.
        prior: (C,) float32 weighted counts of the training classes.
        progress: 0-d float32, share of steps done.
        loss: ``loss(out, batch) -> 0-d``: the recipe's loss, reduced with the batch's weights.
        forward: ``forward(x) -> Outputs``: the head again, on any rows x (R, D), with gradient and in
            training mode: dropout draws anew, and batch normalisation notes these rows, too.
    """

    c: Mapping[str, Tensor]
    prepared: Mapping[str, Tensor]
    prior: Tensor
    progress: Tensor
    loss: Callable[[Outputs, Batch], Tensor]
    forward: Callable[[Tensor], Outputs]


class Term(NamedTuple):
    """One term of an objective: it is minimised as ``weight * value``."""

    name: str
    weight: float | Tensor
    value: Tensor


@dataclass(frozen=True, eq=False)
class TrainingData:
    """All training items of one trial, for `prepare` and `solve`: any code, outside the stack.

    Attributes:
        x: (n, V, D) float32 on the run's device.
        targets: of the n items.
        weights: (n,) float32; 0 for items without a label.
        classes: the classes.
        prior: (C,) float32 weighted counts.
        generator: a numpy Generator of the replicate.
    """

    x: Tensor
    targets: Targets
    weights: Tensor
    classes: Classes
    prior: Tensor
    generator: Any


class HeadMethod(Generic[ConfigT]):
    """What the author of a head writes; `burnish.blocks.HeadTuner` adds `fit` and `restore`.

    Args:
        config: the tuner's options. Where it is a `burnish.HeadConfig`, its optimiser, schedule, epochs and
            batch are used; a closed form (`solve`) needs none of them.
    """

    constants: ClassVar[tuple[str, ...]] = ()
    """Config fields, numbers, that may differ inside a stack.

    `objective` reads them from ``fit.c``, never from the config.
    """

    uses_loss: ClassVar[bool] = True
    """False where the recipe's loss plays no part; the descriptor then provides ``own-loss``."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @property
    def views(self) -> int:
        """Views of each training item the objective wants (as the descriptor's `views` says)."""
        return 1

    def build(self, dim: int, classes: int) -> nn.Module:
        """Return a fresh module: forward maps (R, D) to logits (R, C) or to `Outputs`.

        Called under the trial's init seed.

        The module is stacked with those of other trials, so: every tensor it holds is a parameter or a
        registered buffer; random layers are `burnish.blocks.Dropout`, not `torch.nn.Dropout`; batch
        normalisation has a momentum. It is also built without storage, under ``torch.device("meta")``, to
        check a saved state: no number that is drawn or computed here may decide about its shape.
        """
        raise NotImplementedError

    def prepare(self, data: TrainingData) -> dict[str, Tensor]:
        """Return tensors computed once a trial from its training items.

        Shapes must not depend on the labels.
        """
        return {}

    def objective(self, out: Outputs, batch: Batch, fit: Fit) -> list[Term]:
        """Return the terms to minimise, in pure tensor code without branching on data.

        By default the recipe's loss alone.
        """
        return [Term("loss", 1.0, fit.loss(out, batch))]

    def solve(self, data: TrainingData) -> dict[str, Tensor] | None:
        """Return the whole state of the built module in closed form, or None to train it."""
        return None


@dataclass(frozen=True, eq=False)
class HeadJob:
    """One trial as the stacked trainer sees it.

    Attributes:
        tuner: the tuner.
        loss: the recipe's loss object; None where the tuner has its own.
        features: (N, V, D) float32 array or memory map of the whole data set; equal objects are shared
            between trials.
        rows: (n,) int64 rows of `features` to train on.
        targets: numpy arrays of the n rows: ``{"hard": (n,) int64}`` with -1 for unknown, ``{"soft": (n,
            C)}`` or ``{"multi": (n, C), "observed": (n, C)}`` float32.
        weights: (n,) float32.
        classes: the classes.
        seed: seed of initialisation.
        order: seed of the batch order: trials of one replicate share it.
        generator: a numpy Generator for `prepare` and `solve`.
    """

    tuner: HeadMethod[Any]
    loss: Any
    features: NDArray[Any]
    rows: NDArray[Any]
    targets: Mapping[str, NDArray[Any]]
    weights: NDArray[Any]
    classes: Classes
    seed: int
    order: int
    generator: Any


def as_outputs(value: Tensor | Outputs) -> Outputs:
    """Return what a module's forward gave as `Outputs`."""
    return value if isinstance(value, Outputs) else Outputs(value)


def head_config(tuner: HeadMethod[Any]) -> HeadConfig:
    """Return the tuner's optimiser options; the defaults where its config is no `HeadConfig`."""
    return tuner.config if isinstance(tuner.config, HeadConfig) else HeadConfig()


__all__ = [
    "Batch",
    "Fit",
    "HeadJob",
    "HeadMethod",
    "LossInput",
    "LossValue",
    "Outputs",
    "Term",
    "TrainingData",
    "as_outputs",
    "head_config",
]
