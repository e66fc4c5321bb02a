"""The assessor `small-loss`.

The same prompts, trained on the items of small loss, as a baseline (Han et al. 2018, arXiv:1804.06872, one
model).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from burnish.blocks import weighted_mean
from burnish.contracts.noise import Assessment, Evidence
from burnish_deft import SmallLossConfig
from burnish_deft import objective as o
from burnish_deft.items import judged, task_of
from burnish_deft.prompted import Prompted, prompting

if TYPE_CHECKING:
    from burnish.blocks import ModuleBatch

_WHERE = "assess small-loss"


class SmallLoss:
    """Trains positive and visual prompts on the smaller losses of each batch.

    It keeps the items of smallest loss in the end.

    How many it keeps follows from the share of wrong labels, which is an option: the method has no view of
    its own on it.
    """

    def __init__(self, config: SmallLossConfig) -> None:
        self.config = config

    def assess(self, evidence: Evidence) -> Assessment:
        """Return the assessment on the labelled training items.

        `clean_probability` is the softmax of z+ at the label.

        Raises:
            burnish.errors.DataError: there is no task, the targets are no labels, the data has one class, or
                classes have no names or too long ones.
            burnish.errors.FitError: no label is known, or all are of one class; the image tower takes no
                prompts; or the training broke off.
        """
        task = task_of(evidence, _WHERE)
        items = judged(task, _WHERE)
        y, weights = items.tensors(task.run.device)
        with prompting(task, items, self.config, ("positive",), _WHERE) as prompted:
            prompted.train(lambda batch: self._loss(prompted, batch, y, weights))
            losses = _plain_losses(prompted, y).cpu()
        kept = o.small_losses(losses, 1 - self.config.rate).numpy()
        return Assessment(items.index, np.exp(-losses.numpy()).astype(np.float32), kept)

    def _loss(self, prompted: Prompted, batch: ModuleBatch, y: Tensor, weights: Tensor) -> Tensor:
        """Return the mean cross-entropy of the items of a batch with the smallest, 1 - R(epoch) of them."""
        at = torch.as_tensor(batch.at, device=y.device)
        (texts,) = prompted.texts()
        losses = _losses(prompted.image(batch.inputs), texts, prompted.scale, y[at])
        small = o.small_losses(
            losses.detach(), 1 - o.forget_rate(batch.epoch, self.config.rate, self.config.warmup)
        )
        return weighted_mean(losses, weights[at] * small)


def _losses(image: Tensor, texts: Tensor, scale: float, y: Tensor) -> Tensor:
    z_pos, _ = o.logits(image, texts, texts, scale)
    return cross_entropy(z_pos, y, reduction="none")


def _plain_losses(prompted: Prompted, y: Tensor) -> Tensor:
    """Return (n,) the cross-entropy of every item in its evaluation view."""
    with torch.no_grad():
        (texts,) = prompted.texts()
    return torch.cat(
        [_losses(image, texts, prompted.scale, y[at.to(y.device)]) for at, image in prompted.plain()]
    )
