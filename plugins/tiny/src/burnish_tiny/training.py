"""Supervised pre-training of the tiny network.

Stochastic gradient descent with a one-cycle schedule, resumable after each epoch.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn
from torch.nn import functional

from burnish.errors import FitError, StoreError
from burnish.files import ensure_folder, write_atomic, write_json
from burnish_tiny.network import DIM, TinyResNet, build, normalise

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_PAD = 4


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: passes over the images.
        batch: images a step; an incomplete last batch is left out, and fewer images than this make one batch.
        lr: highest learning rate, reached after `warmup` of all steps and lowered linearly to zero.
        momentum: of Nesterov's method.
        weight_decay: on convolution and classifier weights, not on biases and batch normalisation.
        warmup: fraction of the steps in which the learning rate rises, between 0 and 1.
        bf16: compute convolutions in bfloat16 (autocast); parameters stay float32.
    """

    epochs: int = 12
    batch: int = 128
    lr: float = 0.15
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.2
    bf16: bool = True


@dataclass(frozen=True)
class Epoch:
    """What is known after one epoch.

    Attributes:
        number: epochs finished so far.
        loss: mean training cross-entropy over the epoch, in nats.
        seconds: time the epoch took.
    """

    number: int
    loss: float
    seconds: float


@dataclass(frozen=True)
class Pretrained:
    """The network and the classifier it was trained with, in eval mode, and its history."""

    network: TinyResNet
    head: nn.Linear
    history: tuple[Epoch, ...]


