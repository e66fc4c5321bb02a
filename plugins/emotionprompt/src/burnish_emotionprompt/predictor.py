"""What the tuner returns: it makes prompts, and reads what a language model answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from burnish.contracts.language import Decoding
from burnish.contracts.scores import Scores
from burnish.contracts.tuner import Prompted
from burnish.errors import ModelFileError
from burnish_emotionprompt.prompts import Demonstration, Template, draw
from burnish_emotionprompt.scoring import class_of, names_of
from burnish_emotionprompt.stimuli import ORIGINAL, STIMULI, stimulus

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.data import Classes
    from burnish_emotionprompt import EmotionPromptConfig, PlainPromptConfig

WHERE = "emotionprompt"
Config: TypeAlias = "EmotionPromptConfig | PlainPromptConfig"


@dataclass(eq=False)
class StimulusPredictor(Prompted):
    """Asks with one stimulus or several, and answers with one of them (`burnish.contracts.tuner.Predictor`).

    Attributes:
        classes: the classes; none where answers are texts.
        config: the tuner's options.
        instruction: the whole instruction.
        names: stimuli that are asked with.
        chosen: place among them of the one that answers.
        pool: what demonstrations are drawn from.
        seed: of the fit.
        tried: score of each stimulus on validation, where one was chosen there.
    """

    classes: Classes
    config: Config
    instruction: str
    names: tuple[str, ...]
    chosen: int
    pool: tuple[Demonstration, ...]
    seed: int
    tried: Mapping[str, float]

    @property
    def decoding(self) -> Decoding:  # type: ignore[override]
        """How answers are made."""
        config = self.config
        return Decoding(config.max_new_tokens, config.temperature, config.top_p, config.stop)

    def prompts(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """Return a prompt for each stimulus and text; those of a text share its demonstrations."""
        template = Template(self.instruction, self.config.placement, self.config.variant == "released")
        shown = [draw(self.pool, self.config.shots, text, self.seed) for text in texts]
        return [
            tuple(template.prompt(text, stimulus(name), some) for name in self.names)
            for text, some in zip(texts, shown, strict=True)
        ]

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return what the chosen stimulus was answered, and the class it names.

        Args:
            features: (M, P) object array of the answers to `prompts`.
        """
        texts, names = tuple(str(text) for text in features[:, self.chosen]), names_of(self.classes)
        values = np.zeros((len(texts), len(names)), dtype=np.float32)
        for row, text in enumerate(texts):
            if (column := class_of(text, names, self.config)) >= 0:
                values[row, column] = 1
        return Scores("texts", values, self.classes, texts=texts)

    def embed(self, features: NDArray[Any]) -> None:
        """Return None: there is no such thing."""
        del features

    def state(self) -> Mapping[str, Tensor]:
        """Return nothing: no number is learnt."""
        return {}

    def info(self) -> Mapping[str, Any]:
        """Return instruction, stimuli, choice and demonstrations."""
        return {
            "instruction": self.instruction,
            "stimuli": list(self.names),
            "chosen": self.chosen,
            "pool": [list(pair) for pair in self.pool],
            "seed": self.seed,
            "validation": dict(self.tried),
        }

    @classmethod
    def restore(
        cls, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes, config: Config
    ) -> StimulusPredictor:
        """Return the predictor with this info.

        Raises:
            ModelFileError: it is not one that `info` gave.
        """
        if state:
            raise ModelFileError(f"it has no tensor {min(state)!r}", where=WHERE)
        try:
            names, chosen, seed = tuple(map(str, info["stimuli"])), info["chosen"], info["seed"]
            pool = tuple((given, answer) for given, answer in info["pool"])
            instruction, tried = (
                info["instruction"],
                {str(name): float(value) for name, value in info["validation"].items()},
            )
            whole = (
                isinstance(chosen, int)
                and 0 <= chosen < len(names)
                and isinstance(seed, int)
                and isinstance(instruction, str)
            )
            if not (
                whole
                and set(names) <= {ORIGINAL, *STIMULI}
                and all(isinstance(part, str) for pair in pool for part in pair)
            ):
                raise ValueError("a value is out of range")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFileError(f"its info is garbled: {error}", where=WHERE) from error
        return cls(classes, config, instruction, names, chosen, pool, seed, tried)
