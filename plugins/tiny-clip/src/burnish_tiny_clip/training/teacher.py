"""The teacher: a small convolutional network, trained on the same noisy captions' classes, whose soft answers the visual tower learns from.

A vision transformer of this size learns little from 25,000 images in half an hour on two cores; a convolutional network learns more
and tells it (Touvron et al. 2021, arXiv:2012.12877). It sees nothing that the captions do not say, so their noise is its noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from burnish_tiny_clip.training.images import Order, jitter, normalise

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish_tiny_clip.training.clock import Clock
    from burnish_tiny_clip.training.settings import Settings

_WIDTHS = (40, 80, 160)


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
            self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = functional.relu(self.body(x) + self.shortcut(x))
        return out


class Teacher(nn.Module):
    """Residual network from normalised images (B, 3, 32, 32) to logits (B, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        stem = [nn.Conv2d(3, _WIDTHS[0], 3, 1, 1, bias=False), nn.BatchNorm2d(_WIDTHS[0]), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        blocks = [_Block(_WIDTHS[0], _WIDTHS[0], 1), _Block(_WIDTHS[0], _WIDTHS[1], 2), _Block(_WIDTHS[1], _WIDTHS[2], 2)]
        self.body = nn.Sequential(*stem, *blocks)
        self.head = nn.Linear(_WIDTHS[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, classes)."""
        logits: Tensor = self.head(self.body(x).amax(dim=(2, 3)))
        return logits


def train_teacher(
    pixels: NDArray[np.uint8], labels: NDArray[np.int64], classes: int, settings: Settings, seed: int, clock: Clock, log: Callable[[str], None]
) -> Teacher:
    """Return a teacher that was trained for its share of the budget.

    Args:
        pixels: (N, 32, 32, 3) images.
        labels: (N,) the classes that the captions name, noise included.
        classes: how many there are.
        settings: for how long, and step sizes.
        seed: of weights, order and views.
        clock: of the whole training.
        log: gets a line every 200 steps.
    """
    torch.manual_seed(seed + 1)
    network = Teacher(classes).to(memory_format=torch.channels_last)
    matrices, rest = ([p for p in network.parameters() if (p.ndim > 1) == large] for large in (True, False))
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": 5e-4}, {"params": rest}]
    optimiser = torch.optim.SGD(groups, lr=settings.teacher_lr, momentum=0.9, nesterov=True)
    budget, order = settings.minutes * 60 * settings.teacher_share, Order(len(pixels), settings.teacher_batch, seed + 1)
    step, total = 0, 0.0
    while (progress := clock.seconds() / budget) < 1:
        for group in optimiser.param_groups:
            group["lr"] = settings.teacher_lr * min(progress / 0.2, (1 - progress) / 0.8)
        rows = order.rows(step)
        views = jitter(pixels[rows], np.random.default_rng([seed, 1, step]))
        loss = functional.cross_entropy(answers(network, normalise(views)), torch.from_numpy(labels[rows]))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        step, total = step + 1, total + float(loss.detach())
        if step % 200 == 0:
            log(f"teacher: step {step}, pass {step * settings.teacher_batch / len(pixels):.1f}, loss {total / 200:.3f} nats, {clock.seconds():.0f} s")
            total = 0.0
    return network.eval()


def answers(network: Teacher, images: Tensor) -> Tensor:
    """Return logits (B, classes) float32 of normalised images, computed in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        logits: Tensor = network(images.contiguous(memory_format=torch.channels_last))
    return logits.float()


@torch.inference_mode()
def soft_labels(network: Teacher, pixels: NDArray[np.uint8]) -> Tensor:
    """Return class probabilities (N, classes), the mean over an image and its mirror image."""
    parts = []
    for start in range(0, len(pixels), 500):
        x = normalise(pixels[start : start + 500])
        parts.append((answers(network, x).softmax(1) + answers(network, x.flip(3)).softmax(1)) / 2)
    return torch.cat(parts).clone()
