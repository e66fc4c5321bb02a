"""What a model is trained with: images, and what their captions say of them, noise included."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish_tiny_clip.training.captions import Words, swapped
from burnish_tiny_clip.training.objective import Language

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from burnish_tiny_clip.training.data import Images


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
        labels: (N,) int64 the photographs' classes as the captions name them.
        values: (S, attributes) int64 what the scenes' captions say.
        language: what captions are made of.
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
        object.__setattr__(
            self, "labels", self.cifar.values[swapped(len(self.cifar), self.noise, self.seed), 0]
        )
        object.__setattr__(
            self, "language", Language(self.words, np.unique(self.scenes.values[:, :2], axis=0))
        )
        object.__setattr__(
            self, "values", self.scenes.values[swapped(len(self.scenes), self.noise, self.seed)]
        )
