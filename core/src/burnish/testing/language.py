"""The contract of backbones that answer with texts and make no features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from burnish.config import to_options
from burnish.contracts.backbone import Runtime
from burnish.contracts.language import Decoding
from burnish.testing.backbone import FrozenContract
from burnish.testing.checks import expect, global_randomness_untouched, nothing_written
from burnish.testing.probe import ask

PROMPTS = ("one", "two words", "数据 with noise", "a longer prompt,\nof two lines.")


class LanguageModelContract(FrozenContract):
    """Tests of a language model.

    Override `options` where it has to be started first, such as a server for tests.

    Attributes:
        decoding: how answers are made in the tests.
    """

    decoding: ClassVar[Decoding] = Decoding(max_new_tokens=8)

    def model(self, folder: Path) -> Any:
        """Return the model."""
        return self.make(folder, Runtime())

    def test_it_says_what_it_reads_and_gives(self, tmp_path: Path) -> None:
        """It needs texts, and provides answers and no features."""
        model, descriptor = self.model(tmp_path), self.component().descriptor
        expect(
            model.modality == "text" and "text" in descriptor.needs,
            "a language model reads text, and its descriptor's needs say so",
        )
        provided = ask(
            "component",
            self.plugin,
            self.kind,
            self.name,
            self.key,
            json.dumps([to_options(self.config(tmp_path))]),
        )["provides"][0]
        expect(
            "generate" in provided and "features" not in provided,
            f"it provides {sorted(provided)}: generate is missing, or features too many",
        )

    def test_it_gives_one_answer_a_prompt(self, tmp_path: Path) -> None:
        """Answers are texts, in the order of the prompts, also of none and one.

        Nothing is written or drawn from global generators.
        """
        model = self.model(tmp_path)
        with global_randomness_untouched(f"backbone {self.name}"), nothing_written(f"backbone {self.name}"):
            together = model.generate(list(PROMPTS), self.decoding, list(range(len(PROMPTS))))
        expect(
            isinstance(together, list) and all(isinstance(text, str) for text in together),
            "generate gives no list of texts",
        )
        expect(len(together) == len(PROMPTS), f"{len(together)} answers to {len(PROMPTS)} prompts")
        expect(model.generate([], self.decoding, []) == [], "no prompts have answers")
        backwards = model.generate(list(PROMPTS[::-1]), self.decoding, list(range(len(PROMPTS)))[::-1])
        expect(backwards[::-1] == together, "an answer depends on the order of the prompts")
        alone = [model.generate([prompt], self.decoding, [seed])[0] for seed, prompt in enumerate(PROMPTS)]
        expect(alone == together, "a prompt alone has another answer than among others")
