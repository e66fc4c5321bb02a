"""Pre-training a backbone from scratch on a source whose labels may be corrupted first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.config import from_options
from burnish.contracts.backbone import PretrainTask, Runtime
from burnish.data import Dataset, Labels, Split
from burnish.data.checks import require_usable
from burnish.engine.environment import environment
from burnish.engine.folder import locked
from burnish.engine.jobs.corrupt import Corrupted, corrupt
from burnish.engine.jobs.splits import Splits
from burnish.engine.parts import component_of, make
from burnish.errors import DataError, ItemError
from burnish.numeric import verify
from burnish.plan import Numeric, Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.backbone import Pretrainer
    from burnish.engine.progress import Display
    from burnish.manager import Component, Manager


@dataclass(frozen=True)
class Pretraining:
    """What is to be pre-trained.

    Attributes:
        component: the backbone.
        options: of its pre-training, JSON values.
        data: the source.
        noise: corruptors, applied in order.
        seed: of the pre-training; it also draws which labels are wrong.
        out: folder of the weights.
        numeric: device and threads.
        command: the command line that repeats it.
        offline: no hub is asked.
    """

    component: Component
    options: Mapping[str, Any]
    data: Part
    noise: Sequence[Part]
    seed: int
    out: Path
    numeric: Numeric
    command: str = ""
    offline: bool = False


def pretrain(wanted: Pretraining, manager: Manager, progress: Display) -> Path:
    """Pre-train, or go on with what was begun in the folder, and return the folder.

    Every trainable item is trained on; validation and test items that the source fixes are not, and no
    further ones are drawn.

    Raises:
        DataError: the data cannot be used, or its targets are no labels.
        StoreError: another process works in the folder, or it holds another training.
        FitError: the loss became NaN or infinite.
    """
    verify(wanted.numeric)
    dataset: Dataset = make(wanted.data, manager).load()
    require_usable(dataset)
    noisy = corrupted(dataset, [(part.name, make(part, manager)) for part in wanted.noise], wanted.seed)
    labels, index = noisy.supervision, noisy.splits.splits["train"].index
    if not isinstance(labels, Labels):
        raise DataError(
            f"the targets are {labels.word}", where=dataset.name, possible="labels, one class an item"
        )
    task = PretrainTask(
        dataset=dataset,
        index=index,
        labels=labels,
        classes=dataset.classes,
        seed=wanted.seed,
        out=wanted.out,
        runtime=Runtime(wanted.numeric.device, wanted.numeric.dtype, wanted.offline),
        provenance=_provenance(wanted, manager, dataset, index, noisy.rates.get("train", 0.0)),
        progress=lambda done, total, line: progress.say(line),
    )
    descriptor = wanted.component.descriptor
    pretrainer: Pretrainer = manager.resolve(wanted.component, descriptor.pretrain)(
        from_options(descriptor.pretrain_config, wanted.options)
    )
    try:
        with locked(wanted.out):
            return pretrainer.pretrain(task)
    except ItemError as error:
        where = error.origin or (dataset.origin(error.position) if error.position >= 0 else dataset.name)
        raise DataError(error.reason, where=where, todo="Mend or remove it") from error


def corrupted(dataset: Dataset, corruptors: Sequence[tuple[str, Any]], seed: int) -> Corrupted:
    """Return the trainable items with their labels after noise.

    The seed stands where a study has its replicate.

    Args:
        dataset: the data set.
        corruptors: (component name, corruptor) pairs.
        seed: of the draw.

    Raises:
        DataError: nothing is trainable, or a corruptor does not fit the targets.
    """
    index = trainable(dataset)
    if not len(index):
        raise DataError(
            "no item is trainable",
            where=dataset.name,
            todo="Leave items for training out of its test and validation sets",
        )
    return corrupt(dataset, Splits({"train": Split("train", index)}), corruptors, seed)


def trainable(dataset: Dataset) -> NDArray[np.int64]:
    """Return (M,) int64 ascending positions that the source calls trainable.

    Those of no split where it names none ``train``.
    """
    if "train" in dataset.assigned:
        return np.sort(dataset.assigned["train"])
    taken = np.concatenate([*dataset.assigned.values(), np.empty(0, dtype=np.int64)])
    return np.setdiff1d(np.arange(len(dataset), dtype=np.int64), taken)


def _provenance(
    wanted: Pretraining, manager: Manager, dataset: Dataset, index: NDArray[np.int64], rate: float
) -> dict[str, Any]:
    parts = [wanted.data, *wanted.noise]
    plugins = {
        c.plugin.distribution or c.plugin.name: c.plugin.version
        for c in (wanted.component, *(component_of(p, manager) for p in parts))
    }
    return {
        "backbone": wanted.component.full_name,
        "options": dict(wanted.options),
        "data": {
            "text": wanted.data.text,
            "name": dataset.name,
            "items": len(dataset),
            "trained_on": len(index),
            "fingerprint": dataset.fingerprint(),
            "files": wanted.data.fingerprint,
        },
        "noise": [part.text for part in wanted.noise],
        "realised_noise": rate,
        "seed": wanted.seed,
        "command": wanted.command,
        "numeric": wanted.numeric.record(),
        "environment": environment(wanted.numeric),
        "plugins": dict(sorted(plugins.items())),
    }
