"""How a prompt is put together: instruction, stimulus, demonstrations, input."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Demonstration = tuple[str, str]
"""An input and its answer."""


@dataclass(frozen=True)
class Template:
    """The query of Li et al.

    (arXiv:2307.11760): zero-shot ``Instruction: p EP / Input: x / Answer:``, few-shot with demonstrations
    between.

    Attributes:
        instruction: p.
        placement: ``"after-instruction"``, or ``"after-input"``: on a line of its own behind the input, as
            promptbench does.
        released: no space between instruction and stimulus, and the slot of the demonstrations stays as an
            empty line where there are none.
    """

    instruction: str
    placement: Literal["after-instruction", "after-input"] = "after-instruction"
    released: bool = False

    def prompt(self, text: str, stimulus: str, demonstrations: Sequence[Demonstration] = ()) -> str:
        """Return the prompt of one input.

        Args:
            text: the input.
            stimulus: EP; empty for none.
            demonstrations: of a few-shot prompt.
        """
        behind = self.placement == "after-input"
        first = (
            self.instruction
            if behind or not stimulus
            else f"{self.instruction}{'' if self.released else ' '}{stimulus}"
        )
        shown = "\n\n".join(f"Input: {given}\nOutput: {answer}" for given, answer in demonstrations)
        between = f"{shown}\n" if shown or self.released else ""
        last = f"{stimulus}\n" if behind and stimulus else ""
        return f"Instruction: {first}\n\n{between}Input: {text}\n{last}Answer: "


def draw(pool: Sequence[Demonstration], shots: int, text: str, seed: int) -> list[Demonstration]:
    """Return the demonstrations of one input.

    The same for every stimulus, and drawn from its text and the seed alone.

    Args:
        pool: what they are drawn from, without replacement; items with the input's own text are no
            demonstrations of it.
        shots: how many.
        text: the input.
        seed: of the fit.
    """
    others = [pair for pair in pool if pair[0] != text]
    digest = hashlib.sha256(f"demonstrations\0{seed}\0{text}".encode("utf-8", "surrogatepass")).digest()
    chosen = np.random.default_rng(int.from_bytes(digest[:8], "little")).permutation(len(others))[:shots]
    return [others[at] for at in chosen]
