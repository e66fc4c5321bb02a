"""Backbones: frozen pre-trained models, as small capability protocols.

Every backbone that makes features is an `Encodes`. What more a backbone can do is a protocol of its own in
`burnish.contracts.towers` (a text tower, prompts composed of embeddings, modules on loan) and
in `burnish.contracts.language` (generation, likelihood). Which of them a backbone offers is said by the words
its descriptor provides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.data import Classes, Dataset, Item, Labels

Prepared = Mapping[str, "NDArray[Any]"]
"""Prepared inputs of B items: arrays with leading dimension B, ready to be moved to the device."""


@dataclass(frozen=True)
class Runtime:
    """Where and how a backbone runs.

    Attributes:
        device: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.
        dtype: ``"float32"`` or ``"bfloat16"``, the numeric mode of extraction; features always leave as
            float32.
        offline: never ask a hub.
    """

    device: str = "cpu"
    dtype: str = "float32"
    offline: bool = False


@dataclass(frozen=True)
class View:
    """How an item is looked at.

    Attributes:
        number: None for the evaluation view (no randomness); k >= 0 for the k-th augmented view.
        replicate: None for a fixed view, which is the same in every replicate and can be cached; else the
            replicate that draws it, for views that a tuner makes anew while it trains.
    """

    number: int | None = None
    replicate: int | None = None

    def seeds(self, ids: NDArray[Any]) -> NDArray[Any]:
        """Return one seed an item, (B,) uint64, from content id, view number and replicate.

        Independent of workers, batches and order.
        """
        import numpy as np

        from burnish.data.content import uniforms

        if self.number is None:
            raise ValueError("the evaluation view has no randomness")
        what = (
            ("view", self.number) if self.replicate is None else ("online view", self.replicate, self.number)
        )
        return (uniforms(ids, *what)[:, 0] * 2.0**53).astype(np.uint64)


class Encodes(Protocol):
    """Turns items into pooled features."""

    dim: int
    """Width D of the features."""

    modality: str
    """What it reads: ``"image"``, ``"text"`` or ``"features"``."""

    views: bool
    """Whether `prepare` can make augmented views."""

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Decode and preprocess B items exactly as the model was trained.

        Called from several threads at once.

        Args:
            items: B items with their payloads.
            view: the view to make.
            ids: (B, 32) uint8 content ids, the only source of randomness (`View.seeds`).

        Raises:
            burnish.errors.ItemError: an item cannot be decoded.
        """

    def encode(self, inputs: Prepared) -> Tensor:
        """Return (B, D) float32 features in evaluation mode without gradient, on the runtime's device.

        The result for an item must not depend on the other items of the batch. On a CPU it is called from
        several threads at once, each with its share of the cores: a module in evaluation mode that changes no
        attribute can be.
        """


@dataclass(frozen=True)
class PretrainTask:
    """What `burnish pretrain` hands to a pretrainer.

    Attributes:
        dataset: the items.
        index: (N,) int64 positions to train on, ascending.
        labels: supervision of the whole data set as corrupted.
        classes: the classes.
        seed: the pre-training seed.
        out: folder to write weights, provenance and checkpoints to.
        runtime: device and numeric mode.
        provenance: what to write beside the weights: data, its fingerprint, noise, realised rate, command,
            versions.
        progress: called with (epochs done, epochs in all, one line).
    """

    dataset: Dataset
    index: NDArray[Any]
    labels: Labels
    classes: Classes
    seed: int
    out: Path
    runtime: Runtime
    provenance: Mapping[str, Any]
    progress: Callable[[int, int, str], None]


class Pretrainer(Protocol):
    """Pre-trains a backbone from scratch.

    Resumable: a killed run continues from its last epoch to the same weights.
    """

    def pretrain(self, task: PretrainTask) -> Path:
        """Train, and return the folder that the backbone's config can name."""