def fit(
    images: Tensor,
    labels: Tensor,
    classes: int,
    *,
    seed: int,
    schedule: Schedule,
    device: str = "cpu",
    checkpoint: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> Pretrained:
    """Train the tiny network from scratch on labelled images.

    The result is a function of the arguments, the number of threads and the version of torch. With a
    checkpoint folder the state is kept there after each epoch, and a later call with equal arguments goes on
    from it to the same weights.

    Args:
        images: (N, 32, 32, 3) uint8, RGB.
        labels: (N,) int64, 0 .. classes - 1.
        classes: number of classes.
        seed: of initial weights, order and augmentation.
        schedule: length and step sizes.
        device: where to compute; order and augmentation are drawn on the CPU, the images stay there.
        checkpoint: folder of the resumable state, made if missing; None keeps none.
        progress: called after each epoch.

    Raises:
        ValueError: images and labels do not fit together.
        StoreError: the checkpoint belongs to other arguments.
        FitError: the loss became NaN or infinite.
    """
    if (
        images.shape[1:] != (32, 32, 3)
        or images.dtype != torch.uint8
        or len(images) != len(labels)
        or len(images) < 2
    ):
        raise ValueError(
            f"need uint8 images (N, 32, 32, 3) and N >= 2 labels, got {tuple(images.shape)} {images.dtype}"
            f" and {len(labels)}"
        )
    run = _Run(classes, seed, schedule, max(1, len(images) // schedule.batch), torch.device(device))
    key = training_key(images, labels, classes, seed, schedule, device)
    if checkpoint is not None:
        run.restore(checkpoint, key)
    for number in range(len(run.history), schedule.epochs):
        start = time.perf_counter()
        loss = run.epoch(images, labels, number)
        run.history.append(Epoch(number + 1, loss, time.perf_counter() - start))
        if checkpoint is not None:
            run.keep(checkpoint, key)
        if progress is not None:
            progress(run.history[-1])
    return Pretrained(run.model.network.eval(), run.model.head.eval(), tuple(run.history))


@torch.inference_mode()
def accuracy(network: TinyResNet, head: nn.Linear, images: Tensor, labels: Tensor, batch: int = 500) -> float:
    """Return the fraction of uint8 images (N, 32, 32, 3) whose most probable class is the label.

    Computed in float32.
    """
    correct, device = 0, head.weight.device
    for at in range(0, len(images), batch):
        logits = head(network(normalise(images[at : at + batch].to(device), torch.float32)))
        correct += int((logits.argmax(1).cpu() == labels[at : at + batch]).sum())
    return correct / len(images)


class _Model(nn.Module):
    def __init__(self, classes: int, generator: torch.Generator) -> None:
        super().__init__()
        self.network = build(generator)
        self.head = nn.Linear(DIM, classes)
        nn.init.normal_(self.head.weight, std=DIM**-0.5, generator=generator)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.network(x))
        return logits


class _Run:
    """Model, optimiser and history of one training."""

    def __init__(self, classes: int, seed: int, schedule: Schedule, steps: int, device: torch.device) -> None:
        self.seed, self.schedule, self.steps, self.device = seed, schedule, steps, device
        self.model = _Model(classes, _generator(seed, "init")).to(
            device=device, memory_format=torch.channels_last
        )  # type: ignore[call-overload]
        self.named = dict(self.model.named_parameters())
        matrices = [p for p in self.named.values() if p.ndim > 1]
        vectors = [p for p in self.named.values() if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": schedule.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.SGD(
            groups, lr=schedule.lr, momentum=schedule.momentum, nesterov=schedule.momentum > 0
        )
        self.history: list[Epoch] = []

    def epoch(self, images: Tensor, labels: Tensor, number: int) -> float:
        """Train one epoch and return its mean loss."""
        # A generator an epoch: a resumed run needs no generator state.
        generator = _generator(self.seed, "epoch", number)
        batch = min(self.schedule.batch, len(images))
        order = torch.randperm(len(images), generator=generator)
        self.model.train()
        total = 0.0
        for step in range(self.steps):
            rows = order[step * batch : (step + 1) * batch]
            x = augment(normalise(images[rows].to(self.device), torch.float32), generator)
            for group in self.optimiser.param_groups:
                group["lr"] = self._lr(number * self.steps + step)
            self.optimiser.zero_grad(set_to_none=True)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.schedule.bf16):
                logits = self.model(x)
            loss = functional.cross_entropy(logits.float(), labels[rows].to(self.device))
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += loss.item()
        if not math.isfinite(total):
            raise FitError(
                f"the loss is {total} in epoch {number + 1}",
                where="pretrain tiny",
                todo="Use a lower lr, or bf16=false",
            )
        return total / self.steps

    def _lr(self, step: int) -> float:
        """Return the learning rate of a step: a linear rise to the highest and a linear fall to zero."""
        last = self.schedule.epochs * self.steps
        peak = max(1.0, self.schedule.warmup * last)
        return self.schedule.lr * min((step + 1) / peak, (last - step) / max(1.0, last - peak))

    def keep(self, folder: Path, key: str) -> None:
        """Write the state; the JSON file, written last, names the tensors that belong to it."""
        ensure_folder(folder)
        tensors = {f"model.{name}": t.contiguous() for name, t in self.model.state_dict().items()}
        for name, parameter in self.named.items():
            momentum = self.optimiser.state[parameter].get("momentum_buffer")
            if momentum is not None:
                tensors[f"momentum.{name}"] = momentum.contiguous()
        file = folder / f"epoch-{len(self.history)}.safetensors"
        write_atomic(file, save(tensors))
        state = {"key": key, "tensors": file.name, "history": [asdict(e) for e in self.history]}
        write_json(folder / "state.json", state)
        for old in folder.glob("epoch-*.safetensors"):
            if old != file:
                old.unlink()

    def restore(self, folder: Path, key: str) -> None:
        """Go on from a state that `keep` wrote, if there is one."""
        file = folder / "state.json"
        if not file.exists():
            return
        try:
            state = json.loads(file.read_text(encoding="utf-8"))
            tensors = load_file(folder / state["tensors"], device=str(self.device))
            history = [Epoch(**epoch) for epoch in state["history"]]
        except (ValueError, TypeError, KeyError, OSError, SafetensorError) as error:
            raise StoreError(
                f"the training state is damaged: {error!r}",
                where=str(folder),
                todo="Delete it to start again",
            ) from error
        if state.get("key") != key:
            raise StoreError(
                "here is the state of a training with other images, labels, settings or threads",
                where=str(folder),
                todo="Choose another folder, or delete it",
            )
        self.model.load_state_dict(
            {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
        )
        for name, parameter in self.named.items():
            if f"momentum.{name}" in tensors:
                self.optimiser.state[parameter]["momentum_buffer"] = (
                    torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"]).detach()
                )
        self.history = history


def augment(x: Tensor, generator: torch.Generator) -> Tensor:
    """Return images (B, 3, H, W) flipped and cut at random out of a reflected border of 4 pixels."""
    count, _, height, width = x.shape
    flip = (torch.rand(count, generator=generator) < 0.5).to(x.device)
    down, right = torch.randint(0, 2 * _PAD + 1, (2, count), generator=generator).to(x.device)
    x = torch.where(flip[:, None, None, None], x.flip(3), x)
    padded = functional.pad(x, (_PAD, _PAD, _PAD, _PAD), mode="reflect")
    rows = (down[:, None] + torch.arange(height, device=x.device))[:, None, :, None]
    columns = (right[:, None] + torch.arange(width, device=x.device))[:, None, None, :]
    item = torch.arange(count, device=x.device)[:, None, None, None]
    channel = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    return padded[item, channel, rows, columns].contiguous(memory_format=torch.channels_last)


def _generator(seed: int, *words: str | int) -> torch.Generator:
    digest = hashlib.sha256("\0".join(["burnish-tiny", str(seed), *map(str, words)]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") & (2**63 - 1))


def training_key(
    images: Tensor, labels: Tensor, classes: int, seed: int, schedule: Schedule, device: str
) -> str:
    """Return a hash of all that determines the weights on one machine."""
    settings = [
        classes,
        seed,
        asdict(schedule),
        list(images.shape),
        device,
        torch.get_num_threads(),
        str(torch.__version__),
    ]
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(images.numpy().tobytes())
    digest.update(labels.numpy().tobytes())
    return digest.hexdigest()
