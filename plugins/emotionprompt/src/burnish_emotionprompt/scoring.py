"""Normalisation and metrics of answers, as named stages that can be switched.

After the harness that the authors released with a later paper (arXiv:2405.02814), which follows that of automatic prompt engineering.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from burnish.data import Labels, Texts
from burnish.errors import DataError

if TYPE_CHECKING:
    from burnish.data import Classes, Supervision
    from burnish_emotionprompt import ScoringConfig

_MARKERS: Final = re.compile(r"sentence [12]:", re.IGNORECASE)
_CHOICE: Final = re.compile(r"\(?\b([a-z])\b[).:]?", re.IGNORECASE)
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


def _markers(text: str) -> str:
    return _MARKERS.sub("", text.replace(" and ", " ")).strip()


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0]


def _first_sentence(text: str) -> str:
    return text.split(".")[0]


def _lower(text: str) -> str:
    return text.lower()


def _hyphens(text: str) -> str:
    return text.replace("-", " ")


def _punctuation(text: str) -> str:
    return text.translate(_PUNCTUATION).strip()


_STAGES: Final[dict[str, Callable[[str], str]]] = {
    "markers": _markers, "first-line": _first_line, "first-sentence": _first_sentence, "lower": _lower, "hyphens": _hyphens,
    "punctuation": _punctuation,
}  # fmt: skip


def normalise(text: str, stages: Sequence[str]) -> str:
    """Return a text after stages: ``markers`` (" and " and "Sentence 1:" go), ``first-line``, ``first-sentence`` (up to the first full stop),
    ``lower``, ``hyphens`` (become spaces), ``punctuation`` (goes).
    """  # noqa: D205 (the stages are one sentence)
    for stage in stages:
        text = _STAGES[stage](text)
    return text


def f1(answer: str, reference: str) -> float:
    """Return the harmonic mean of precision and recall over words, each counted as often as it stands there; 0 where none is shared."""
    said, right = answer.split(), reference.split()
    shared = sum((Counter(said) & Counter(right)).values())
    return 2 * shared / (len(said) + len(right)) if shared else 0.0


def _contains(answer: str, reference: str) -> float:
    return float(bool(reference) and re.search(rf"(?<!\w){re.escape(reference)}(?!\w)", answer) is not None)


def _choice(answer: str, reference: str) -> float:
    said, right = _CHOICE.search(answer), _CHOICE.search(reference)
    return float(said is not None and right is not None and said[1].lower() == right[1].lower())


METRICS: Final[dict[str, Callable[[str, str], float]]] = {
    "exact": lambda answer, reference: float(answer == reference),
    "set": lambda answer, reference: float(set(answer.split()) == set(reference.split())),
    "contains": _contains,
    "f1": f1,
    "choice": _choice,
}
"""Score in [0, 1] of a normalised answer against a normalised reference."""


def score(answer: str, references: Sequence[str], config: ScoringConfig, names: Sequence[str] = ()) -> float:
    """Return the score of an answer, in [0, 1]: the best over the references.

    Args:
        answer: as it came.
        references: acceptable answers, at least one.
        config: metric, stages and leniency.
        names: names of the classes, where there are classes.
    """
    metric = METRICS[config.metric]
    right = [normalise(reference, config.stages) for reference in references]
    return max(metric(candidate, reference) for candidate in _candidates(answer, config, names) for reference in right)


def _candidates(answer: str, config: ScoringConfig, names: Sequence[str]) -> Iterator[str]:
    """Yield what stands for an answer: itself, and what leniency makes of it."""
    yield normalise(answer, config.stages)
    if config.salvage == "any-word":
        yield from (word for part in answer.split() if (word := normalise(part, config.stages)))
    elif config.salvage == "class-name":
        # The whole answer, not its first line or sentence: the class may be named after an explanation.
        kept = [stage for stage in config.stages if stage not in ("first-line", "first-sentence")]
        whole = " ".join(normalise(answer, kept).split())
        named = [name for name in (normalise(name, kept) for name in names) if _contains(whole, name)]
        longest = [name for name in named if not any(name != other and _contains(other, name) for other in named)]
        if len(longest) == 1:
            yield longest[0]


def class_of(answer: str, names: Sequence[str], config: ScoringConfig) -> int:
    """Return the class that an answer names: the only one that the metric finds right, -1 where that is none or several."""
    right = [column for column, name in enumerate(names) if score(answer, (name,), config, names) >= 1]
    return right[0] if len(right) == 1 else -1


def references_of(supervision: Supervision, classes: Classes, where: str) -> list[tuple[str, ...]]:
    """Return the acceptable answers of N items; none where the target is unknown. A label's is the name of its class, with spaces.

    Raises:
        DataError: the targets are neither labels with names nor texts.
    """
    if isinstance(supervision, Texts):
        return list(supervision.references)
    if not isinstance(supervision, Labels):
        raise DataError(f"answers cannot be compared with {supervision.word}", where=where, possible="labels, texts")
    names = names_of(classes)
    return [(names[column],) if column >= 0 else () for column in supervision.y]


def names_of(classes: Classes) -> tuple[str, ...]:
    """Return the names of the classes as they are asked for: underscores are spaces."""
    return tuple(name.replace("_", " ") for name in classes.names)
