"""A batch and its loss.

Images and captions contrasted, where a caption may be true of several images and an image have several
captions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from burnish_tiny_clip.training.captions import ATTRIBUTES, CIFAR10, MENTIONED, Words, caption, true_of
from burnish_tiny_clip.training.images import jitter, normalise

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from burnish_tiny_clip.training.settings import Settings

_PATCHES = 64
_LEAST = 1e-3


@dataclass(frozen=True, eq=False)
class Views:
    """M images of CIFAR-10 and S scenes as the networks take them.

    Attributes:
        images: (M + S, 3, 32, 32) normalised, CIFAR-10 first.
        keep: the patches to look at in each of CIFAR-10's images, (M, K); None for all.
    """

    images: Tensor
    keep: Tensor | None


@dataclass(frozen=True, eq=False)
class Captions:
    """Captions in four parts: of classes of CIFAR-10, of combinations, of objects, of the scenes themselves.

    Attributes:
        texts: captions, the parts one after the other.
        parts: how many captions each part has.
        rows: (M + S, captions) targets over the captions of an image; over the first part they sum to 1 for
            CIFAR-10's images, over each of the other three for scenes.
        columns: (M + S, captions of the first and last part) targets over the images of a caption; they sum
            to 1, or are 0 where no image of the batch belongs to the caption.
    """

    texts: list[str]
    parts: tuple[int, int, int, int]
    rows: Tensor
    columns: Tensor


@dataclass(frozen=True, eq=False)
class Shown:
    """What one batch shows.

    Attributes:
        cifar: (M, 32, 32, 3) uint8 photographs.
        labels: (M,) their captions' classes, noise included.
        scenes: (S, 32, 32, 3) uint8.
        values: (S, attributes) what the scenes' captions say, noise included.
    """

    cifar: NDArray[np.uint8]
    labels: NDArray[np.int64]
    scenes: NDArray[np.uint8]
    values: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Language:
    """What captions are made of.

    Attributes:
        words: of the scenes' attributes.
        combinations: (K, 2) objects and colours that training scenes show.
    """

    words: Words
    combinations: NDArray[np.int64]


def make_views(shown: Shown, settings: Settings, whole: bool, rng: np.random.Generator) -> Views:
    """Draw views and patches.

    Scenes are neither flipped nor shifted: their captions say where things are, and a mirrored digit is none.

    Args:
        shown: images and labels.
        settings: how many patches.
        whole: whether CIFAR-10's images keep all patches; scenes, which are thin lines, always do.
        rng: source of all that is random.
    """
    images = torch.cat([normalise(jitter(shown.cifar, rng)), normalise(shown.scenes)])
    kept = round(_PATCHES * (1 - settings.patch_dropout))
    keep = (
        None
        if whole
        else torch.from_numpy(rng.random((len(shown.cifar), _PATCHES)).argsort(1)[:, :kept].copy())
    )
    return Views(images, keep)


def make_captions(
    shown: Shown, soft: Tensor, language: Language, settings: Settings, rng: np.random.Generator
) -> Captions:
    """Draw captions for what a batch shows.

    Args:
        shown: images and labels.
        soft: (M, classes) the teacher's probabilities for the views of CIFAR-10's images.
        language: what captions are made of.
        settings: how many captions, and what the teacher's answer counts.
        rng: source of all that is random.
    """
    mentioned = rng.random((len(shown.values), len(ATTRIBUTES))) < np.array(MENTIONED)
    nouns = _nouns(shown, language, settings, mentioned)
    texts = [caption(noun, rng.random(3)) for part in nouns for noun in part]
    truth = torch.from_numpy(true_of(shown.values, mentioned)).float()
    named, spread = _cifar_targets(shown, soft, settings), truth / truth.sum(1, keepdim=True)
    combination = (shown.values[:, None, :2] == language.combinations[None]).all(-1)
    own = functional.one_hot(torch.from_numpy(shown.values[:, 0]), len(language.words.object))
    scenes = torch.cat([torch.from_numpy(combination).float(), own, spread], dim=1)
    columns = _diagonal(named, truth)
    mass = columns.sum(0)
    parts = (len(nouns[0]), len(nouns[1]), len(nouns[2]), len(nouns[3]))
    return Captions(
        texts, parts, _diagonal(named, scenes), columns / mass.clamp_min(_LEAST) * (mass > _LEAST)
    )


def _nouns(
    shown: Shown, language: Language, settings: Settings, mentioned: NDArray[np.bool_]
) -> list[list[str]]:
    """Return the noun phrases of the four parts of the captions."""
    words = language.words
    return [
        [name for name in CIFAR10 for _ in range(settings.captions_per_class)],
        [f"{words.colour[colour]} {words.object[thing]}" for thing, colour in language.combinations],
        list(words.object),
        [words.describe(value, said) for value, said in zip(shown.values, mentioned, strict=True)],
    ]


def _cifar_targets(shown: Shown, soft: Tensor, settings: Settings) -> Tensor:
    """Return (M, captions of classes): the caption's class in part, and those that the teacher names.

    A class's captions share that alike.
    """
    named = functional.one_hot(torch.from_numpy(shown.labels), len(CIFAR10))
    classes = settings.teacher_weight * soft + (1 - settings.teacher_weight) * named
    return classes.repeat_interleave(settings.captions_per_class, dim=1) / settings.captions_per_class


def contrast(logits: Tensor, captions: Captions) -> dict[str, Tensor]:
    """Return cross-entropies in nats, each a mean.

    ``photographs``: CIFAR-10's images over all captions. ``combinations``, ``objects`` and ``scenes``: scenes
    over these captions alone, so that what differs in one word has to be told apart. ``captions``: of classes
    and scenes, over all images.

    Args:
        logits: (M + S, captions) scaled cosine similarities.
        captions: the targets.
    """
    scenes = (
        len(captions.rows) - captions.parts[3]
    )  # the first one: there are as many captions of scenes as scenes
    out = {"photographs": _cross_entropy(logits[:scenes], captions.rows[:scenes])}
    pieces = zip(
        *(torch.split(one[scenes:], list(captions.parts), dim=1) for one in (logits, captions.rows)),
        strict=True,
    )
    for name, (scores, target) in zip(("combinations", "objects", "scenes"), list(pieces)[1:], strict=True):
        out[name] = _cross_entropy(scores, target)
    outer = torch.cat([logits[:, : captions.parts[0]], logits[:, -captions.parts[3] :]], dim=1)
    used = captions.columns.sum(0) > 0
    out["captions"] = _cross_entropy(outer.T[used], captions.columns.T[used])
    return out


def _diagonal(upper: Tensor, lower: Tensor) -> Tensor:
    """Return two matrices in one, the rest of it 0."""
    out = torch.zeros(upper.shape[0] + lower.shape[0], upper.shape[1] + lower.shape[1])
    out[: upper.shape[0], : upper.shape[1]] = upper
    out[upper.shape[0] :, upper.shape[1] :] = lower
    return out


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -(target * logits.log_softmax(1)).sum(1).mean()
