"""What language models offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Decoding:
    """How a text is generated.

    Attributes:
        max_new_tokens: most tokens of an answer.
        temperature: 0 takes the likeliest token each time; above, tokens are drawn.
        top_p: of the drawn tokens, the smallest set with this probability.
        stop: texts that end an answer; they are not part of it.
    """

    max_new_tokens: int = 32
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


class Generates(Protocol):
    """``generate``: answers prompts with texts."""

    def generate(self, prompts: Sequence[str], decoding: Decoding, seeds: Sequence[int]) -> list[str]:
        """Return one answer a prompt, without the prompt.

        An answer depends on its own prompt, seed and the decoding alone.

        Raises:
            burnish.errors.DataError: a prompt is longer than the model's context.
        """


class ScoresText(Protocol):
    """``score-text``: says how likely a given continuation is."""

    def log_likelihood(self, prompts: Sequence[str], continuations: Sequence[str]) -> Tensor:
        """Return (B, L) float32 log-probabilities of each continuation's tokens after its prompt.

        They are in nats, and NaN where there is no token.
        """
