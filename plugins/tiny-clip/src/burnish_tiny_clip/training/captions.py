"""Captions: templates around what an image shows, and which captions are true of which image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CIFAR10: Final = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""Names of CIFAR-10's classes, in the order of their numbers."""

TEMPLATES: Final = (
    "{}",
    "a {}",
    "a photo of a {}",
    "a photo of the {}",
    "a picture of a {}",
    "an image of a {}",
    "a small picture of a {}",
    "this is a {}",
)
"""Templates of the training captions; with probability one half a full stop follows."""

EVALUATION: Final = ("a photo of a {}.", "a picture of a {}.", "an image of a {}.", "a {}.")
"""Templates whose embeddings are averaged where zero-shot accuracies are stated."""

ATTRIBUTES: Final = ("object", "colour", "background", "position", "style")
MENTIONED: Final = (0.9, 0.85, 0.4, 0.4, 0.3)
"""Probability that the caption of a scene mentions each attribute."""


@dataclass(frozen=True, eq=False)
class Words:
    """The words of each attribute of a scene, in the order of its numbers."""

    object: Sequence[str]
    colour: Sequence[str]
    background: Sequence[str]
    position: Sequence[str]
    style: Sequence[str]

    def describe(
        self, values: Sequence[int] | NDArray[np.int64], mentioned: Sequence[bool] | NDArray[np.bool_]
    ) -> str:
        """Return the noun phrase of a scene that mentions some of its attributes, without an article."""
        one = {
            key: getattr(self, key)[value] if said else ""
            for key, value, said in zip(ATTRIBUTES, values, mentioned, strict=True)
        }
        parts = [one["colour"], one["object"] or "thing"]
        parts += [f"on a {one['background']} background"] if one["background"] else []
        parts += [one["position"]]
        parts += [f"in {one['style']} style"] if one["style"] else []
        return " ".join(part for part in parts if part)


def caption(noun: str, uniform: Sequence[float] | NDArray[np.float64]) -> str:
    """Return a noun phrase in a template, with or without a full stop, as 3 numbers in [0, 1) say.

    They also say whether "an" or a plain "a" stands before a vowel.
    """
    template = TEMPLATES[int(uniform[0] * len(TEMPLATES))]
    if noun[0] in "aeiou" and uniform[2] < 0.5:
        template = template.replace("a {}", "an {}")
    return template.format(noun) + ("." if uniform[1] < 0.5 else "")


def true_of(values: NDArray[np.int64], mentioned: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (N, N): is the caption of scene j, which mentions some of its attributes, true of scene i?

    Args:
        values: (N, A) attributes of the scenes.
        mentioned: (N, A) which of them each caption mentions.
    """
    same = values[:, None, :] == values[None, :, :]
    out: NDArray[np.bool_] = (same | ~mentioned[None, :, :]).all(axis=-1)
    return out


def swapped(count: int, rate: float, seed: int) -> NDArray[np.int64]:
    """Return whose caption each of `count` items has.

    Exactly ceil(rate * count) of them exchange theirs along one cycle.

    Nobody on the cycle keeps its own caption, though it may get an equal one.
    """
    rng = np.random.default_rng([seed, count])
    chosen = rng.permutation(count)[: int(np.ceil(rate * count))]
    out = np.arange(count)
    out[chosen] = np.roll(chosen, 1)
    return out
