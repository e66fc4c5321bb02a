"""A task of texts and a language model that answers it, for tuners that ask: no torch, no server."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.tuner import Reads
from burnish.data import Labels, Split, Supervision, Texts
from burnish.engine.answers.answers import ask, item_seeds
from burnish.testing.data import Practice, WatchedTask, class_names, items_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.language import Decoding

_SAID = re.compile(r"number \d+ is ([a-z]+)")


class PracticeModel:
    """Answers with the class of the last text in a prompt, and now and then with ``no idea``.

    It is a `burnish.contracts.language.Generates`.

    Args:
        doubt: share of prompts that it has no idea of, where tokens are drawn.

    Attributes:
        asked: every prompt it was given, with its seed.
    """

    def __init__(self, doubt: float = 0.05) -> None:
        self.doubt, self.asked = doubt, list[tuple[str, int]]()

    def generate(self, prompts: Sequence[str], decoding: Decoding, seeds: Sequence[int]) -> list[str]:
        """Return one answer a prompt."""
        return [self._answer(prompt, decoding, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    def _answer(self, prompt: str, decoding: Decoding, seed: int) -> str:
        self.asked.append((prompt, seed))
        draw = hashlib.sha256(f"{seed} {prompt}".encode()).digest()[0] / 256
        said = _SAID.findall(prompt)
        return said[-1] if said and not (decoding.temperature > 0 and draw < self.doubt) else "no idea"


@dataclass(frozen=True, eq=False)
class TextPractice(Practice):
    """A task of texts.

    Attributes:
        test_texts: the M texts of the test set.
    """

    test_texts: Sequence[str] = ()

    def read_by(self, predictor: Any) -> NDArray[Any]:
        """Return what the model answers a predictor's prompts for the test set, (M, P) str objects."""
        _, ids = items_of("text", self.test_texts)
        return ask(
            lambda: self.backbone,
            predictor.prompts(self.test_texts),
            predictor.decoding,
            item_seeds(ids, predictor.seed),
        )


def practice_on_texts(
    classes: int = 3,
    *,
    n: int = 60,
    relabel: Callable[[NDArray[np.int64]], NDArray[np.int64]] = lambda y: y,
    replicate: int = 0,
    references: bool = False,
    model: Any = None,
) -> TextPractice:
    """Return a task of texts such as ``"number 7 is b"``, whose class is the last word.

    A fifth each for test and validation.

    Args:
        classes: C, at most 26.
        n: items.
        relabel: what becomes of the labels of training and validation items.
        replicate: whose randomness.
        references: give acceptable answers (`burnish.data.Texts`) instead of labels.
        model: the language model; None for a `PracticeModel`.
    """
    names = class_names(classes)
    y = np.random.default_rng(0).permutation(np.arange(n) % classes).astype(np.int64)
    texts = [f"number {row} is {names.names[column]}" for row, column in enumerate(y)]
    _, ids = items_of("text", texts)
    part = np.arange(n) % 5
    roles = {"train": part >= 2, "validation": part == 1, "test": part == 0}
    splits = {name: Split(name, np.flatnonzero(chosen).astype(np.int64)) for name, chosen in roles.items()}
    shown = {name: split for name, split in splits.items() if name != "test"}
    observed = relabel(y.copy())
    observed[splits["test"].index] = -1
    supervision: Supervision = Labels(y=observed)
    if references:
        supervision = Texts(
            references=tuple((names.names[column],) if column >= 0 else () for column in observed)
        )
    backbone, asked = model or PracticeModel(), list[str]()
    task = WatchedTask(
        classes=class_names(0) if references else names,
        splits=shown,
        supervision=supervision,
        assessment=None,
        loss=None,
        groups={},
        reads=_TextReads(backbone, texts, ids),
        replicate=replicate,
        asked=asked,
    )
    test = splits["test"].index
    rows = np.zeros((len(test), 1), dtype=np.float32)
    return TextPractice(task, rows, y[test], asked, backbone, None, [texts[row] for row in test])


@dataclass(frozen=True, eq=False)
class _TextReads(Reads):
    """Reads texts and asks the practice model (`burnish.contracts.tuner.Reads`)."""

    model: Any
    items: Sequence[str]
    ids: NDArray[np.uint8]

    def backbone(self) -> Any:
        """Return the model."""
        return self.model

    def texts(self, index: NDArray[Any]) -> list[str]:
        """Return the texts at positions `index`."""
        return [self.items[position] for position in index]

    def ask(
        self, index: NDArray[Any], prompts: Sequence[Sequence[str]], decoding: Decoding, seed: int
    ) -> NDArray[Any]:
        """Return (M, P) answers."""
        return ask(lambda: self.model, prompts, decoding, item_seeds(self.ids[index], seed))
