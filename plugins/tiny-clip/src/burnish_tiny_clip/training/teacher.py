"""The teacher: a small convolutional network, trained on what the same noisy captions name.

The visual tower learns from its answers and maps.

A vision transformer of this size learns little from 25,000 photographs and thin lines in half an hour on two
cores; a convolutional network learns more and tells it (Touvron et al. 2021, arXiv:2012.12877). It sees
nothing that the captions do not say, so their noise is its noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from burnish_tiny_clip.training.captions import ATTRIBUTES, CIFAR10
from burnish_tiny_clip.training.images import Order, jitter, normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from burnish_tiny_clip.training.clock import Clock
    from burnish_tiny_clip.training.material import Material
    from burnish_tiny_clip.training.settings import Settings

MAPS: Final = (80, 160)
"""Channels of the two maps that a student is shown."""

_WIDTH = 40
_QUADRANTS = 4
# What the other attributes of a scene count beside its object, which is the hard one.
_REST = 0.25


@dataclass(frozen=True, eq=False)
class Answers:
    """What the teacher says of B images, float32.

    Attributes:
        classes: (B, classes) logits of CIFAR-10's classes.
        attributes: for each attribute of a scene, (B, values) logits.
        maps: (B, 64, 80) and (B, 64, 160): what it sees at each of 8 x 8 places, after its second and its
            third block.
    """

    classes: Tensor
    attributes: list[Tensor]
    maps: tuple[Tensor, Tensor]


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = functional.relu(self.body(x) + self.shortcut(x))
        return out


class Teacher(nn.Module):
    """Residual network of normalised images (B, 3, 32, 32).

    Args:
        classes: how many classes photographs have.
        attributes: how many values each attribute of a scene has.
    """

    def __init__(self, classes: int, attributes: Sequence[int]) -> None:
        super().__init__()
        middle, last = MAPS
        self.stem = nn.Sequential(
            nn.Conv2d(3, _WIDTH, 3, 1, 1, bias=False),
            nn.BatchNorm2d(_WIDTH),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            _Block(_WIDTH, _WIDTH, 1),
        )
        self.middle, self.last = _Block(_WIDTH, middle, 2), _Block(middle, last, 2)
        self.head = nn.Linear(last, classes)
        # Where a thing is, is asked too: beside the largest value over the whole image, the mean over each
        # quarter.
        self.heads = nn.ModuleList(nn.Linear(last * (1 + _QUADRANTS), count) for count in attributes)

    def forward(self, x: Tensor) -> Answers:
        """Return what it says of images, computed in bfloat16."""
        with torch.autocast("cpu", torch.bfloat16):
            middle = self.middle(self.stem(x.contiguous(memory_format=torch.channels_last)))
            last = self.last(middle)
            whole = last.amax(dim=(2, 3))
            parts = torch.cat([whole, functional.adaptive_avg_pool2d(last, 2).flatten(1)], dim=1)
            classes, attributes = self.head(whole), [head(parts) for head in self.heads]
        fine = last.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return Answers(classes.float(), [one.float() for one in attributes], (_tokens(middle), _tokens(fine)))


def train_teacher(
    material: Material, settings: Settings, clock: Clock, log: Callable[[str], None]
) -> Teacher:
    """Return a teacher that was trained for its share of the budget.

    Args:
        material: images with the labels that their captions name, noise included, and the seed.
        settings: for how long, and step sizes.
        clock: of the whole training.
        log: gets a line every 200 steps.
    """
    torch.manual_seed(material.seed + 1)
    network = new_teacher(material)
    matrices, rest = ([p for p in network.parameters() if (p.ndim > 1) == large] for large in (True, False))
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": 5e-4}, {"params": rest}]
    optimiser = torch.optim.SGD(groups, lr=settings.teacher_lr, momentum=0.9, nesterov=True)
    budget, size = settings.minutes * 60 * settings.teacher_share, settings.teacher_batch
    photographs, scenes = (
        Order(len(material.cifar), size, material.seed + 1),
        Order(len(material.scenes), size, material.seed + 1),
    )
    step, total = 0, np.zeros(2)
    while (progress := clock.seconds() / budget) < 1:
        for group in optimiser.param_groups:
            group["lr"] = settings.teacher_lr * min(progress / 0.2, (1 - progress) / 0.8)
        losses = _losses(
            network,
            material,
            photographs.rows(step),
            scenes.rows(step),
            np.random.default_rng([material.seed, 1, step]),
        )
        optimiser.zero_grad()
        (losses[0] + losses[1]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step, total = step + 1, total + [float(loss.detach()) for loss in losses]
        if step % 200 == 0:
            log(
                f"teacher: step {step}, {progress:.1%} of its time, losses in nats: photographs"
                f" {total[0] / 200:.3f}, scenes {total[1] / 200:.3f}"
            )
            total = np.zeros(2)
    return network.eval()


def new_teacher(material: Material) -> Teacher:
    """Return a teacher with fresh weights."""
    network = Teacher(len(CIFAR10), [len(getattr(material.words, key)) for key in ATTRIBUTES])
    return network.to(memory_format=torch.channels_last)


def _losses(
    network: Teacher, material: Material, cifar: Any, scenes: Any, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return the cross-entropies in nats of photographs, and of the attributes of scenes."""
    views = jitter(material.cifar.pixels[cifar], rng)
    said = network(torch.cat([normalise(views), normalise(material.scenes.pixels[scenes])]))
    values = torch.from_numpy(material.values[scenes])
    first, *others = [
        functional.cross_entropy(one[len(cifar) :], values[:, number])
        for number, one in enumerate(said.attributes)
    ]
    photographs = functional.cross_entropy(
        said.classes[: len(cifar)], torch.from_numpy(material.labels[cifar])
    )
    return photographs, first + _REST * torch.stack(others).sum()


def _tokens(map_: Tensor) -> Tensor:
    """Return a map (B, C, H, W) as (B, H W, C) float32."""
    return map_.flatten(2).transpose(1, 2).float()
