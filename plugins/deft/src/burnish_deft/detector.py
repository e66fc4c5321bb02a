"""The detector of DeFT.

How positive, negative and visual prompts are trained, and what it then says of each label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from burnish.contracts.evaluator import Table
from burnish_deft import DeFTConfig
from burnish_deft import objective as o

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.blocks import ModuleBatch
    from burnish.contracts.tuner import Task
    from burnish_deft.items import Judged
    from burnish_deft.prompted import Prompted

PROMPTS = ("positive", "negative")


@dataclass(frozen=True)
class Protocol:
    """What the two protocols of the released scripts, for simulated and for real noise, do differently.

    Epochs are counted from 0.

    Attributes:
        agree: whether a clean label must also be the likeliest yes.
        symmetric: whether the similarity loss of the warm-up is the symmetric cross-entropy.
        warmup: epochs in which the similarity loss trusts every label.
        trusting: epochs in which the dual prompt loss does.
    """

    agree: bool
    symmetric: bool
    warmup: int
    trusting: int


def protocol(config: DeFTConfig) -> Protocol:
    """Return the protocol of a config.

    The released scripts for real noise let the dual prompt loss trust labels in the first epoch alone.
    """
    real = config.noise == "real"
    warmup = config.warmup if config.warmup is not None else 5 if real else 1
    return Protocol(real, real, warmup, 1 if real and config.variant == "released" else warmup)


def complementary_labels(task: Task, y: NDArray[np.int64], classes: int, epoch: int) -> NDArray[np.int64]:
    """Return (n,) a class other than the label, all equally likely.

    Drawn anew for each item in each epoch, whatever the batches are.
    """
    uniform = task.generator(f"complementary {epoch}").random(len(y))
    away = 1 + np.minimum((uniform * (classes - 1)).astype(np.int64), classes - 2)
    return np.asarray((y + away) % classes)


class Detector:
    """Trains on n items and judges them.

    Args:
        task: whose randomness.
        judged: the items.
        config: options.
        prompted: the model.
    """

    def __init__(self, task: Task, judged: Judged, config: DeFTConfig, prompted: Prompted) -> None:
        self._task, self._judged, self._config, self._prompted = task, judged, config, prompted
        self._protocol, self._epoch = protocol(config), -1
        self._y, self._weights = judged.tensors(task.run.device)
        self._complementary = torch.zeros_like(self._y)
        self._said = torch.zeros(len(self._y), device=task.run.device)
        self._kept = torch.zeros_like(self._y, dtype=torch.bool)
        self._history: dict[int, list[list[float]]] = {}

    def run(self) -> None:
        """Train, and judge every item."""
        self._prompted.train(self.loss)
        if self._config.variant == "paper":
            with torch.no_grad():
                positive, negative = self._prompted.texts()
            for at, image in self._prompted.plain():
                z_pos, z_neg = o.logits(image, positive, negative, self._prompted.scale)
                self._judge(at.to(image.device), z_pos, z_neg)

    def loss(self, batch: ModuleBatch) -> Tensor:
        """Return L = L_dp + L_sim of a batch, and note what it says of the items."""
        self._begin(batch.epoch)
        at = torch.as_tensor(batch.at, device=self._y.device)
        y, weights, rule = self._y[at], self._weights[at], self._protocol
        positive, negative = self._prompted.texts()
        z_pos, z_neg = o.logits(self._prompted.image(batch.inputs), positive, negative, self._prompted.scale)
        p_yes = o.yes(z_pos, z_neg)
        clean = self._judge(at, z_pos, z_neg)
        target = y if batch.epoch < rule.trusting else torch.where(clean, y, z_pos.detach().argmax(dim=1))
        dual = o.dual_prompt_loss(p_yes, target, self._complementary[at], weights)
        if batch.epoch < rule.warmup:
            similarity = (o.symmetric_cross_entropy if rule.symmetric else o.similarity_loss)(
                z_pos, y, weights
            )
        else:
            similarity = o.similarity_loss(z_pos, y, weights * clean)
        self._history[batch.epoch].append(
            [float(dual.detach()), float(similarity.detach()), float(clean.sum()), float(len(at))]
        )
        return dual + similarity

    def _begin(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._epoch, self._history[epoch] = epoch, []
            drawn = complementary_labels(self._task, self._judged.y, len(self._judged.classes), epoch)
            self._complementary = torch.as_tensor(drawn, device=self._y.device)

    def _judge(self, at: Tensor, z_pos: Tensor, z_neg: Tensor) -> Tensor:
        """Note and return (B,) bool which items are clean."""
        y = self._y[at]
        clean = o.clean(z_pos, z_neg, y, self._protocol.agree)
        self._said[at], self._kept[at] = (
            o.yes(z_pos, z_neg).detach().gather(1, y[:, None])[:, 0].float(),
            clean,
        )
        return clean

    def clean_probability(self) -> NDArray[np.float32]:
        """Return (n,) float32 p_yes of each item's label, when it was last judged."""
        return self._said.cpu().numpy()

    def keep(self) -> NDArray[np.bool_]:
        """Return (n,) bool which labels are taken to be right."""
        return self._kept.cpu().numpy()

    def table(self) -> Table:
        """Return by epoch the mean of both losses over its batches, and the share of items judged clean."""
        epochs = [np.array(rows) for rows in self._history.values()]
        return Table(
            "deft",
            "",
            {
                "epoch": [epoch + 1 for epoch in self._history],
                "dual prompt loss": [float(rows[:, 0].mean()) for rows in epochs],
                "similarity loss": [float(rows[:, 1].mean()) for rows in epochs],
                "judged clean": [float(rows[:, 2].sum() / rows[:, 3].sum()) for rows in epochs],
            },
        )
