"""Fits that are refused, and what demonstrations are drawn from."""

import dataclasses

import numpy as np
import pytest

from burnish.data import Classes, Labels, Texts
from burnish.errors import DataError, FitError
from burnish.testing.data import changed
from burnish.testing.outcomes import outcome
from burnish.testing.prompts import practice_on_texts
from burnish_emotionprompt import AnswersConfig, EmotionPromptConfig, PlainPromptConfig
from burnish_emotionprompt.evaluator import AnswerScores
from burnish_emotionprompt.tuner import EmotionPrompt


@pytest.mark.parametrize("names", [("C", "C++", "b"), ("+", "a", "b")])
def test_classes_that_answers_cannot_tell_apart_are_refused(names):
    task = dataclasses.replace(practice_on_texts().task, classes=Classes.of(names))
    with pytest.raises(FitError, match="after the stages"):
        EmotionPrompt(PlainPromptConfig()).fit(task)
    EmotionPrompt(PlainPromptConfig(stages=())).fit(task)
    made = dataclasses.replace(outcome(), classes=Classes.of(names))
    with pytest.raises(DataError, match="after the stages"):
        AnswerScores(AnswersConfig()).measure(made)


def test_references_that_no_answer_can_match_are_refused():
    task = practice_on_texts(references=True).task
    blue = dataclasses.replace(
        task.supervision,
        references=tuple(("blue",) if texts else () for texts in task.supervision.references),
    )
    with pytest.raises(FitError, match="reads a letter"):
        EmotionPrompt(PlainPromptConfig(instruction="Say it.", metric="choice")).fit(
            dataclasses.replace(task, supervision=blue)
        )
    made, plus = outcome(), Texts(references=(("+",),) * 120)
    answered = dataclasses.replace(made, classes=Classes.of([]), shown=plus, truth=plus)
    with pytest.raises(DataError, match="evaluate answers, test: of the reference"):
        AnswerScores(AnswersConfig()).measure(answered)


def weighted(task, weights):
    return dataclasses.replace(
        task, supervision=Labels(y=task.supervision.y, weights=weights.astype(np.float32))
    )


def test_items_without_weight_are_no_demonstrations():
    task = practice_on_texts().task
    weights = np.ones(len(task.supervision))
    train = task.splits["train"].index
    weights[train[:-4]] = 0
    pool = EmotionPrompt(PlainPromptConfig(shots=4)).fit(weighted(task, weights)).pool
    assert sorted(given for given, _ in pool) == sorted(task.texts("train")[-4:])
    weights[train[-1]] = 0
    with pytest.raises(FitError, match="3 training items have a target and a weight, for 4"):
        EmotionPrompt(PlainPromptConfig(shots=4)).fit(weighted(task, weights))


def test_stimuli_that_ask_for_a_confidence_score_are_judged_by_the_class():
    class Obedient:
        def generate(self, prompts, decoding, seeds):
            return [
                prompt.split(" is ")[-1].split()[0]
                + (", confidence score: 0.9" if "confidence score" in prompt else "")
                for prompt in prompts
            ]

    names = Classes.of(("north", "south", "west"))
    task = dataclasses.replace(practice_on_texts(model=Obedient()).task, classes=names)
    answers = {"a": "north", "b": "south", "c": "west"}
    given = task.texts
    task = changed(task, texts=lambda split: [text[:-1] + answers[text[-1]] for text in given(split)])
    tried = EmotionPrompt(EmotionPromptConfig()).fit(task).tried
    assert tried == dict.fromkeys(tried, 1.0)
    strict = EmotionPrompt(EmotionPromptConfig(salvage="none")).fit(task).tried
    assert {name for name, value in strict.items() if value == 0} == {"EP01", "EP06"}
