"""LIFT: long-tail learning with a foundation model, where heavy fine-tuning hurts (arXiv:2309.10019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from burnish.blocks import (
    Lease,
    ModuleBatch,
    class_prior,
    ensemble,
    prepared_batches,
    target_arrays,
    train_module,
)
from burnish.blocks.adapters import require_reached
from burnish.data import Labels
from burnish.errors import FitError, ModelFileError, PluginError
from burnish_lift import LiftConfig
from burnish_lift.classifier import Cosine, Linear, from_class_means, from_text, random_directions
from burnish_lift.losses import LongTailLoss
from burnish_lift.parts import put_parts
from burnish_lift.predictor import LiftPredictor, restored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.backbone import Prepared
    from burnish.contracts.tuner import Task
    from burnish.data import Classes

_WHERE: Final = "tuner lift"


class Lift:
    """Trains small parts inside the visual tower together with a cosine classifier.

    The classifier begins as the text tower's view of the class names.

    Args:
        config: the options.
    """

    def __init__(self, config: LiftConfig) -> None:
        self.config = config

    def fit(self, task: Task) -> LiftPredictor:
        """Train on the training items that have a label; their augmented views are new in every epoch.

        Raises:
            FitError: no training item has a label, an item may have several, the loss became NaN, or the
                tower has no place for the parts.
        """
        rows, y, weights, counts = _training_items(task)
        backbone, items, device = task.backbone(), task.inputs("train"), torch.device(task.run.device)
        labels, importance = torch.from_numpy(y).to(device), torch.from_numpy(weights)
        generator = torch.Generator().manual_seed(task.seed)
        start = _start(self.config, backbone, task.classes)
        weight = self._first_weights(start, task, rows, labels, importance.to(device), generator)
        loss = LongTailLoss(
            self.config.loss, torch.from_numpy(counts).to(device), tau=self.config.tau, scale=self._scale
        )
        importance = importance * loss.class_weights.cpu()[y]
        on_device = importance.to(device)
        with Lease(backbone.module) as lease:
            put_parts(lease, backbone.sites, self.config, len(task.classes), generator)
            head = (Cosine(weight, self.config.scale) if self.config.head == "cosine" else Linear(weight)).to(
                device
            )
            require_reached(lease, self._tried(backbone, items.prepared(rows[:1])))
            lease.add("head", head)

            def objective(batch: ModuleBatch) -> Tensor:
                at = torch.from_numpy(batch.at).to(device)
                values = loss.values(head(backbone.forward(batch.inputs, projected=False)), labels[at])
                return (on_device[at] * values).sum() / on_device[at].sum()

            at_once = train_module(
                lease.parameters().values(),
                items,
                rows,
                self.config,
                objective,
                order=int(task.generator("order").integers(2**63)),
                run=task.run,
                views=bool(backbone.views),
                where=_WHERE,
                weights=importance,
                at_once=self.config.at_once or 0,
            )
            state = lease.state()
        return LiftPredictor(state, {"start": start, "at once": at_once}, self.config, task.classes)

    def _tried(self, backbone: Any, inputs: Prepared) -> Tensor:
        """Return features of the model with its parts in.

        Raises:
            FitError: it does not run with them, as where positions are rotary and prompts have none.
        """
        try:
            features: Tensor = backbone.forward(inputs, projected=False)
        except torch.OutOfMemoryError as error:
            raise FitError(
                "the device has too little memory for a single item",
                where=_WHERE,
                todo="Take a smaller backbone",
            ) from error
        except RuntimeError as error:
            what = f"the model does not run with adapter={self.config.adapter}: {str(error).splitlines()[0]}"
            raise FitError(what, where=_WHERE, todo="Use another kind of adapter") from error
        return features

    @property
    def _scale(self) -> float:
        return self.config.scale if self.config.head == "cosine" else 1.0

    def _first_weights(
        self,
        start: str,
        task: Task,
        rows: NDArray[np.int64],
        labels: Tensor,
        weights: Tensor,
        generator: torch.Generator,
    ) -> Tensor:
        """Return W0 (C, w) on the task's device."""
        backbone, count = task.backbone(), len(task.classes)
        if start == "text":
            return from_text(ensemble(task.class_embeddings(self.config.templates)), backbone.projection)
        if start == "class-mean":
            return from_class_means(self._frozen(task, rows), labels, weights, count, generator)
        return random_directions(count, self._frozen(task, rows[:1]).shape[1], generator).to(task.run.device)

    def _frozen(self, task: Task, rows: NDArray[np.int64]) -> Tensor:
        """Return features before the projection (n, w) of training items, as the frozen model gives them."""
        size = self.config.at_once or self.config.batch
        places = [np.arange(start, min(start + size, len(rows))) for start in range(0, len(rows), size)]
        try:
            with torch.no_grad():
                batches = prepared_batches(task.inputs("train"), rows, places)
                return torch.cat([task.backbone().forward(inputs, projected=False) for _, inputs in batches])
        except torch.OutOfMemoryError as error:
            raise FitError(
                f"the device has too little memory for {size} items",
                where=_WHERE,
                todo=f"Give at_once={max(size // 4, 1)}",
            ) from error

    def restore(
        self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> LiftPredictor:
        """Return the predictor with this state.

        Raises:
            burnish.errors.ModelFileError: it does not fit.
        """
        return restored(state, info, self.config, classes)


def _training_items(
    task: Task,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """Return the training rows that count, their labels and weights (n,), and the classes' counts (C,)."""
    if not isinstance(task.supervision, Labels):
        raise FitError(
            f"it compares classes, and cannot be trained on {task.supervision.word}",
            where=_WHERE,
            possible="labels",
        )
    targets, weights = target_arrays(task.supervision.take(task.splits["train"].index), len(task.classes))
    rows = np.flatnonzero(weights > 0).astype(np.int64)
    if not len(rows):
        raise FitError("no training item has a label", where=_WHERE)
    return rows, targets["hard"][rows], weights[rows], class_prior(targets, weights, len(task.classes))


def _without_text(backbone: Any) -> str:
    """Return why a backbone has no text tower to use, empty where it has one.

    One whose tokenizer is not there says so when it is asked for.
    """
    try:
        there = hasattr(backbone, "text_tower") and hasattr(backbone, "projection")
    except (PluginError, ModelFileError) as error:
        return f"the backbone's text tower cannot be used: {error.what}"
    return "" if there else "the backbone has no text tower to make the classifier of"


def _start(config: LiftConfig, backbone: Any, classes: Classes) -> str:
    """Return what the classifier is made from: ``"text"``, ``"class-mean"`` or ``"random"``.

    Raises:
        FitError: text is asked for, and the backbone has no text tower.
    """
    if config.start == "auto":
        return "text" if classes.named and not _without_text(backbone) else "class-mean"
    if config.start == "text" and (why := _without_text(backbone)):
        todo = "Give start=class-mean, or a backbone with a text tower"
        raise FitError(why, where=_WHERE, todo=todo)
    return config.start
