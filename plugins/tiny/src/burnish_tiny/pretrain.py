"""`burnish pretrain tiny`: from any images and labels to a folder that ``tiny:weights=DIR`` names."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from burnish.data import Labels
from burnish.errors import DataError, StoreError
from burnish.files import write_json
from burnish_tiny.files import load_network, save_network
from burnish_tiny.inputs import prepare_images
from burnish_tiny.network import SIDE
from burnish_tiny.training import Epoch, Pretrained, Schedule, accuracy, fit, training_key
from burnish_tiny.weights import PROVENANCE, WEIGHTS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import PretrainTask
    from burnish.data import Dataset
    from burnish_tiny import PretrainConfig

_CHUNK = 256


class Pretrain:
    """Supervised pre-training of the tiny network (`burnish.contracts.backbone.Pretrainer`).

    Args:
        config: length and step sizes.
    """

    def __init__(self, config: PretrainConfig) -> None:
        self._schedule = Schedule(**asdict(config))

    def pretrain(self, task: PretrainTask) -> Path:
        """Train, and write ``weights.safetensors`` and ``provenance.json``.

        A killed run goes on from its last epoch; a finished one is not run again.

        All images are held in memory at 32 x 32 (3 KB each). Items without a label are left out.

        Args:
            task: data, corrupted labels, seed and folder.

        Returns:
            The folder.

        Raises:
            burnish.errors.MachineError: the folder cannot be written.
            burnish.errors.DataError: the items are no images, or fewer than two items or classes have labels.
            burnish.errors.FitError: the loss became NaN or infinite.
            burnish.errors.StoreError: the folder holds weights or the state of another training.
        """
        index = _usable(task)
        images, labels = _images(task.dataset, index), torch.from_numpy(task.labels.y[index])
        key = training_key(images, labels, len(task.classes), task.seed, self._schedule, task.runtime.device)
        if _finished(task.out, key):
            return task.out
        checkpoint = task.out / "checkpoint"
        result = fit(
            images,
            labels,
            len(task.classes),
            seed=task.seed,
            schedule=self._schedule,
            device=task.runtime.device,
            checkpoint=checkpoint,
            progress=lambda epoch: task.progress(epoch.number, self._schedule.epochs, _line(epoch)),
        )
        weights = task.out / WEIGHTS
        save_network(result.network, weights)
        write_json(
            task.out / PROVENANCE,
            dict(task.provenance) | self._findings(task, result, weights, len(index)) | {"training_key": key},
        )
        shutil.rmtree(checkpoint)
        return task.out

    def _findings(self, task: PretrainTask, result: Pretrained, weights: Path, items: int) -> dict[str, Any]:
        """Return what is known of the weights now, test accuracies of the weights as written among it."""
        head = copy.deepcopy(result.head).cpu()
        network = load_network(weights)
        tests = {
            name: index for name, index in task.dataset.assigned.items() if name.partition(":")[0] == "test"
        }
        targets = task.dataset.supervision
        accuracies = {}
        if isinstance(targets, Labels):
            for name, index in tests.items():
                known = index[targets.y[index] >= 0]
                accuracies[name] = accuracy(
                    network, head, _images(task.dataset, known), torch.from_numpy(targets.y[known])
                )
        return {
            "weights": {"file": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()},
            "items": items,
            "seed": task.seed,
            "schedule": asdict(self._schedule),
            "device": task.runtime.device,
            "threads": torch.get_num_threads(),
            "accuracy": accuracies,
            "final_loss_nats": result.history[-1].loss,
            "minutes": round(sum(epoch.seconds for epoch in result.history) / 60, 2),
        }


def _finished(folder: Path, key: str) -> bool:
    """Return whether the folder holds the finished weights of this training; raise where it holds others."""
    try:
        provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        same = bool(provenance["training_key"] == key)
        whole = bool(
            provenance["weights"]["sha256"] == hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
        )
    except FileNotFoundError:
        return False
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(
            f"the folder is damaged: {error!r}", where=str(folder), todo="Choose another folder, or delete it"
        ) from error
    if not same:
        raise StoreError(
            "here are weights of a training with other images, labels or settings",
            where=str(folder),
            todo="Choose another folder",
        )
    return whole


def _usable(task: PretrainTask) -> NDArray[np.int64]:
    """Return the positions that have a label."""
    if task.dataset.modality != "image":
        raise DataError(f"the items are {task.dataset.modality}", where=task.dataset.name, possible="image")
    index: NDArray[np.int64] = task.index[task.labels.y[task.index] >= 0]
    if len(index) < 2 or len(np.unique(task.labels.y[index])) < 2:
        raise DataError(
            "fewer than two items or classes have labels",
            where=task.dataset.name,
            todo="Pre-training needs labelled images of two classes",
        )
    return index


def _images(dataset: Dataset, index: NDArray[np.int64]) -> Tensor:
    """Return the images at `index` as uint8 (N, 32, 32, 3)."""
    images = np.empty((len(index), SIDE, SIDE, 3), dtype=np.uint8)
    for at in range(0, len(index), _CHUNK):
        images[at : at + _CHUNK] = prepare_images(list(dataset.items(index[at : at + _CHUNK])))
    return torch.from_numpy(images)


def _line(epoch: Epoch) -> str:
    return f"epoch {epoch.number}: loss {epoch.loss:.3f} nats, {epoch.seconds:.1f} s"
