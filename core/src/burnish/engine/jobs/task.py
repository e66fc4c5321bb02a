"""What a component that trains is given: a task without a test set and without truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
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


class RowReads(Reads):
    """How a row's components read its items (`burnish.contracts.tuner.Reads`).

    The data set stays in closures: it has the clean labels and the places of files, and none of them can be
    reached from a task by its attributes.

    Args:
        dataset: the items.
        part: the row's backbone.
        backbones: gives it.
        tables: features of the items; None where the row has none.
    """

    def __init__(self, dataset: Dataset, part: Part, backbones: Backbones, tables: Tables | None) -> None:
        def inputs(index: NDArray[Any], replicate: int) -> SplitInputs:
            return SplitItems(dataset, index, backbones.lend(part), replicate)

        def ask(index: NDArray[Any], prompts: Any, decoding: Decoding, seed: int) -> NDArray[Any]:
            return backbones.ask(part, prompts, decoding, item_seeds(dataset.ids[index], seed))

        self._inputs, self._ask = inputs, ask
        self._texts: Callable[[NDArray[Any]], list[str]] = lambda index: texts_at(dataset, index)
        self._backbone: Callable[[], Any] = partial(backbones.lend, part)
        self._scale: Callable[[], float | None] = partial(backbones.logit_scale, part)
        self._embed: Callable[..., NDArray[Any]] = partial(backbones.class_embeddings, part)
        self._tables, self._part = tables, part

    def features(self, training: bool) -> NDArray[Any]:
        """Return (N, V, D) float32 of the training views, or (N, 1, D) of the evaluation view."""
        if self._tables is None:
            what = f"a component asks for features of {self._part.text}, which has none to give"
            todo = "Take a backbone that provides features, and declare needs={'features'}"
            raise RecipeError(what, where="backbone", todo=todo)
        return self._tables.training if training else self._tables.evaluation[:, None, :]

    def backbone(self) -> Any:
        """Return the backbone, on loan."""
        return self._backbone()

    def inputs(self, index: NDArray[Any], replicate: int) -> SplitInputs:
        """Return the items at positions `index`, prepared when they are asked for."""
        return self._inputs(index, replicate)

    def texts(self, index: NDArray[Any]) -> list[str]:
        """Return the items at positions `index` as texts."""
        return self._texts(index)

    def class_embeddings(self, classes: Classes, templates: Sequence[str]) -> NDArray[Any]:
        """Return (P, C, D) float32 text features of class names."""
        return self._embed(classes, templates)

    def logit_scale(self) -> float | None:
        """Return what the backbone multiplies cosine similarities with."""
        return self._scale()

    def ask(
        self, index: NDArray[Any], prompts: Sequence[Sequence[str]], decoding: Decoding, seed: int
    ) -> NDArray[Any]:
        """Return (M, P) answers about the items at positions `index`."""
        return self._ask(index, prompts, decoding, seed)


class SplitItems:
    """The items of a split, read and prepared when asked for (`burnish.contracts.tuner.SplitInputs`)."""

    def __init__(self, dataset: Dataset, index: NDArray[np.int64], backbone: Encodes, replicate: int) -> None:
        def prepared(rows: NDArray[Any], draw: int | None) -> Prepared:
            positions = index[rows]
            view = View() if draw is None else View(draw, replicate)
            return backbone.prepare(list(dataset.items(positions)), view, dataset.ids[positions])

        self._size, self._prepared = len(index), prepared

    def __len__(self) -> int:
        return self._size

    def prepared(self, rows: NDArray[Any], draw: int | None = None) -> Prepared:
        """Return prepared inputs of items of the split."""
        return self._prepared(rows, draw)


def task(
    reads: Reads,
    shown: Shown,
    groups: Mapping[str, NDArray[Any]],
    replicate: int,
    run: Run,
    role: str = "fit",
    loss: Loss | None = None,
) -> Task:
    """Return a task.

    Args:
        reads: how the items are read.
        shown: splits and supervision.
        groups: further columns of the items.
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
        groups=dict(groups),
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
