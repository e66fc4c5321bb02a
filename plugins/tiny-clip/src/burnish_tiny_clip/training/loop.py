"""The loop: the teacher first, then the model, against the clock, with checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.nn import functional

from burnish.errors import FitError, StoreError
from burnish_tiny_clip.training.captions import CIFAR10, Words, swapped
from burnish_tiny_clip.training.clock import Clock
from burnish_tiny_clip.training.images import Order
from burnish_tiny_clip.training.model import build
from burnish_tiny_clip.training.objective import Language, Shown, contrast, make_batch
from burnish_tiny_clip.training.teacher import Teacher, soft_labels, train_teacher
from burnish_tiny_clip.training.towers import encode_images, encode_texts
from burnish_tiny_clip.training.vocabulary import token_ids

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from open_clip.model import CLIP
    from tokenizers import Tokenizer
    from torch import Tensor

    from burnish_tiny_clip.training.data import Images
    from burnish_tiny_clip.training.settings import Settings

CHECKPOINT: Final = "checkpoint.pt"
MOST_SCALE: Final = 60.0
"""Bound of the logit scale."""

_LOG_EVERY, _SAVE_EVERY = 100, 400
_WEIGHTS: Final = {"photographs": 0.5, "combinations": 0.5, "objects": 0.5, "scenes": 0.3, "captions": 0.3}
_MOST_GRADIENT = 5.0


@dataclass(frozen=True, eq=False)
class Material:
    """What a model is trained with.

    Attributes:
        cifar: photographs; the one attribute is the class.
        scenes: scenes with their five attributes.
        words: of the attributes.
        tokenizer: of the captions.
        noise: fraction of the images of each source that exchange their captions.
        seed: of everything that is random.
    """

    cifar: Images
    scenes: Images
    words: Words
    tokenizer: Tokenizer
    noise: float
    seed: int
    labels: Any = field(init=False)
    values: Any = field(init=False)
    language: Language = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", self.cifar.values[swapped(len(self.cifar), self.noise, self.seed), 0])
        object.__setattr__(self, "language", Language(self.words, np.unique(self.scenes.values[:, :2], axis=0)))
        object.__setattr__(self, "values", self.scenes.values[swapped(len(self.scenes), self.noise, self.seed)])


class Trainer:
    """A training that goes on from its last checkpoint.

    Args:
        material: images, captions and seed.
        settings: for how long, and step sizes.
        key: what the training depends on, in a word: a checkpoint of another one is refused.
        folder: for the checkpoint.
        log: gets a line now and then.
    """

    def __init__(self, material: Material, settings: Settings, key: str, folder: Path, log: Callable[[str], None]) -> None:
        self._material, self._settings, self._key, self._folder, self._log = material, settings, key, folder, log
        self.model = build(material.seed)
        self._optimisers = _optimisers(self.model, settings)
        self._orders = (
            Order(len(material.cifar), settings.cifar_batch, material.seed),
            Order(len(material.scenes), settings.scenes_batch, material.seed),
        )
        self.step, self.clock = 0, Clock()
        self.teacher: Teacher | None = None

    def run(self) -> CLIP:
        """Train to the end of the budget and return the model in evaluation mode.

        Raises:
            FitError: the loss became NaN or infinite.
            StoreError: the folder holds the checkpoint of another training.
        """
        material, settings = self._material, self._settings
        self._resume()
        if self.teacher is None:
            self.teacher = train_teacher(material.cifar.pixels, material.labels, len(CIFAR10), settings, material.seed, self.clock, self._log)
            self._save()
        soft = soft_labels(self.teacher, material.cifar.pixels)
        sums = np.zeros(len(_WEIGHTS))
        while (progress := self.clock.seconds() / (settings.minutes * 60)) < 1:
            sums += self._one_step(soft, progress)
            self.step += 1
            if self.step % _LOG_EVERY == 0:
                self._report(sums / _LOG_EVERY, progress)
                sums = np.zeros(len(_WEIGHTS))
            if self.step % _SAVE_EVERY == 0:
                self._save()
        self._save()
        return self.model.eval()

    def _one_step(self, soft: Tensor, progress: float) -> Any:
        """Take a step and return its losses, in the order of `_WEIGHTS`."""
        settings = self._settings
        factor = min(1.0, (self.step + 1) / settings.warmup) * min(1.0, (1 - progress) / settings.decay)
        for optimiser, peak in zip(self._optimisers, (settings.muon_lr, settings.adam_lr), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * factor
        losses = self._losses(soft, whole=progress >= settings.whole_from)
        loss = sum((weight * losses[name] for name, weight in _WEIGHTS.items()), start=torch.zeros(()))
        for optimiser in self._optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _MOST_GRADIENT)
        for optimiser in self._optimisers:
            optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=math.log(MOST_SCALE))
        return np.array([float(losses[name].detach()) for name in _WEIGHTS])

    def _losses(self, soft: Tensor, whole: bool) -> dict[str, Tensor]:
        material = self._material
        cifar, scenes = (order.rows(self.step) for order in self._orders)
        shown = Shown(
            material.cifar.pixels[cifar],
            material.labels[cifar],
            soft[torch.from_numpy(cifar)],
            material.scenes.pixels[scenes],
            material.values[scenes],
        )
        batch = make_batch(shown, material.language, self._settings, whole, np.random.default_rng([material.seed, 2, self.step]))
        tokens = token_ids(material.tokenizer, batch.texts)
        with torch.autocast("cpu", torch.bfloat16):
            parts = (batch.images[: len(cifar)], batch.keep), (batch.images[len(cifar) :], None)
            images = torch.cat([encode_images(self.model, pixels, keep) for pixels, keep in parts])
            texts = encode_texts(self.model, tokens[:, : int((tokens > 0).sum(1).max())])
        images, texts = functional.normalize(images.float(), dim=-1), functional.normalize(texts.float(), dim=-1)
        return contrast(self.model.logit_scale.exp() * images @ texts.T, batch)

    def _report(self, losses: Any, progress: float) -> None:
        if not np.isfinite(losses).all():
            raise FitError(f"the loss is {losses} after {self.step} steps", where=str(self._folder), todo="Train with a smaller learning rate")
        parts = ", ".join(f"{name} {loss:.3f}" for name, loss in zip(_WEIGHTS, losses, strict=True))
        self._log(f"step {self.step}, {progress:.1%} of the time, losses in nats: {parts}")

    # -- checkpoints ------------------------------------------------------------------------------------------------------------

    def _save(self) -> None:
        teacher = self.teacher.state_dict() if self.teacher is not None else {}
        optimisers = [optimiser.state_dict() for optimiser in self._optimisers]
        state = {"key": self._key, "model": self.model.state_dict(), "teacher": teacher, "optimisers": optimisers}
        part = self._folder / f"{CHECKPOINT}.part"
        torch.save(state | {"step": self.step, "seconds": self.clock.seconds()}, part)
        part.replace(self._folder / CHECKPOINT)

    def _resume(self) -> None:
        file = self._folder / CHECKPOINT
        if not file.exists():
            return
        state = torch.load(file, weights_only=True)
        if state["key"] != self._key:
            raise StoreError(
                "here is a checkpoint of a training with other data, noise, seed or settings", where=str(file), todo="Choose another --out"
            )
        self.model.load_state_dict(state["model"])
        self.teacher = Teacher(len(CIFAR10))
        self.teacher.load_state_dict(state["teacher"])
        self.teacher.eval().to(memory_format=torch.channels_last)
        for optimiser, one in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(one)
        self.step, self.clock = int(state["step"]), Clock(float(state["seconds"]))
        self._log(f"going on from step {self.step}")


def _optimisers(model: CLIP, settings: Settings) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return Muon for the matrices in attention blocks and AdamW for all else."""
    matrices: list[Tensor] = []
    decayed: list[Tensor] = []
    rest: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "resblocks" in name:
            matrices.append(parameter)
        else:
            (rest if parameter.ndim < 2 or "embedding" in name else decayed).append(parameter)
    decay = settings.weight_decay
    groups = [{"params": decayed, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
    return (
        torch.optim.Muon(matrices, lr=settings.muon_lr, momentum=0.95, weight_decay=decay),
        torch.optim.AdamW(groups, lr=settings.adam_lr, betas=(0.9, 0.98)),
    )
