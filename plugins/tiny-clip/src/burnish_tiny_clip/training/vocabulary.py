"""The vocabulary: byte-level byte-pair encoding, with merges for the words of the captions.

So any text has tokens.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

CONTEXT: Final = 32
"""Most tokens of a text, start and end among them."""

SIZE: Final = 640
"""Tokens of the vocabulary."""

PAD, START, END = "<|pad|>", "<|startoftext|>", "<|endoftext|>"


def learn(texts: Iterable[str]) -> Tokenizer:
    """Return a tokenizer with `SIZE` tokens, learnt from texts.

    The end of the text has the largest number, because open_clip reads the text's embedding where the largest
    number stands.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - 1, special_tokens=[PAD, START], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Where the texts have too few pairs to merge, unused tokens keep the size fixed.
    missing = SIZE - 1 - tokenizer.get_vocab_size()
    tokenizer.add_special_tokens([f"<|unused{number}|>" for number in range(missing)])
    tokenizer.add_special_tokens([END])
    ends = [(token, tokenizer.token_to_id(token)) for token in (START, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ends)
    return tokenizer


def tokenizer_files(tokenizer: Tokenizer) -> dict[str, bytes]:
    """Return the files, by name, from which open_clip makes its tokenizer."""
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "bos_token": START,
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
    }
    return {
        "tokenizer.json": tokenizer.to_str(pretty=True).encode(),
        "tokenizer_config.json": (json.dumps(config, indent=2) + "\n").encode(),
    }


def token_ids(tokenizer: Tokenizer, texts: list[str]) -> Tensor:
    """Return token numbers (N, CONTEXT) int64, as open_clip's tokenizer gives them.

    Padded with 0, longer texts cut before their end.
    """
    out = torch.zeros(len(texts), CONTEXT, dtype=torch.long)
    for row, one in zip(out, tokenizer.encode_batch(texts), strict=True):
        ids = one.ids if len(one.ids) <= CONTEXT else [*one.ids[: CONTEXT - 1], one.ids[-1]]
        row[: len(ids)] = torch.tensor(ids)
    return out
