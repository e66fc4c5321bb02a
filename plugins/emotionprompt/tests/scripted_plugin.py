"""A plugin for the tests.

Labelled texts or texts with references, and a language model with a script that likes one stimulus.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

import burnish
from burnish.errors import DataError

BURNISH_API = 1

NAMES = ("good", "bad", "so_so")
LIKED = "take pride in your work"


@dataclass(frozen=True)
class NumbersConfig:
    """Which targets."""

    references: bool = field(default=False, metadata={"help": "texts instead of labels"})


class Numbers:
    def __init__(self, config):
        self.config = config

    def load(self):
        import numpy as np

        from burnish.data import Classes, Dataset, Labels, Texts, content_id
        from burnish.testing.data import Rows

        y = np.arange(150) % 3
        texts = [f"number {i} is {NAMES[c]}" for i, c in enumerate(y)]
        labels = Labels(y=y.astype(np.int64))
        references = Texts(references=tuple((NAMES[c].replace("_", " "), "the same") for c in y))
        return Dataset.build(
            name="numbers",
            modality="text",
            ids=[content_id("text", text) for text in texts],
            reader=Rows(texts),
            classes=Classes.of([] if self.config.references else NAMES),
            supervision=references if self.config.references else labels,
        )


class Model:
    """Right on two thirds of the numbers, on all with the stimulus it likes; answers need normalisation."""

    modality = "text"
    views = False
    asked: ClassVar[list[str]] = []

    def __init__(self, config, runtime):
        del config, runtime

    def generate(self, prompts, decoding, seeds):
        if any("endless" in prompt for prompt in prompts):
            raise DataError("a prompt is longer than the context of the model")
        Model.asked += prompts
        return [self.answer(prompt) for prompt in prompts]

    def answer(self, prompt):
        (number, said), *_ = re.findall(r"number (\d+) is (\w+)", prompt)[-1:]
        knows = LIKED in prompt.lower() or int(number) % 3 != 0 or int(number) % 2 == 0
        return f"{said.replace('_', '-').title()}.\nThat is all." if knows else "I cannot say"


@burnish.hookimpl
def burnish_sources():
    def words(name):
        return f"{__name__}:{name}"

    return [
        burnish.Source(
            name="numbers",
            summary="Numbers.",
            target=words("Numbers"),
            config=NumbersConfig,
            provides=words("provides"),
        )
    ]


def provides(config):
    return {"text", "texts" if config.references else "labels"}


@burnish.hookimpl
def burnish_backbones():
    needs, provides = frozenset({"text"}), frozenset({"generate", "not-reproducible"})
    return [
        burnish.Backbone(
            name="scripted", summary="A script.", target=f"{__name__}:Model", needs=needs, provides=provides
        )
    ]
