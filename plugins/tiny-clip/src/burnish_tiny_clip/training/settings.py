"""How long to train, and with what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

THREADS: Final = 1
"""Threads of the shipped weights' training: two trainings side by side on two cores."""


@dataclass(frozen=True)
class Settings:
    """What the training's result depends on beside data, noise and seed.

    The defaults made the shipped weights.

    Attributes:
        minutes: budget by the clock, teacher included; the learning rate falls to 0 at its end.
        teacher_share: fraction of the budget for the teacher.
        teacher_batch: photographs in a batch of the teacher, and scenes beside them, as many.
        teacher_lr: its peak learning rate of SGD, one cycle.
        hint_weight: of the hints' loss, beside the other ones (`loop`).
        cifar_batch: images of CIFAR-10 in a batch of the model.
        scenes_batch: scenes beside them.
        captions_per_class: captions of each class of CIFAR-10 in a batch.
        teacher_weight: share of the teacher's answer in the targets of CIFAR-10.
        muon_lr: peak learning rate of Muon, for the matrices in attention blocks.
        adam_lr: peak learning rate of AdamW, for all else.
        weight_decay: of both, not on embeddings, biases and normalisation.
        warmup: steps in which the learning rate rises.
        decay: fraction of the budget, at its end, over which the learning rate falls.
        patch_dropout: fraction of the patches that are left out of an image of CIFAR-10.
        whole_from: fraction of the budget after which these images are whole.
    """

    minutes: float = 45.0
    teacher_share: float = 0.1
    teacher_batch: int = 64
    teacher_lr: float = 0.15
    hint_weight: float = 4.0
    cifar_batch: int = 48
    scenes_batch: int = 80
    captions_per_class: int = 2
    teacher_weight: float = 0.6
    muon_lr: float = 0.02
    adam_lr: float = 1.2e-3
    weight_decay: float = 0.02
    warmup: int = 100
    decay: float = 0.6
    patch_dropout: float = 0.5
    whole_from: float = 0.85
