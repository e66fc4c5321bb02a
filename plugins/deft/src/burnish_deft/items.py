"""The items that an assessor trains on and judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from burnish.data import Classes, Labels
from burnish.errors import DataError, FitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.noise import Evidence
    from burnish.contracts.tuner import Task


@dataclass(frozen=True, eq=False)
class Judged:
    """The n training items that have a label.

    Attributes:
        index: (n,) int64 positions in the data set.
        rows: (n,) int64 places in the train split.
        y: (n,) int64 labels as columns of `classes`.
        weights: (n,) float32.
        columns: (C,) int64 which of the data's classes have training items; no item is a candidate for
            another.
        classes: these C.
    """

    index: NDArray[np.int64]
    rows: NDArray[np.int64]
    y: NDArray[np.int64]
    weights: NDArray[np.float32]
    columns: NDArray[np.int64]
    classes: Classes

    def tensors(self, device: torch.device | str) -> tuple[Tensor, Tensor]:
        """Return labels and weights on a device."""
        return torch.as_tensor(self.y, device=device), torch.as_tensor(self.weights, device=device)


def task_of(evidence: Evidence, where: str) -> Task:
    """Return the task of evidence.

    Raises:
        DataError: there is none.
    """
    if evidence.task is None:
        raise DataError(
            "the evidence has no task, and this assessor needs a backbone",
            where=where,
            todo="Assess through a recipe",
        )
    return evidence.task


def judged(task: Task, where: str) -> Judged:
    """Return the labelled training items of a task.

    Raises:
        DataError: the targets are no labels, or the data has one class.
        FitError: no label of this replicate is known, or all are of one class.
    """
    index = task.splits["train"].index
    supervision = task.supervision.take(index)
    if not isinstance(supervision, Labels):
        raise DataError(
            f"the targets are {supervision.word}", where=where, possible="labels, one class an item"
        )
    rows = np.flatnonzero(supervision.known)
    if not len(rows):
        raise FitError("no training item has a label", where=where)
    y = supervision.y[rows]
    columns = np.flatnonzero(task.classes.known | np.isin(np.arange(len(task.classes)), y))
    if len(columns) < 2:
        kind = DataError if len(task.classes) < 2 else FitError  # data of one class fail in every replicate
        raise kind(
            "the training items have one class alone, and a label can only be wrong beside another",
            where=where,
        )
    weights = (
        np.ones(len(rows), dtype=np.float32) if supervision.weights is None else supervision.weights[rows]
    )
    return Judged(
        index[rows], rows, np.searchsorted(columns, y), weights, columns, task.classes.subset(columns)
    )
