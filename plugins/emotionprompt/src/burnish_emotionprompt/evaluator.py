"""Measures of answers: the score, and with several stimuli their mean and the paper's oracle choice.

With several stimuli, each is also measured against the prompt alone.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import numpy as np

from burnish.blocks import ratio_measure
from burnish.contracts.evaluator import Measure, Measures, Outcome, Table
from burnish.data import Labels
from burnish_emotionprompt import MEASURES
from burnish_emotionprompt.scoring import check_names, check_references, names_of, references_of, score
from burnish_emotionprompt.stimuli import ORIGINAL, STIMULI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from burnish_emotionprompt import AnswersConfig

WHERE = "evaluate answers"
NO_TARGET = "no item has a known target"


class AnswerScores:
    """Mean score of answers on every split; scores of classes count by the name of the top class.

    Args:
        config: metric, stages, leniency, and the scores of chance and expert.
    """

    def __init__(self, config: AnswersConfig) -> None:
        self.config = config

    def measure(self, outcome: Outcome) -> Measures:
        """Return the metric; ``unparsed`` for labels.

        And where several stimuli were asked with, those that `_of_stimuli` makes.

        Raises:
            DataError: the targets are neither labels nor texts, or answers cannot tell the classes apart.
        """
        check_names(names_of(outcome.classes), self.config, WHERE)
        scalars: list[Measure] = []
        tables: list[Table] = []
        for split in outcome.splits:
            references = references_of(outcome.targets(split), outcome.classes, WHERE)
            check_references(references, self.config, f"{WHERE}, {split}")
            known = [row for row, texts in enumerate(references) if texts]
            units = outcome.units(split)[known]
            names = names_of(outcome.classes)
            texts = _texts(outcome, split, names)
            right = self._scores([texts[row] for row in known], [references[row] for row in known], names)
            metric = MEASURES[self.config.metric]
            value = ratio_measure(metric, split, units, right, nothing=NO_TARGET)
            scalars += [value, *self._between(value)]
            if isinstance(outcome.targets(split), Labels):
                unnamed = outcome.scores(split).top()[known] < 0
                how = "share of answers that name no class, or several"
                scalars.append(
                    ratio_measure(
                        "unparsed", split, units, unnamed, better="down", how=how, nothing=NO_TARGET
                    )
                )
            answers = outcome.answers(split)
            if answers is not None and len(answers.names) > 1:
                right_ones = [references[row] for row in known]
                columns = [answers.texts[known, at].tolist() for at in range(len(answers.names))]
                by_stimulus = {
                    name: self._scores(column, right_ones, names)
                    for name, column in zip(answers.names, columns, strict=True)
                }
                found, table = _of_stimuli(metric, split, by_stimulus, units)
                scalars += found
                tables.append(table)
        return Measures(tuple(scalars), tuple(tables))

    def _scores(
        self, texts: Sequence[str], references: Sequence[tuple[str, ...]], names: Sequence[str]
    ) -> NDArray[np.float64]:
        pairs = zip(texts, references, strict=True)
        return np.array([score(text, right, self.config, names) for text, right in pairs], dtype=np.float64)

    def _between(self, value: Measure) -> list[Measure]:
        """Return BIG-Bench's preferred metric, where chance is given.

        It is (value - chance) / (expert - chance), and may be negative.
        """
        if self.config.chance is None:
            return []
        between = (value.value - self.config.chance) / (self.config.expert - self.config.chance)
        how = (
            value.how
            or f"{value.name}: 0 is chance ({self.config.chance:g}), 1 is an expert ({self.config.expert:g})"
        )
        return [Measure("normalised-score", value.split, between, "1", n=value.n, how=how)]


def _texts(outcome: Outcome, split: str, names: Sequence[str]) -> Sequence[str]:
    scores = outcome.scores(split)
    return scores.texts if scores.texts is not None else [names[column] for column in scores.top()]


def _of_stimuli(
    metric: str, split: str, by_stimulus: dict[str, NDArray[np.float64]], units: NDArray[np.int64]
) -> tuple[list[Measure], Table]:
    """Return the mean over the eleven stimuli, the prompt alone, the oracle, and a table.

    The table has every stimulus against the prompt alone.
    """
    eleven = [by_stimulus[name] for name in STIMULI]
    mean = np.mean(eleven, axis=0)
    shown = (
        (f"{metric}-original", by_stimulus[ORIGINAL], "the prompt without a stimulus"),
        (f"{metric}-mean-stimulus", mean, "mean over the eleven stimuli"),
    )
    scalars = [
        ratio_measure(name, split, units, values, how=how, nothing=NO_TARGET) for name, values, how in shown
    ]
    if len(units):
        oracle = max(STIMULI, key=lambda name: float(by_stimulus[name].mean()))
        how = (
            f"oracle: {oracle}, the best of eleven chosen on these very items, as in the paper's figures; too"
            " high for new items"
        )
        scalars.append(
            Measure(f"{metric}-oracle", split, float(by_stimulus[oracle].mean()), n=len(units), how=how)
        )
    else:
        scalars.append(Measure(f"{metric}-oracle", split, float("nan"), how=NO_TARGET))
    rows = []
    for name, values in by_stimulus.items():
        more, less = int((values > by_stimulus[ORIGINAL]).sum()), int((values < by_stimulus[ORIGINAL]).sum())
        mean = float(values.mean()) if len(values) else float("nan")
        apart = float((values - by_stimulus[ORIGINAL]).mean()) if len(values) else float("nan")
        rows.append((name, mean, apart, more, less, sign_test(more, less)))
    head = ("stimulus", metric, "difference", "better items", "worse items", "p (sign test)")
    return scalars, Table(
        "stimuli",
        split,
        {title: list(column) for title, column in zip(head, zip(*rows, strict=True), strict=True)},
    )


def sign_test(better: int, worse: int) -> float:
    """Return the two-sided p-value that as many items or more differ in one direction by chance.

    Of right and wrong answers it is McNemar's exact
    test. Not corrected for the number of stimuli.
    """
    n = better + worse
    tail = sum(comb(n, k) for k in range(min(better, worse) + 1))
    return float(min(1.0, 2 * tail / 2**n))
