"""Causal and sequence-to-sequence language models: answers, likelihoods, text features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    LogitsProcessorList,
    StoppingCriteriaList,
)

from burnish.errors import DataError, ItemError, ModelFileError
from burnish_huggingface import CLIP_TYPES, TEXT_TYPES, VISION_TYPES, LanguageConfig
from burnish_huggingface.generation import (
    Draw,
    Stops,
    check_decoding,
    marks,
    nothing_set,
    settings,
    text_of,
    until_end,
    until_stop,
)
from burnish_huggingface.loading import load, on_device
from burnish_huggingface.pooling import pool
from burnish_huggingface.texts import Texts, check_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import Prepared, Runtime, View
    from burnish.contracts.language import Decoding
    from burnish.data import Item

_DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_OTHERS: Final = (
    dict.fromkeys(TEXT_TYPES, "It answers nothing: use hf-text")
    | dict.fromkeys(VISION_TYPES, "Use hf-vision for it")
    | dict.fromkeys(CLIP_TYPES, "Use hf-clip for it")
)


class LanguageModel:
    """A frozen language model (`burnish.contracts.backbone.Encodes`, `burnish.contracts.language`).

    It is its own text tower.

    Features are pooled from the last hidden states, of the encoder where there is one. bfloat16 is the type
    of the weights.

    Args:
        config: which weights, how tokens are pooled, and whether prompts go into the chat template.
        runtime: device and numeric mode.

    Raises:
        burnish.errors.ModelFileError: the files are missing, damaged or of another architecture.
        burnish.errors.MachineError: the hub is needed and cannot be asked.
    """

    modality = "text"
    views = False

    def __init__(self, config: LanguageConfig, runtime: Runtime) -> None:
        loaded = load(config, runtime, (), model_class=_class_of, dtype=_DTYPES[runtime.dtype])
        self._config, self._runtime, self._where = config, runtime, loaded.where
        self._texts = Texts(
            loaded.folder, loaded.config.get_text_config(), loaded.where, truncate=config.truncate
        )
        self._two = bool(loaded.config.is_encoder_decoder)
        self.dim = int(loaded.config.get_text_config().hidden_size)
        self.module = loaded.model.to(runtime.device)
        self._marks = marks(self.module, self._texts.tokenizer, loaded.folder, self._texts.padding)
        self.module.generation_config = nothing_set()
        if config.chat:
            self._texts.chat("", loaded.where)

    @property
    def text_tower(self) -> LanguageModel:
        """Itself."""
        return self

    # -- features --------------------------------------------------------------------------------------------

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Return ``{"input_ids": (B, T) int64, "attention_mask".

        (B, T) int64}`` of B texts, padded on the right to the longest.

        Raises:
            burnish.errors.ItemError: a text is longer than the context, unless `truncate` is set.
        """
        del ids
        if view.number is not None:
            raise ItemError(items[0].position, "texts have no augmented views")
        return self._texts.prepare(items)

    @torch.inference_mode()
    def encode(self, inputs: Prepared) -> Tensor:
        """Return features (B, D) float32, on the runtime's device."""
        ids, mask = (on_device(inputs[name], self._runtime) for name in ("input_ids", "attention_mask"))
        inner = self.module.get_encoder() if self._two else self.module.base_model
        arguments = {} if self._two else {"use_cache": False}
        return pool(
            inner(input_ids=ids, attention_mask=mask, **arguments).last_hidden_state,
            mask,
            self._config.pooling,
        )

    # -- answers ---------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def generate(self, prompts: Sequence[str], decoding: Decoding, seeds: Sequence[int]) -> list[str]:
        """Return one answer a prompt, without the prompt.

        The likeliest tokens are found for `batch` prompts at once, padded on the left; tokens are drawn one
        prompt at a time.

        Args:
            prompts: B prompts.
            decoding: how answers are made.
            seeds: B seeds; an answer that is drawn depends on its own alone.

        Raises:
            burnish.errors.DataError: a prompt and its answer do not fit into the context.
            ValueError: the numbers of prompts and seeds differ, or `decoding` is impossible.
        """
        check_decoding(decoding)
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(seeds)} seeds for {len(prompts)} prompts")
        given = [self._prompt(prompt) for prompt in prompts]
        rows = self._texts.ids(given, special=not self._config.chat) if given else []
        rows = rows if self._two else [self._started(row) for row in rows]
        check_prompts(self._texts, prompts, rows, 0 if self._two else decoding.max_new_tokens)
        answers = [""] * len(rows)
        size = 1 if decoding.temperature > 0 else self._config.batch
        order = sorted(range(len(rows)), key=lambda at: len(rows[at]))
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            for at, answer in zip(
                batch, self._answers([rows[at] for at in batch], decoding, seeds[batch[0]]), strict=True
            ):
                answers[at] = answer
        return answers

    def _prompt(self, prompt: str) -> str:
        return self._texts.chat(prompt, self._where) if self._config.chat else prompt

    def _started(self, row: list[int]) -> list[int]:
        """Return a prompt's tokens without a mark of its end, which some tokenizers add.

        An empty prompt is the mark of a start.
        """
        tokenizer = self._texts.tokenizer
        if (
            len(row) > 1
            and row[-1] in (tokenizer.eos_token_id, tokenizer.sep_token_id)
            and not self._config.chat
        ):
            row = row[:-1]
        start = self._marks["bos_token_id"]
        return row if row or start is None else [start]

    def _answers(self, rows: Sequence[Sequence[int]], decoding: Decoding, seed: int) -> list[str]:
        inputs = {
            name: on_device(array, self._runtime)
            for name, array in self._texts.padded(rows, left=not self._two).items()
        }
        start = 1 if self._two else inputs["input_ids"].shape[1]
        tokenizer = self._texts.tokenizer
        made = self.module.generate(
            **inputs,
            generation_config=settings(self._marks, decoding.max_new_tokens),
            logits_processor=LogitsProcessorList([Draw(decoding, seed)] if decoding.temperature > 0 else []),
            stopping_criteria=StoppingCriteriaList(
                [Stops(tokenizer, start, decoding.stop)] if decoding.stop else []
            ),
        )
        texts = (
            text_of(tokenizer, until_end(row, self._marks["eos_token_id"]))
            for row in made[:, start:].tolist()
        )
        return [until_stop(text, decoding.stop) for text in texts]

    # -- likelihood ------------------------------------------------------------------------------------------

    @torch.inference_mode()
    def log_likelihood(self, prompts: Sequence[str], continuations: Sequence[str]) -> Tensor:
        """Return (B, L) float32 log-probabilities of each continuation's tokens after its prompt.

        They are in nats, and NaN where there is no token.

        Causal models see prompt and continuation as one text: a token that reaches across the border counts
        as the continuation's.

        Args:
            prompts: B prompts.
            continuations: B continuations, each right after its prompt: a space between them belongs to one
                of the two.

        Raises:
            burnish.errors.DataError: a pair is longer than the context, or its first token has nothing before
                it.
            burnish.errors.ModelFileError: the tokenizer cannot say where its tokens lie.
            ValueError: the numbers of prompts and continuations differ.
        """
        if len(prompts) != len(continuations):
            raise ValueError(f"{len(continuations)} continuations for {len(prompts)} prompts")
        pairs = [
            self._pair(number, *pair) for number, pair in enumerate(zip(prompts, continuations, strict=True))
        ]
        found = torch.full(
            (len(pairs), max((len(after) for _, after in pairs), default=0)),
            torch.nan,
            device=self._runtime.device,
        )
        order = sorted(
            (at for at in range(len(pairs)) if pairs[at][1]), key=lambda at: sum(map(len, pairs[at]))
        )
        for start in range(0, len(order), self._config.batch):
            batch = order[start : start + self._config.batch]
            scores = (
                self._scores_two([pairs[at] for at in batch])
                if self._two
                else self._scores([pairs[at] for at in batch])
            )
            for at, score in zip(batch, scores, strict=True):
                found[at, : len(score)] = score
        return found

    def _pair(self, number: int, prompt: str, continuation: str) -> tuple[list[int], list[int]]:
        """Return the token ids of a prompt and of its continuation."""
        prompt, special, where = self._prompt(prompt), not self._config.chat, f"prompt {number}"
        if self._two:
            before, after = (
                self._texts.ids([prompt], special=special)[0],
                self._texts.ids([continuation], special=False)[0],
            )
            check_prompts(self._texts, [prompt, continuation], [before, [0, *after]], 0)
            return before, after
        if not self._texts.tokenizer.is_fast:
            what = "its tokenizer does not say where its tokens lie in the text"
            raise ModelFileError(what, where=self._where, possible="a folder with tokenizer.json")
        ids, spans = self._texts.spans(prompt + continuation, special=special)
        inside = [at for at, (_, end) in enumerate(spans) if end > len(prompt)]
        if not inside:
            return ids, []
        before, after = self._before(ids[: inside[0]], where), ids[inside[0] : inside[-1] + 1]
        check_prompts(self._texts, [prompt + continuation], [[*before, *after]], 0)
        return before, after

    def _before(self, row: list[int], where: str) -> list[int]:
        start = self._marks["bos_token_id"]
        if not row and start is None:
            raise DataError(
                "its first token has nothing before it, and the model has no token that starts a text",
                where=where,
            )
        return row or [start]

    def _scores(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[Tensor]:
        inputs = {
            n: on_device(a, self._runtime)
            for n, a in self._texts.padded([[*before, *after] for before, after in pairs]).items()
        }
        logits: Tensor = self.module(**inputs, use_cache=False).logits
        return [
            _picked(logits[row, len(before) - 1 : len(before) - 1 + len(after)], after)
            for row, (before, after) in enumerate(pairs)
        ]

    def _scores_two(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[Tensor]:
        inputs = {
            n: on_device(a, self._runtime)
            for n, a in self._texts.padded([before for before, _ in pairs]).items()
        }
        first = self._marks["decoder_start_token_id"]
        if first is None:
            raise ModelFileError("its config names no decoder_start_token_id", where=self._where)
        shifted = self._texts.padded([[first, *after[:-1]] for _, after in pairs])
        logits: Tensor = self.module(
            **inputs, decoder_input_ids=on_device(shifted["input_ids"], self._runtime), use_cache=False
        ).logits
        return [_picked(logits[row, : len(after)], after) for row, (_, after) in enumerate(pairs)]


def _picked(logits: Tensor, tokens: Sequence[int]) -> Tensor:
    """Return the log-probabilities (n,) float32 of n tokens under logits (n, V)."""
    wanted = torch.from_numpy(np.asarray(tokens, dtype=np.int64)).to(logits.device)
    return logits.float().log_softmax(-1).gather(1, wanted[:, None])[:, 0]


def _class_of(config: Any, where: str) -> Any:
    """Return the class of a model with a language head."""
    kind = type(config)
    if config.model_type not in _OTHERS:
        for mapping in (MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING):
            if kind in mapping:
                return mapping[kind]
    raise ModelFileError(
        f"this is a {config.model_type!r} model",
        where=where,
        possible="causal and sequence-to-sequence language models, such as gpt2, llama or t5",
        todo=_OTHERS.get(config.model_type, ""),
    )
