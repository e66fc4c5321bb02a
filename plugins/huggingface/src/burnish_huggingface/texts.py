"""Texts as a model takes them, through its own tokenizer."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from transformers import AutoTokenizer

from burnish.errors import DataError, ItemError, MissingExtraError, ModelFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from burnish.contracts import Prepared
    from burnish.data import Item

VOCABULARIES: Final = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "spm.model",
)
"""Files one of which every tokenizer has."""

_UNBOUNDED: Final = 10**6
_OFFSET_TYPES: Final = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet"})
"""Architectures whose positions start after the padding's."""


class Texts:
    """Turns texts into token ids.

    Args:
        folder: folder with the tokenizer's files.
        config: configuration of the model or its text tower.
        where: what errors call the model.
        truncate: cut texts that are longer than the context, instead of refusing them.

    Raises:
        burnish.errors.ModelFileError: there is no tokenizer, or it has more tokens than the model.
    """

    def __init__(self, folder: Path | None, config: Any, where: str, *, truncate: bool = False) -> None:
        self.tokenizer = _tokenizer(folder, where)
        if len(self.tokenizer) > config.vocab_size:
            raise ModelFileError(
                f"its tokenizer has {len(self.tokenizer):,} tokens, the model {config.vocab_size:,}",
                where=where,
            )
        self.context = _context(config, self.tokenizer)
        self.padding = int(self.tokenizer.pad_token_id or 0)
        self._truncate = truncate
        # Tokenizers of the library keep the last call's settings, and two threads must not change them at
        # once.
        self._lock = threading.Lock()

    def ids(self, texts: Sequence[str], *, special: bool = True) -> list[list[int]]:
        """Return the token ids of texts, of any length.

        `special` adds those that mark start and end, as the model was trained.
        """
        with self._lock:
            found: list[list[int]] = self.tokenizer(
                list(texts), add_special_tokens=special, return_attention_mask=False, verbose=False
            )["input_ids"]
        return found

    def _cut(self, text: str) -> list[int]:
        with self._lock:
            cut: list[int] = self.tokenizer(
                text, truncation=True, max_length=self.context, return_attention_mask=False
            )["input_ids"]
        return cut

    def prepare(self, items: Sequence[Item], *, length: int | None = None) -> Prepared:
        """Return ``{"input_ids": (B, T) int64, "attention_mask": (B, T) int64}``, padded on the right.

        Args:
            items: B texts.
            length: T; by default that of the longest text.

        Raises:
            burnish.errors.ItemError: a text has no tokens, or more than the context unless they may be cut.
        """
        for item in items:
            if not isinstance(item.payload, str):
                raise ItemError(item.position, f"it is {type(item.payload).__name__}, not a text")
        rows = self.ids([item.payload for item in items])
        for at, (item, row) in enumerate(zip(items, rows, strict=True)):
            if not row:
                raise ItemError(item.position, "the text has no tokens")
            if self.context is not None and len(row) > self.context:
                if not self._truncate:
                    raise ItemError(
                        item.position, f"{self.too_long(item.payload, len(row))}. Set truncate to cut it"
                    )
                rows[at] = self._cut(item.payload)
        return self.padded(rows, length=length)

    def encode(self, texts: Sequence[str], *, length: int | None = None) -> Prepared:
        """As `prepare`, of texts that are no items.

        Raises:
            burnish.errors.DataError: a text has no tokens, or more than the context unless they may be cut.
        """
        from burnish.data import Item

        return self.prepare([Item(row, text) for row, text in enumerate(texts)], length=length)

    def too_long(self, text: str, tokens: int, more: str = "") -> str:
        """Return what is wrong with a text of so many tokens."""
        return (
            f"the text {_beginning(text)!r} has {tokens} tokens{more}, and the context holds {self.context}"
        )

    def padded(
        self, rows: Sequence[Sequence[int]], *, length: int | None = None, left: bool = False
    ) -> dict[str, NDArray[np.int64]]:
        """Return rows of token ids as ``{"input_ids": (B, T), "attention_mask": (B, T)}`` int64."""
        width = max(map(len, rows), default=0) if length is None else length
        ids = np.full((len(rows), width), self.padding, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for at, row in enumerate(rows):
            place = slice(width - len(row), None) if left else slice(0, len(row))
            ids[at, place], mask[at, place] = row, 1
        return {"input_ids": ids, "attention_mask": mask}

    def chat(self, prompt: str, where: str) -> str:
        """Return a prompt as a user's turn in the model's chat template, followed by the start of the answer.

        Raises:
            burnish.errors.ModelFileError: there is no template, or it cannot be filled in.
        """
        if not self.tokenizer.chat_template:
            raise ModelFileError("its tokenizer has no chat template", where=where, todo="Leave chat out")
        from jinja2 import TemplateError

        try:
            filled: str = self.tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
            )
        except (TemplateError, ValueError) as error:
            raise ModelFileError(f"its chat template cannot be filled in: {error}", where=where) from error
        return filled

    def spans(self, text: str, *, special: bool) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the token ids of a text and the characters (start, end) that each stands for.

        (0, 0) for those that mark start and end.
        """
        with self._lock:
            found = self.tokenizer(
                text,
                add_special_tokens=special,
                return_offsets_mapping=True,
                return_attention_mask=False,
                verbose=False,
            )
        return found["input_ids"], found["offset_mapping"]


def _beginning(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def _tokenizer(folder: Path | None, where: str) -> Any:
    if folder is None:
        raise ModelFileError(
            "an architecture alone has no tokenizer",
            where=where,
            todo="Give config=DIR, a folder with config.json and a tokenizer",
        )
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise ModelFileError(
            "there is no tokenizer",
            where=where,
            possible=", ".join(VOCABULARIES),
            todo="Save it beside config.json",
        )
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except ImportError as error:
        raise MissingExtraError(
            f"its tokenizer needs a library: {error}", where=where, todo="pip install sentencepiece protobuf"
        ) from error
    except Exception as error:  # the Rust tokenizers raise bare exceptions
        raise ModelFileError(f"its tokenizer cannot be read: {error}", where=where) from error


def _context(config: Any, tokenizer: Any) -> int | None:
    """Return the most tokens of a text; None where there is no bound."""
    bounds = (
        [int(tokenizer.model_max_length)]
        if tokenizer.model_max_length and tokenizer.model_max_length < _UNBOUNDED
        else []
    )
    positions = next(
        (
            getattr(config, name)
            for name in ("max_position_embeddings", "n_positions")
            if getattr(config, name, None)
        ),
        None,
    )
    if positions is not None:
        bounds.append(
            positions - (config.pad_token_id or 0) - 1 if config.model_type in _OFFSET_TYPES else positions
        )
    return min(bounds, default=None)


def check_prompts(texts: Texts, prompts: Sequence[str], rows: Sequence[Sequence[int]], more: int) -> None:
    """Refuse prompts that do not fit into the context.

    Raises:
        burnish.errors.DataError: a prompt with `more` tokens to come is longer than the context, or has no
            tokens.
    """
    for number, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
        if not row:
            raise DataError("the prompt has no tokens", where=f"prompt {number}")
        if texts.context is not None and len(row) + more > texts.context:
            beside = f" and {more} more are asked for" if more else ""
            raise DataError(
                texts.too_long(prompt, len(row), beside),
                where=f"prompt {number}",
                todo="Shorten it, or ask for fewer tokens",
            )
