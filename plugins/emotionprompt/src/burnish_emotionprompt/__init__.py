"""EmotionPrompt: eleven emotional stimuli put into prompts, and whether they help on your items and model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import burnish
from burnish.errors import ConfigError

BURNISH_API = 1

PAPER = "arXiv:2307.11760"

Stimulus = Literal[
    "EP01", "EP02", "EP03", "EP04", "EP05", "EP06", "EP07", "EP08", "EP09", "EP10", "EP11", "best", "all"
]
Placement = Literal["after-instruction", "after-input"]
STAGES = ("markers", "contractions", "first-line", "first-sentence", "lower", "hyphens", "punctuation")
"""Stages of normalisation, in the order in which the released code of the same authors applies them."""

MEASURES = {
    "exact": "exact-match",
    "set": "exact-set",
    "contains": "contains",
    "substring": "substring",
    "f1": "f1",
    "choice": "multiple-choice",
}
"""Name of the measure by metric."""


@dataclass(frozen=True)
class ScoringConfig:
    """How an answer is compared with what is right."""

    metric: Literal["exact", "set", "contains", "substring", "f1", "choice"] = field(
        default="exact",
        metadata={
            "help": (
                "exact: same text; set: same words; contains: as whole words; substring: anywhere; f1: of"
                " words; choice: same letter"
            )
        },
    )
    stages: tuple[str, ...] = field(
        default=STAGES, metadata={"help": "stages of normalisation, of answers and references, in this order"}
    )
    salvage: Literal["none", "any-word", "class-name"] = field(
        default="class-name",
        metadata={
            "help": (
                "leniency: any-word: one word of the answer is enough; class-name: the only class named"
                " anywhere counts, if there is one"
            )
        },
    )

    def __post_init__(self) -> None:
        unknown = [stage for stage in self.stages if stage not in STAGES]
        if unknown:
            raise ConfigError(f"{unknown[0]!r} is no stage", where="stages", possible=", ".join(STAGES))


@dataclass(frozen=True)
class PromptConfig(ScoringConfig):
    """The prompt, and how it is answered."""

    instruction: str = field(
        default="",
        metadata={
            "help": (
                "what to do with the text; {classes} stands for the names of the classes. Made from them if"
                " not given"
            )
        },
    )
    variant: Literal["paper", "released"] = field(
        default="paper",
        metadata={
            "help": (
                "released: no space before the stimulus, and an empty line where demonstrations would stand"
            )
        },
    )
    shots: int = field(
        default=0,
        metadata={
            "help": "demonstrations from train in each prompt, drawn for each item; paper: 0 or 5",
            "range": (0, 64),
        },
    )
    pool: int = field(
        default=200,
        metadata={"help": "training items that demonstrations are drawn from", "range": (1, 10_000)},
    )
    temperature: float = field(
        default=0.7, metadata={"help": "0 takes the likeliest token each time", "range": (0, 2)}
    )
    top_p: float = field(
        default=1.0, metadata={"help": "share of probability that tokens are drawn from", "range": (0.01, 1)}
    )
    max_new_tokens: int = field(default=50, metadata={"help": "most tokens of an answer", "range": (1, 4096)})
    stop: tuple[str, ...] = field(default=(), metadata={"help": "texts that end an answer"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pool < self.shots:
            raise ConfigError(
                f"a pool of {self.pool} cannot give {self.shots} demonstrations",
                where="pool",
                possible=f"{self.shots} and more",
            )


@dataclass(frozen=True)
class PlainPromptConfig(PromptConfig):
    """The prompt alone."""

    stimulus: ClassVar[str] = "none"
    placement: ClassVar[Placement] = "after-instruction"


@dataclass(frozen=True)
class EmotionPromptConfig(PromptConfig):
    """The prompt, and which stimulus it gets."""

    stimulus: Stimulus = field(
        default="best",
        metadata={
            "help": (
                "EP01 to EP11; best: of the eleven on validation; all: asks with all and the prompt alone,"
                " answers as best"
            )
        },
    )
    placement: Placement = field(
        default="after-instruction",
        metadata={
            "help": (
                "where the stimulus stands: behind the instruction, or on a line of its own behind the input"
            )
        },
    )


@dataclass(frozen=True)
class AnswersConfig(ScoringConfig):
    """What is measured of answers."""

    chance: float | None = field(
        default=None,
        metadata={"help": "score of guessing, for the score between chance and expert", "range": (0, 1)},
    )
    expert: float = field(
        default=1.0,
        metadata={"help": "score of an expert, for the score between chance and expert", "range": (0, 1)},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chance is not None and self.chance >= self.expert:
            raise ConfigError("chance is not below expert", where="answers")


def measures(config: AnswersConfig) -> tuple[str, ...]:
    """Return the names of what `answers` measures: some of labels alone, some of several stimuli alone."""
    metric = MEASURES[config.metric]
    among = (f"{metric}-original", f"{metric}-mean-stimulus", f"{metric}-oracle")
    return (metric, "unparsed", *among, *(("normalised-score",) if config.chance is not None else ()))


@burnish.hookimpl
def burnish_tuners() -> list[burnish.Tuner]:
    """Return the method and its control."""
    return [
        burnish.Tuner(
            name="plain-prompt",
            summary="The prompt of a language model without any stimulus: the control of emotionprompt",
            paper=PAPER,
            target="burnish_emotionprompt.tuner:EmotionPrompt",
            config=PlainPromptConfig,
            needs=frozenset({"text", "generate"}),
            provides=frozenset({"own-loss", "control"}),
        ),
        burnish.Tuner(
            name="emotionprompt",
            summary="Emotional stimuli in prompts of a language model, the best one chosen on validation",
            paper=PAPER,
            target="burnish_emotionprompt.tuner:EmotionPrompt",
            config=EmotionPromptConfig,
            needs=frozenset({"text", "generate"}),
            provides=frozenset({"own-loss"}),
        ),
    ]


@burnish.hookimpl
def burnish_evaluators() -> list[burnish.Evaluator]:
    """Return the evaluator of answers."""
    return [
        burnish.Evaluator(
            name="answers",
            summary=(
                "Answers against classes or references after named stages; with all stimuli their mean, table"
                " and oracle choice"
            ),
            paper=PAPER,
            target="burnish_emotionprompt.evaluator:AnswerScores",
            measures="burnish_emotionprompt:measures",
            config=AnswersConfig,
            needs=frozenset({"truth"}),
        )
    ]


@burnish.hookimpl
def burnish_recipes() -> list[burnish.RecipeFile]:
    """Return the recipes."""
    return burnish.recipes("burnish_emotionprompt")
