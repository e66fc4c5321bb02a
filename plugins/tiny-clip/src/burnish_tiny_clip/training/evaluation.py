"""Zero-shot accuracies of a finished model: open_clip's own forward pass, class names in templates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from burnish_tiny_clip.training.captions import CIFAR10, EVALUATION, Words
from burnish_tiny_clip.training.images import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish_tiny_clip.training.data import Images

    Tokenize = Callable[[list[str]], Tensor]

_CHUNK = 250


def accuracies(model: Any, tokenize: Tokenize, tests: Mapping[str, Images], words: Words) -> dict[str, float]:
    """Return zero-shot accuracies on CIFAR-10, and on seen and unseen combinations.

    On combinations they are among their own kind, among all 120, and by style.

    Args:
        model: an ``open_clip.CLIP`` in evaluation mode, in float32.
        tokenize: texts to tokens.
        tests: ``cifar10``, and the splits ``test`` and ``test:new`` of the scenes.
        words: of the scenes' attributes.
    """
    out = {
        "cifar10": _mean(
            hits(
                image_features(model, tests["cifar10"].pixels),
                noun_features(model, tokenize, CIFAR10),
                tests["cifar10"].values[:, 0],
            )
        )
    }
    seen, new = (np.unique(tests[split].values[:, :2], axis=0) for split in ("test", "test:new"))
    for name, split, own in (("seen", "test", seen), ("unseen", "test:new", new)):
        images = image_features(model, tests[split].pixels)
        for suffix, combinations in (("", own), ("_of_all", np.concatenate([seen, new]))):
            nouns = noun_features(
                model,
                tokenize,
                [f"{words.colour[colour]} {words.object[thing]}" for thing, colour in combinations],
            )
            found = hits(images, nouns, answers(tests[split].values, combinations))
            out[f"scenes_{name}{suffix}"] = _mean(found)
            if not suffix:
                styles = tests[split].values[:, 4]
                out |= {
                    f"scenes_{name}_{word}": _mean(found[styles == style])
                    for style, word in enumerate(words.style)
                }
    return out


def answers(values: NDArray[np.int64], combinations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (N,) the row of each scene's object and colour among combinations (M, 2)."""
    return np.asarray((values[:, None, :2] == combinations[None]).all(-1).argmax(1))


@torch.inference_mode()
def noun_features(model: Any, tokenize: Tokenize, nouns: Sequence[str]) -> Tensor:
    """Return (M, D) normalised.

    For each noun the mean of its normalised embeddings over the templates `EVALUATION`.
    """
    embedded = [
        functional.normalize(model.encode_text(tokenize([form.format(noun) for noun in nouns])), dim=-1)
        for form in EVALUATION
    ]
    return functional.normalize(torch.stack(embedded).mean(0), dim=-1)


@torch.inference_mode()
def image_features(model: Any, pixels: NDArray[np.uint8]) -> Tensor:
    """Return features (N, D) of images (N, 32, 32, 3)."""
    return torch.cat(
        [
            model.encode_image(normalise(pixels[start : start + _CHUNK]))
            for start in range(0, len(pixels), _CHUNK)
        ]
    )


def hits(images: Tensor, nouns: Tensor, truth: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (N,) whether the noun with the largest cosine is the right one."""
    return np.asarray((images @ nouns.T).argmax(1).numpy() == truth)


def _mean(found: NDArray[np.bool_]) -> float:
    return round(float(found.mean()), 4)
