"""Normalisation of answers and references, as named stages that can be switched.

After the harness that the authors released with a later paper (arXiv:2405.02814), which follows that of
automatic prompt engineering. Unlike there, a full stop between digits and the minus of a number are kept:
3.14, 3.99 and -5 stay what they are.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from typing import Final

_MARKERS: Final = re.compile(r"sentence [12]:", re.IGNORECASE)
_CONTRACTIONS: Final = re.compile(r"\b(ca|do|does|was|were)n['\u2019]t\b", re.IGNORECASE)
_FULL_STOP: Final = re.compile(r"(?<!\d)\.|\.(?!\d)")
_MINUS: Final = r"(?<!\w)-(?=\d)"
_HYPHEN: Final = re.compile(rf"(?!{_MINUS})-")
_KEPT: Final = re.compile(rf"{_MINUS}|(?<=\d)\.(?=\d)")
_PUNCTUATION: Final = re.compile(f"[{re.escape(string.punctuation)}]")


def _markers(text: str) -> str:
    return _MARKERS.sub("", text.replace(" and ", " ")).strip()


def _contractions(text: str) -> str:
    return _CONTRACTIONS.sub(
        lambda found: f"{found[1]}nnot" if found[1].lower() == "ca" else f"{found[1]} not", text
    )


def _first_line(text: str) -> str:
    return text.strip().split("\n")[0]


def _first_sentence(text: str) -> str:
    return _FULL_STOP.split(text, maxsplit=1)[0]


def _lower(text: str) -> str:
    return text.lower()


def _hyphens(text: str) -> str:
    return _HYPHEN.sub(" ", text)


def _punctuation(text: str) -> str:
    kept = {found.start() for found in _KEPT.finditer(text)}
    return _PUNCTUATION.sub(lambda found: found[0] if found.start() in kept else "", text).strip()


_STAGES: Final[dict[str, Callable[[str], str]]] = {
    "markers": _markers,
    "contractions": _contractions,
    "first-line": _first_line,
    "first-sentence": _first_sentence,
    "lower": _lower,
    "hyphens": _hyphens,
    "punctuation": _punctuation,
}


def after_reasoning(answer: str) -> str:
    """Return what a model answered behind the last ``</think>``; all where it shows no reasoning."""
    return answer.rpartition("</think>")[2]


def normalise(text: str, stages: Sequence[str]) -> str:
    """Return a text after stages, in the order given.

    Args:
        text: an answer or a reference.
        stages: of ``markers`` (" and " and "Sentence 1:" go), ``contractions`` ("don't" becomes "do not",
            "can't" "cannot"; also doesn't, wasn't and weren't), ``first-line``, ``first-sentence`` (up to the
            first full stop that is not between digits), ``lower``, ``hyphens`` (become spaces, but for the
            minus of a number), ``punctuation`` (goes, but for that minus and full stops between digits).
    """
    for stage in stages:
        text = _STAGES[stage](text)
    return text
