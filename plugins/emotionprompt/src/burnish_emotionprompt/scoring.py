"""Metrics of answers, their leniency, and the class that an answer names.

After the harness that the authors released with a later paper (arXiv:2405.02814), which follows that of
automatic prompt engineering.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from burnish.data import Labels, Texts
from burnish.errors import DataError
from burnish_emotionprompt.choices import letter_of
from burnish_emotionprompt.stages import after_reasoning, normalise

if TYPE_CHECKING:
    from burnish.data import Classes, Supervision
    from burnish_emotionprompt import ScoringConfig


def f1(answer: str, reference: str) -> float:
    """Return the harmonic mean of precision and recall over words, each counted as often as it stands there.

    0 where none is shared.
    """
    said, right = answer.split(), reference.split()
    shared = sum((Counter(said) & Counter(right)).values())
    return 2 * shared / (len(said) + len(right)) if shared else 0.0


def _spans(answer: str, reference: str, whole: bool) -> list[tuple[int, int]]:
    """Return where an answer has a reference, as whole words or anywhere.

    5 is a whole word neither of -5 nor of 5.1.
    """
    if not reference or reference not in answer:  # the second is for speed: most classes are not there
        return []
    before = r"(?<!\w)" + (r"(?<!\d\.)(?<!\s-)(?<!^-)" if reference[0].isdigit() else "")
    after = r"(?!\w)" + (r"(?!\.\d)" if reference[-1].isdigit() else "")
    pattern = f"{before}{re.escape(reference)}{after}" if whole else re.escape(reference)
    starts = [found.start() for found in re.finditer(f"(?={pattern})", answer)]  # they may overlap
    return [(start, start + len(reference)) for start in starts]


def _named(answer: str, names: Sequence[str], whole: bool) -> list[int]:
    """Return the places of the names that an answer has, other than within a longer one.

    "not good" does not name "good".
    """
    spans = [(span, place) for place, name in enumerate(names) for span in _spans(answer, name, whole)]
    outer = [(span, place) for span, place in spans if not any(_within(span, other) for other, _ in spans)]
    return sorted({place for _, place in outer})


def _within(inner: tuple[int, int], outer: tuple[int, int]) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1] and inner != outer


METRICS: Final[dict[str, Callable[[str, str], float]]] = {
    "exact": lambda answer, reference: float(answer == reference),
    "set": lambda answer, reference: float(set(answer.split()) == set(reference.split())),
    "contains": lambda answer, reference: float(bool(_spans(answer, reference, whole=True))),
    "substring": lambda answer, reference: float(bool(_spans(answer, reference, whole=False))),
    "f1": f1,
    "choice": lambda answer, reference: float(bool(answer) and answer == reference),
}
"""Score in [0, 1] of an answer against a reference.

