"""What a component that trains is given: a task without a test set and without truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.backbone import Encodes, Prepared, View
from burnish.contracts.tuner import Reads, Run, Task
from burnish.data import Classes, Dataset
from burnish.engine.answers.answers import item_seeds
from burnish.engine.backbones import Backbones
from burnish.engine.jobs.shown import Shown
from burnish.errors import DataError, RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.language import Decoding
    from burnish.contracts.loss import Loss
    from burnish.contracts.tuner import SplitInputs
    from burnish.engine.jobs.features import Tables
    from burnish.plan import Part


@dataclass(frozen=True, eq=False)
class RowReads(Reads):
    """How a row's components read its items (`burnish.contracts.tuner.Reads`).

    Attributes:
        dataset: the items.
        backbone_part: the row's backbone.
        backbones: gives it.
        tables: features of the items; None where the row has none.
    """

    dataset: Dataset
    backbone_part: Part
    backbones: Backbones
    tables: Tables | None

    def features(self, training: bool) -> NDArray[Any]:
        """Return (N, V, D) float32 of the training views, or (N, 1, D) of the evaluation view."""
        if self.tables is None:
            what = f"a component asks for features of {self.backbone_part.text}, which has none to give"
            todo = "Take a backbone that provides features, and declare needs={'features'}"
            raise RecipeError(what, where="backbone", todo=todo)
        return self.tables.training if training else self.tables.evaluation[:, None, :]

    def backbone(self) -> Any:
        """Return the backbone, on loan."""
        return self.backbones.lend(self.backbone_part)

    def inputs(self, index: NDArray[Any], replicate: int) -> SplitInputs:
        """Return the items at positions `index`, prepared when they are asked for."""
        return SplitItems(self.dataset, index, self.backbone(), replicate)

    def texts(self, index: NDArray[Any]) -> list[str]:
        """Return the items at positions `index` as texts."""
        return texts_at(self.dataset, index)

    def class_embeddings(self, classes: Classes, templates: Sequence[str]) -> NDArray[Any]:
        """Return (P, C, D) float32 text features of class names."""
        return self.backbones.class_embeddings(self.backbone_part, classes, templates)

    def logit_scale(self) -> float | None:
        """Return what the backbone multiplies cosine similarities with."""
        return self.backbones.logit_scale(self.backbone_part)

    def ask(
        self, index: NDArray[Any], prompts: Sequence[Sequence[str]], decoding: Decoding, seed: int
    ) -> NDArray[Any]:
        """Return (M, P) answers about the items at positions `index`."""
        seeds = item_seeds(self.dataset.ids[index], seed)
        return self.backbones.ask(self.backbone_part, prompts, decoding, seeds)


@dataclass(frozen=True, eq=False)
class SplitItems:
    """The items of a split, read and prepared when asked for (`burnish.contracts.tuner.SplitInputs`)."""

    dataset: Dataset
    index: NDArray[np.int64]
    backbone: Encodes
    replicate: int

    def __len__(self) -> int:
        return len(self.index)

    def prepared(self, rows: NDArray[Any], draw: int | None = None) -> Prepared:
        """Return prepared inputs of items of the split."""
        positions = self.index[rows]
        view = View() if draw is None else View(draw, self.replicate)
        return self.backbone.prepare(list(self.dataset.items(positions)), view, self.dataset.ids[positions])


def task(
    reads: RowReads, shown: Shown, replicate: int, run: Run, role: str = "fit", loss: Loss | None = None
) -> Task:
    """Return a task.

    Args:
        reads: how the items are read.
        shown: splits and supervision.
        replicate: whose randomness.
        run: device and progress.
        role: who is asking, ``"fit"`` or ``"assess"``: its randomness is its own.
        loss: the recipe's loss.
    """
    tests = [split.index for split in shown.splits.values() if split.role == "test"]
    hidden = np.concatenate([*tests, np.empty(0, dtype=np.int64)])
    return Task(
        classes=shown.classes,
        splits={name: split for name, split in shown.splits.items() if split.role != "test"},
        supervision=shown.supervision.hide(hidden),
        assessment=shown.assessment,
        loss=loss,
        groups=dict(reads.dataset.columns),
        reads=reads,
        replicate=replicate,
        role=role,
        run=run,
    )


def texts_at(dataset: Dataset, positions: NDArray[np.int64]) -> list[str]:
    """Return the items at `positions` as texts.

    Raises:
        DataError: the items are no texts, or one cannot be read.
    """
    if dataset.modality != "text":
        raise DataError(
            f"the items are {dataset.modality}, and prompts are made of texts", where=dataset.name
        )
    return [str(item.payload) for item in dataset.items(positions)]
