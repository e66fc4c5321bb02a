"""The letter that an answer to a multiple choice gives."""

from __future__ import annotations

import re
from typing import Final

_STEPS: Final = (
    # \boxed{B}, as mathematics is answered.
    re.compile(r"\\boxed\{\s*([A-Za-z])\s*\}"),
    # (B), [b]; not the plural of "option(s)".
    re.compile(r"(?<!\w)[(\[]([A-Za-z])[)\]]"),
    # The answer is B; Answer: b; option B; choice: B; I choose B; therefore, B. Small letters, "I" and "A"
    # are words unless the clause ends with them: the answer is a dog.
    re.compile(
        r"""(?i:\banswer(?:\s+(?:is|should\s+be|would\s+be)\b:?|\s*:)|\bfinal\s+answer\b"""
        r"""|\b(?:option|choice)\b(?:\s+is\b)?:?|\bchoose\b|\b(?:therefore|thus|hence)\b,?)[\s*_"'`]*"""
        r"""(?:([B-HJ-Z])(?!\w|['\u2019]\w)"""
        r"""|([A-Za-z])(?=[ \t]*(?:$|[^\w \t'\u2019-]|['\u2019-](?!\w))|\s+because\b))"""
    ),
    # B; B) blue; B. Blue; B - blue; B, I think; B on a line of its own. "I, as a doctor" and "e.g. blue" are
    # words.
    re.compile(r"""^[\s*_"'`]*(?!I(?:,|\s+-))([A-Za-z])[*_"'`]*(?:\s*$|[ \t]*\n|[):,]|\s+-\s|\.(?!\w))"""),
    # The only capital that stands alone: surely C.
    re.compile(r"(?<!\w)(?<!\w['\u2019-])([B-HJ-Z])(?!\w|['\u2019-]\w)"),
)


def letter_of(text: str) -> str | None:
    r"""Return the letter that a text chooses, small; None where it has none, or several where it is decided.

    The first of these decides that finds any: a letter in ``\boxed{}``; in brackets; behind "answer is",
    "answer:", "option", "choice", "choose" or "therefore"; at the start, alone or before ``)``, ``.``, ``:``,
    ``,``, a dash or the end of the line; a capital that stands alone, other than "I" and "A".

    Args:
        text: an answer or a reference as it came.
    """
    for step in _STEPS:
        found = {letter.lower() for match in step.finditer(text) for letter in match.groups() if letter}
        if found:
            return found.pop() if len(found) == 1 else None
    return None