Both normalised, or for ``choice`` their letters, empty where there is none.
"""

_WHOLE: Final = {"contains": True, "substring": False}
"""Metrics that look for a reference within the answer: whether as whole words."""


def score(answer: str, references: Sequence[str], config: ScoringConfig, names: Sequence[str] = ()) -> float:
    """Return the score of an answer, in [0, 1]: the best over the references.

    Of a class, 0 where the answer is right for another one, too.

    Args:
        answer: as it came; what it reasons before ``</think>`` is no part of it.
        references: acceptable answers, at least one; of a label the name of its class.
        config: metric, stages and leniency.
        names: names of the classes, where the references are among them.
    """
    answer = after_reasoning(answer)
    if not {*references} <= {*names}:
        return max(_against_texts(answer, references, config))
    values = _against_classes(answer, names, config)
    return (
        max(values[names.index(reference)] for reference in references)
        if sum(value >= 1 for value in values) <= 1
        else 0.0
    )


def class_of(answer: str, names: Sequence[str], config: ScoringConfig) -> int:
    """Return the class that an answer names.

    The only one that the metric finds right, -1 where that is none or several.
    """
    values = _against_classes(after_reasoning(answer), names, config)
    right = [column for column, value in enumerate(values) if value >= 1]
    return right[0] if len(right) == 1 else -1


def _against_texts(answer: str, references: Sequence[str], config: ScoringConfig) -> list[float]:
    """Return the score of an answer against each reference."""
    metric, right = METRICS[config.metric], _comparable(tuple(references), config.metric, config.stages)
    (said,) = _comparable((answer,), config.metric, config.stages)
    # A word of an answer has nothing that the whole does not have.
    words = said.split() if config.salvage == "any-word" and config.metric not in _WHOLE else []
    return [max(metric(candidate, reference) for candidate in (said, *words)) for reference in right]


def _against_classes(answer: str, names: Sequence[str], config: ScoringConfig) -> list[float]:
    """Return the score of an answer against each class.

    Of an answer that is none of them, what leniency makes of it.
    """
    if config.metric in _WHOLE:
        found = _named(
            normalise(answer, config.stages),
            _comparable(tuple(names), config.metric, config.stages),
            _WHOLE[config.metric],
        )
        values = [float(column in found) for column in range(len(names))]
    else:
        values = _against_texts(answer, names, config)
    if config.salvage == "class-name" and config.metric != "choice" and max(values, default=1) < 1:
        # The whole answer, not its first line or sentence: the class may be named after an explanation.
        kept = tuple(stage for stage in config.stages if stage not in ("first-line", "first-sentence"))
        whole = " ".join(normalise(answer, kept).split())
        known = [
            name if len(name) > 1 or name.isdigit() else ""
            for name in _comparable(tuple(names), "contains", kept)
        ]
        found = _named(whole, known, whole=True)  # a name of one letter may be any word, such as an article
        if len(found) == 1:
            values[found[0]] = 1.0
    return values


@lru_cache(maxsize=4096)
def _comparable(texts: tuple[str, ...], metric: str, stages: tuple[str, ...]) -> tuple[str, ...]:
    """Return texts as the metric compares them: their letters for ``choice``, else after the stages."""
    return tuple((letter_of(text) or "") if metric == "choice" else normalise(text, stages) for text in texts)


def check_references(references: Sequence[tuple[str, ...]], config: ScoringConfig, where: str) -> None:
    """Refuse acceptable answers that no answer can match.

    Args:
        references: of N items; none where the target is unknown.
        config: metric and stages.
        where: for the error.

    Raises:
        DataError: of every reference of an item nothing is left after the stages, or for the metric
            ``choice`` none has a letter.
    """
    for row, texts in enumerate(references):
        if texts and not any(_key(text, config) for text in texts):
            what = f"of the reference {texts[0]!r} of item {row} nothing is left {_reading(config)}"
            raise DataError(what, where=where, todo="Mend it, set fewer stages, or choose another metric")


def check_names(names: Sequence[str], config: ScoringConfig, where: str) -> None:
    """Refuse names of classes that answers cannot tell apart.

    Args:
        names: of the classes, as they are asked for.
        config: metric and stages.
        where: for the error.

    Raises:
        DataError: of a name nothing is left, or two are the same, after the stages; for the metric
            ``choice``, a name has no letter, or two have the same.
    """
    keys = [_key(name, config) for name in names]
    todo = "Rename classes, set fewer stages, or choose another metric"
    for column, key in enumerate(keys):
        if not key:
            raise DataError(
                f"of the class {names[column]!r} nothing is left {_reading(config)}", where=where, todo=todo
            )
        if (first := keys.index(key)) < column:
            raise DataError(
                f"the classes {names[first]!r} and {names[column]!r} are the same {_reading(config)}",
                where=where,
                todo=todo,
            )


def _key(text: str, config: ScoringConfig) -> tuple[str, ...]:
    """Return what two references share that the metric cannot tell apart.

    Nothing where it can match no answer.
    """
    words = _comparable((text,), config.metric, config.stages)[0].split()
    return tuple(
        sorted(set(words)) if config.metric == "set" else sorted(words) if config.metric == "f1" else words
    )


def _reading(config: ScoringConfig) -> str:
    return "for the metric choice, which reads a letter" if config.metric == "choice" else "after the stages"


def references_of(supervision: Supervision, classes: Classes, where: str) -> list[tuple[str, ...]]:
    """Return the acceptable answers of N items; none where the target is unknown.

    A label's is the name of its class, with spaces.

    Raises:
        DataError: the targets are neither labels with names nor texts.
    """
    if isinstance(supervision, Texts):
        return list(supervision.references)
    if not isinstance(supervision, Labels):
        raise DataError(
            f"answers cannot be compared with {supervision.word}", where=where, possible="labels, texts"
        )
    names = names_of(classes)
    return [(names[column],) if column >= 0 else () for column in supervision.y]


def names_of(classes: Classes) -> tuple[str, ...]:
    """Return the names of the classes as they are asked for: underscores are spaces."""
    return tuple(name.replace("_", " ") for name in classes.names)
