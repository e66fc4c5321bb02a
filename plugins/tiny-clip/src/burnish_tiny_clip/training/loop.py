"""The loop: the teacher first, then the model, against the clock, with checkpoints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch.nn import functional

from burnish.errors import FitError, StoreError
from burnish_tiny_clip.training.clock import Clock
from burnish_tiny_clip.training.hints import TAPS, Hints
from burnish_tiny_clip.training.images import Order, normalise
from burnish_tiny_clip.training.model import MODEL, build
from burnish_tiny_clip.training.objective import Shown, contrast, make_captions, make_views
from burnish_tiny_clip.training.teacher import new_teacher, train_teacher
from burnish_tiny_clip.training.towers import encode_images, encode_texts
from burnish_tiny_clip.training.vocabulary import token_ids

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from open_clip.model import CLIP
    from torch import Tensor

    from burnish_tiny_clip.training.material import Material
    from burnish_tiny_clip.training.objective import Views
    from burnish_tiny_clip.training.settings import Settings

CHECKPOINT: Final = "checkpoint.pt"
MOST_SCALE: Final = 60.0
"""Bound of the logit scale."""

_LOG_EVERY, _SAVE_EVERY = 100, 400
_MEASURED = 300
_WEIGHTS: Final = {"photographs": 0.5, "combinations": 0.5, "objects": 0.5, "scenes": 0.3, "captions": 0.3}
_MOST_GRADIENT = 5.0


class Trainer:
    """A training that goes on from its last checkpoint.

    Args:
        material: images, captions and seed.
        settings: for how long, and step sizes.
        key: what the training depends on, in a word: a checkpoint of another one is refused.
        folder: for the checkpoint.
        log: gets a line now and then.
    """

    def __init__(
        self, material: Material, settings: Settings, key: str, folder: Path, log: Callable[[str], None]
    ) -> None:
        self._material, self._settings, self._key, self._folder, self._log = (
            material,
            settings,
            key,
            folder,
            log,
        )
        self.model = build(material.seed)
        self.hints = Hints(MODEL["vision_cfg"]["width"])
        self._weights = _WEIGHTS | {"hints": settings.hint_weight}
        self._optimisers = _optimisers(self.model, self.hints, settings)
        self._orders = (
            Order(len(material.cifar), settings.cifar_batch, material.seed),
            Order(len(material.scenes), settings.scenes_batch, material.seed),
        )
        self.step, self.clock = 0, Clock()
        self.teacher, self._taught = new_teacher(material), False

    def run(self) -> CLIP:
        """Train to the end of the budget and return the model in evaluation mode.

        Raises:
            FitError: the loss became NaN or infinite.
            StoreError: the folder holds the checkpoint of another training.
        """
        self._resume()
        if not self._taught:
            self._teach()
        sums = np.zeros(len(self._weights))
        while (progress := self.clock.seconds() / (self._settings.minutes * 60)) < 1:
            sums += self._one_step(progress)
            self.step += 1
            if self.step % _LOG_EVERY == 0:
                self._report(sums / _LOG_EVERY, progress)
                sums = np.zeros(len(self._weights))
            if self.step % _SAVE_EVERY == 0:
                self._save()
        self._save()
        return self.model.eval()

    def _teach(self) -> None:
        material = self._material
        self.teacher, self._taught = train_teacher(material, self._settings, self.clock, self._log), True
        some = torch.cat(
            [
                normalise(one.pixels[:: max(1, len(one) // _MEASURED)])
                for one in (material.cifar, material.scenes)
            ]
        )
        with torch.no_grad():
            self.hints.measure(self.teacher(some).maps)
        self._save()

    def _one_step(self, progress: float) -> Any:
        """Take a step and return its losses, in the order of the weights."""
        settings = self._settings
        factor = min(1.0, (self.step + 1) / settings.warmup) * min(1.0, (1 - progress) / settings.decay)
        for optimiser, peak in zip(self._optimisers, (settings.muon_lr, settings.adam_lr), strict=True):
            for group in optimiser.param_groups:
                group["lr"] = peak * factor
        losses = self._losses(whole=progress >= settings.whole_from)
        loss = sum((weight * losses[name] for name, weight in self._weights.items()), start=torch.zeros(()))
        for optimiser in self._optimisers:
            optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _MOST_GRADIENT)
        for optimiser in self._optimisers:
            optimiser.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(max=math.log(MOST_SCALE))
        return np.array([float(losses[name].detach()) for name in self._weights])

    def _losses(self, whole: bool) -> dict[str, Tensor]:
        material, settings, rng = (
            self._material,
            self._settings,
            np.random.default_rng([self._material.seed, 2, self.step]),
        )
        cifar, scenes = (order.rows(self.step) for order in self._orders)
        shown = Shown(
            material.cifar.pixels[cifar],
            material.labels[cifar],
            material.scenes.pixels[scenes],
            material.values[scenes],
        )
        views = make_views(shown, settings, whole, rng)
        # The teacher sees what the student sees: the same view (Beyer et al. 2022, arXiv:2106.05237).
        with torch.no_grad():
            answers = self.teacher(views.images)
        captions = make_captions(
            shown, answers.classes[: len(cifar)].softmax(1), material.language, settings, rng
        )
        images, hints = self._read(views, len(cifar), answers.maps)
        tokens = token_ids(material.tokenizer, captions.texts)
        with torch.autocast("cpu", torch.bfloat16):
            texts = encode_texts(self.model, tokens[:, : int((tokens > 0).sum(1).max())])
        images, texts = (
            functional.normalize(images.float(), dim=-1),
            functional.normalize(texts.float(), dim=-1),
        )
        return contrast(self.model.logit_scale.exp() * images @ texts.T, captions) | {"hints": hints}

    def _read(self, views: Views, photographs: int, maps: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the features of all images, and how far their patches are from the teacher's maps."""
        features, hints = [], []
        with torch.autocast("cpu", torch.bfloat16):
            for part, keep in ((slice(photographs), views.keep), (slice(photographs, None), None)):
                found, taps = encode_images(self.model, views.images[part], keep, TAPS)
                features.append(found)
                hints.append(self.hints(taps, [one[part] for one in maps], keep))
        return torch.cat(features), torch.stack(hints).mean()

    def _report(self, losses: Any, progress: float) -> None:
        if not np.isfinite(losses).all():
            raise FitError(
                f"the loss is {losses} after {self.step} steps",
                where=str(self._folder),
                todo="Train with a smaller learning rate",
            )
        parts = ", ".join(f"{name} {loss:.3f}" for name, loss in zip(self._weights, losses, strict=True))
        self._log(f"step {self.step}, {progress:.1%} of the time, losses in nats: {parts}")

    # -- checkpoints -----------------------------------------------------------------------------------------

    def _save(self) -> None:
        state: dict[str, Any] = {name: module.state_dict() for name, module in self._modules().items()}
        state |= {"key": self._key, "optimisers": [optimiser.state_dict() for optimiser in self._optimisers]}
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
                "here is a checkpoint of a training with other data, noise, seed or settings",
                where=str(file),
                todo="Choose another --out",
            )
        for name, module in self._modules().items():
            module.load_state_dict(state[name])
        self.teacher.eval()
        self._taught = True
        for optimiser, one in zip(self._optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(one)
        self.step, self.clock = int(state["step"]), Clock(float(state["seconds"]))
        self._log(f"going on from step {self.step}")

    def _modules(self) -> dict[str, torch.nn.Module]:
        return {"model": self.model, "teacher": self.teacher, "hints": self.hints}


def _optimisers(
    model: CLIP, hints: Hints, settings: Settings
) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """Return Muon for the matrices in attention blocks and AdamW for all else."""
    matrices: list[Tensor] = []
    decayed: list[Tensor] = []
    rest: list[Tensor] = []
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "resblocks" in name:
            matrices.append(parameter)
        else:
            (rest if parameter.ndim < 2 or "embedding" in name else decayed).append(parameter)
    decayed.extend(hints.parameters())
    decay = settings.weight_decay
    groups = [{"params": decayed, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
    return (
        torch.optim.Muon(matrices, lr=settings.muon_lr, momentum=0.95, weight_decay=decay),
        torch.optim.AdamW(groups, lr=settings.adam_lr, betas=(0.9, 0.98)),
    )
