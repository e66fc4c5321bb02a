"""Parts of generation: how tokens are drawn, where answers end, what is read from the model's files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from burnish_huggingface.place import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from burnish.contracts.language import Decoding

_settings: Final[Any] = GenerationConfig  # which is not typed
_MARKS: Final = ("bos_token_id", "eos_token_id", "decoder_start_token_id")
_FILE: Final = "generation_config.json"


def marks(model: Any, tokenizer: Any, folder: Path | None, padding: int) -> dict[str, Any]:
    """Return the token ids that start and end texts.

    Of the generation file, else of the config, else of the tokenizer.

    Nothing else of the generation file is used, such as sampling or penalties:
    `burnish.contracts.language.Decoding` says it all.
    """
    said = read_json(folder / _FILE) if folder is not None and (folder / _FILE).is_file() else {}
    found: dict[str, Any] = {"pad_token_id": padding}
    for name in _MARKS:
        ways = (said.get(name), getattr(model.config, name, None), getattr(tokenizer, name, None))
        found[name] = next((value for value in ways if value is not None), None)
    return found


def check_decoding(decoding: Decoding) -> None:
    """Refuse impossible values.

    Raises:
        ValueError: a value is out of range.
    """
    if (
        decoding.max_new_tokens < 1
        or decoding.temperature < 0
        or not 0 < decoding.top_p <= 1
        or "" in decoding.stop
    ):
        raise ValueError(
            f"{decoding}: max_new_tokens is at least 1, temperature at least 0, top_p in (0, 1], and no stop"
            " text is empty"
        )


def settings(given: dict[str, Any], max_new_tokens: int) -> Any:
    """Return the library's settings for one answer that takes the likeliest token each time."""
    return _settings(max_new_tokens=max_new_tokens, do_sample=False, num_beams=1, use_cache=True, **given)


def nothing_set() -> Any:
    """Return the library's settings with none of the model's own."""
    return _settings()


class Draw(LogitsProcessor):
    """Draws the next token of one answer with a generator of its own, and leaves only that one to choose.

    Nucleus sampling: of the probabilities at a temperature, the smallest set of likeliest tokens whose sum
    reaches `top_p` (Holtzman et al., "The curious case of neural text degeneration", ICLR 2020).

    Args:
        decoding: temperature and `top_p`.
        seed: of the generator.
    """

    def __init__(self, decoding: Decoding, seed: int) -> None:
        self._temperature, self._top_p = decoding.temperature, decoding.top_p
        self._random = np.random.default_rng(seed)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return scores (1, V), -inf but for the token that was drawn."""
        if len(scores) != 1:
            raise ValueError("answers are drawn one at a time")
        ordered, tokens = torch.softmax(scores[0].double() / self._temperature, 0).sort(
            descending=True, stable=True
        )
        kept = ordered[ordered.cumsum(0) - ordered < self._top_p]
        edges = kept.cumsum(0)
        drawn = torch.tensor(self._random.random() * float(edges[-1]), dtype=edges.dtype, device=edges.device)
        place = int(torch.searchsorted(edges, drawn, right=True))
        only = torch.full_like(scores, -torch.inf)
        only[0, tokens[min(place, len(kept) - 1)]] = 0
        return only


class Stops(StoppingCriteria):
    """Ends each answer of a batch once it has a stop text.

    Args:
        tokenizer: decodes.
        start: column where answers begin.
        stop: the stop texts.
    """

    def __init__(self, tokenizer: Any, start: int, stop: Sequence[str]) -> None:
        self._tokenizer, self._start, self._stop = tokenizer, start, stop

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        """Return (B,) bool."""
        # Bytes of a character that is not whole yet are no text.
        answers = (
            text_of(self._tokenizer, row).rstrip("\ufffd") for row in input_ids[:, self._start :].tolist()
        )
        return torch.tensor(
            [any(stop in answer for stop in self._stop) for answer in answers], device=input_ids.device
        )


def text_of(tokenizer: Any, tokens: Sequence[int]) -> str:
    """Return the text of tokens, without those that mark start and end."""
    text: str = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text


def until_end(tokens: Sequence[int], ends: int | Sequence[int] | None) -> Sequence[int]:
    """Return tokens up to the first that ends a text."""
    last = {ends} if isinstance(ends, int) else set(ends or ())
    return next((tokens[:at] for at, token in enumerate(tokens) if token in last), tokens)


def until_stop(text: str, stop: Sequence[str]) -> str:
    """Return a text up to the first stop text in it."""
    return text[: min((at for at in map(text.find, stop) if at >= 0), default=len(text))]
