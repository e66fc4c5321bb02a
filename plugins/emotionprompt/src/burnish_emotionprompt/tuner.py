"""EmotionPrompt (Li et al. 2023, arXiv:2307.11760).

A stimulus behind the prompt, and nothing else changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.errors import DataError, FitError
from burnish_emotionprompt.predictor import WHERE, Config, StimulusPredictor
from burnish_emotionprompt.scoring import check_names, check_references, names_of, references_of, score
from burnish_emotionprompt.stimuli import ORIGINAL, STIMULI

if TYPE_CHECKING:
    from torch import Tensor

    from burnish.contracts.tuner import Task
    from burnish.data import Classes
    from burnish_emotionprompt.prompts import Demonstration

_INSTRUCTION = "Choose the class of the text. Answer with nothing but one of these: {classes}."


class EmotionPrompt:
    """Puts a stimulus into prompts; `best` and `all` choose it on validation, among the eleven.

    The paper's figures choose it on the test items themselves: that is the oracle, which the evaluator
    `answers` gives beside it.

    Args:
        config: prompt, decoding and stimulus.
    """

    def __init__(self, config: Config) -> None:
        self.config = config

    def fit(self, task: Task) -> StimulusPredictor:
        """Draw the pool of demonstrations, and choose the stimulus where that is asked for.

        Raises:
            FitError: no training item can be a demonstration, no validation item has a target, there is no
                instruction, answers cannot tell the classes apart, or a prompt is longer than the context of
                the model.
        """
        config = self.config
        try:
            references = references_of(task.supervision, task.classes, WHERE)
            if not task.classes.named and len(task.classes):
                raise DataError(
                    "the classes have no names to answer with",
                    where=WHERE,
                    todo="Name the classes in the data",
                )
            check_names(names_of(task.classes), config, WHERE)
            check_references(references, config, WHERE)
            instruction, pool = self._instruction(task.classes), self._pool(task, references)
            asked = {"best": tuple(STIMULI), "all": (ORIGINAL, *STIMULI)}.get(
                config.stimulus, (config.stimulus,)
            )
            predictor = StimulusPredictor(task.classes, config, instruction, asked, 0, pool, task.seed, {})
            if len(asked) > 1:
                tried = self._validated(task, references, predictor)
                best = max(STIMULI, key=tried.__getitem__)  # the first where several are equal
                kept = (best,) if config.stimulus == "best" else asked
                predictor = replace(predictor, tried=tried, names=kept, chosen=kept.index(best))
        except DataError as error:
            raise FitError(
                error.what, where=error.where or WHERE, possible=error.possible, todo=error.todo
            ) from error
        task.run.progress(1, 1)
        return predictor

    def _instruction(self, classes: Classes) -> str:
        text = self.config.instruction or (_INSTRUCTION if len(classes) else "")
        if not text:
            raise FitError(
                "there is no instruction, and no classes to make one of",
                where=WHERE,
                todo="Write instruction=...",
            )
        return text.replace("{classes}", ", ".join(names_of(classes)))

    def _pool(self, task: Task, references: Sequence[tuple[str, ...]]) -> tuple[Demonstration, ...]:
        """Return at most `pool` training items with a target and a weight.

        The answer of one with several references is its first.
        """
        if not self.config.shots:
            return ()
        split = task.splits["train"]
        known = _usable(task, references, "train")
        if len(known) < self.config.shots:
            what = (
                f"{len(known)} training items have a target and a weight, for {self.config.shots}"
                " demonstrations"
            )
            raise FitError(what, where=WHERE, todo="Ask for fewer shots")
        drawn = np.sort(task.generator("demonstrations").permutation(len(known))[: self.config.pool])
        texts = task.texts("train")
        return tuple((texts[known[at]], references[split.index[known[at]]][0]) for at in drawn)

    def _validated(
        self, task: Task, references: Sequence[tuple[str, ...]], predictor: StimulusPredictor
    ) -> dict[str, float]:
        """Return the mean score of each stimulus on validation, over items with a target, by weight."""
        split = task.splits.get("validation")
        weights = task.supervision.weights
        rows = [] if split is None else _usable(task, references, "validation")
        if split is None or not rows:
            todo = "Set split.validation above 0, or name a stimulus"
            raise FitError("no validation item has a target to choose a stimulus by", where=WHERE, todo=todo)
        answers = task.ask("validation", predictor.prompts(task.texts("validation")), predictor.decoding)
        names = names_of(task.classes)
        counts = np.array([1.0 if weights is None else float(weights[split.index[row]]) for row in rows])
        right = np.array(
            [
                [score(text, references[split.index[row]], self.config, names) for text in answers[row]]
                for row in rows
            ]
        )
        return dict(zip(predictor.names, (counts @ right / counts.sum()).tolist(), strict=True))

    def restore(
        self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> StimulusPredictor:
        """Return the predictor with this info.

        Raises:
            burnish.errors.ModelFileError: it is garbled.
        """
        return StimulusPredictor.restore(state, info, classes, self.config)


def _usable(task: Task, references: Sequence[tuple[str, ...]], split: str) -> list[int]:
    """Return the rows of a split's items that have a target and a weight above 0."""
    weights = task.supervision.weights
    return [
        row
        for row, at in enumerate(task.splits[split].index)
        if references[at] and (weights is None or weights[at] > 0)
    ]
