"""The text tower of an open_clip model.

Texts, or the token embeddings of texts, into the space of the image features.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from threading import Lock
from typing import TYPE_CHECKING, Any

import torch

from burnish.errors import DataError, ItemError, PluginError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from burnish.contracts import Prepared, View
    from burnish.data import Item

_SHOWN = 60


class OpenClipText:
    """Texts to features (`burnish.contracts.backbone.Encodes`), and token embeddings to features.

    Args:
        model: the model, frozen and moved already.
        tokenizer: of open_clip's own kind (``SimpleTokenizer``) or of the kind that wraps one of transformers
            (``HFTokenizer``).
        dim: width D of the features.
        device: where the model is.
        dtype: of its weights.
        where: its name, for errors.

    Attributes:
        context_length: most tokens L of a text, with start and end.
        dim: width D of the features.

    Raises:
        PluginError: the tokenizer is of another kind.
    """

    modality = "text"
    views = False

    def __init__(
        self, model: Any, tokenizer: Any, dim: int, device: torch.device, dtype: torch.dtype, where: str
    ) -> None:
        if not (
            hasattr(tokenizer, "encode")
            or (hasattr(tokenizer, "tokenizer") and hasattr(tokenizer, "clean_fn"))
        ):
            raise PluginError(
                f"{type(tokenizer).__name__} is no tokenizer of open_clip",
                where=where,
                possible="SimpleTokenizer, HFTokenizer",
            )
        self.module, self.dim = model, dim
        self._tokenizer, self._device, self._dtype, self._where = tokenizer, device, dtype, where
        self._lock = Lock()
        self.context_length = int(tokenizer.context_length)

    @property
    def _tower(self) -> Any:
        """What holds the embeddings: the model itself in ``open_clip.CLIP``."""
        return getattr(self.module, "text", self.module)

    @property
    def composes(self) -> bool:
        """Whether `embed_tokens` and `encode_embedded` work: not where the tower is one of transformers."""
        return hasattr(self._tower, "token_embedding")

    @property
    def width(self) -> int:
        """Width w of token embeddings."""
        return int(self._own().token_embedding.embedding_dim)

    def _own(self) -> Any:
        if not self.composes:
            raise PluginError(
                f"its text tower is a {type(self._tower).__name__}, which does not compose texts of"
                " embeddings",
                where=self._where,
            )
        return self._tower

    def _numeric(self) -> AbstractContextManager[Any]:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._dtype == torch.bfloat16)

    # -- Encodes ---------------------------------------------------------------------------------------------

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Tokenise B texts.

        Args:
            items: B texts.
            view: the evaluation view; there is no other.
            ids: (B, 32) uint8 content ids, of no use here.

        Returns:
            ``{"tokens": (B, L) int64}``.

        Raises:
            ItemError: an item is no text, or longer than the context.
        """
        del ids
        if view.number is not None:
            raise PluginError("texts have no augmented views", where=self._where)
        for item in items:
            if not isinstance(item.payload, str):
                raise ItemError(item.position, f"it is {type(item.payload).__name__}, not a text")
        texts = [item.payload for item in items]
        for item, count in zip(items, self._counts(texts), strict=True):
            if count > self.context_length:
                raise ItemError(item.position, self._too_long(item.payload, count))
        return {"tokens": self._tokenised(texts).numpy()}

    def encode(self, inputs: Prepared) -> Tensor:
        """Return ``encode_text`` of the model, not normalised: (B, D) float32 on the runtime's device.

        Args:
            inputs: what `prepare` returned.
        """
        with torch.inference_mode(), self._numeric():
            features: Tensor = self.module.encode_text(
                torch.from_numpy(inputs["tokens"]).to(self._device), normalize=False
            )
            return features.float()

    # -- ComposesText ----------------------------------------------------------------------------------------

    def tokenise(self, texts: Sequence[str]) -> Tensor:
        """Return (K, L) int64 token ids on the runtime's device, padded as open_clip pads.

        Raises:
            DataError: a text is longer than the context.
        """
        for text, count in zip(texts, self._counts(texts), strict=True):
            if count > self.context_length:
                raise DataError(self._too_long(text, count), where=self._where, todo="Shorten it")
        return self._tokenised(texts).to(self._device)

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Return (K, L, w) float32 embeddings of token ids, without positions.

        Raises:
            PluginError: the text tower is not open_clip's own.
        """
        embedded: Tensor = self._own().token_embedding(ids)
        return embedded.float()

    def encode_embedded(self, embedded: Tensor, ids: Tensor) -> Tensor:
        """Return (K, D) float32 features of token embeddings.

        What ``encode_text`` does after it has looked them up.

        Args:
            embedded: (K, L, w) without positions.
            ids: (K, L) the ids they stand for: they tell where the text ends and what is padding.

        Raises:
            PluginError: the text tower is not open_clip's own.
        """
        tower = self._own()
        with self._numeric():
            x, mask = embedded.to(self._dtype), tower.attn_mask
            token = getattr(tower, "cls_emb", None)  # CoCa's class token, the last one
            if token is not None:
                x = torch.cat([x, token.to(x.dtype).expand(len(x), 1, -1)], 1)
            if token is not None or getattr(tower, "use_pad_mask", False):
                padding = tower._build_additive_mask(ids, x.shape[1], x.dtype)
                mask = padding if mask is None else mask[: x.shape[1], : x.shape[1]].unsqueeze(0) + padding
            x = tower.transformer(x + tower.positional_embedding[: x.shape[1]].to(x.dtype), attn_mask=mask)
            pooled = tower.ln_final(x[:, -1]) if token is not None else self._pooled(tower.ln_final(x), ids)
            projection = tower.text_projection
            if projection is not None:
                pooled = (
                    projection(pooled) if isinstance(projection, torch.nn.Linear) else pooled @ projection
                )
        return pooled.float()

    def _pooled(self, x: Tensor, ids: Tensor) -> Tensor:
        """Return (K, w): of tokens (K, L, w), the one that stands for the text.

        As ``open_clip.transformer.text_global_pool`` does.
        """
        tower = self._tower
        kind = tower.pool_type if tower is not self.module else tower.text_pool_type
        if kind == "first":
            return x[:, 0]
        if kind == "last":
            return x[:, -1]
        if kind == "argmax":
            at = ids.argmax(dim=-1)
        elif kind == "eos":
            end = tower.eos_id if tower is not self.module else tower.text_eos_id
            at = (ids == end).int().argmax(dim=-1)
        else:
            raise PluginError(
                f"its text tower pools by {kind!r}", where=self._where, possible="first, last, argmax, eos"
            )
        return x[torch.arange(len(x), device=x.device), at]

    # -- tokens ----------------------------------------------------------------------------------------------

    def _tokenised(self, texts: Sequence[str]) -> Tensor:
        if not texts:
            return torch.zeros((0, self.context_length), dtype=torch.int64)
        with self._lock:  # the fast tokenizers of transformers set their padding in place
            ids: Tensor = self._tokenizer(list(texts))
        return ids

    def _counts(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens each text has, with those that mark start and end.

        Open_clip itself cuts without a word.
        """
        if hasattr(self._tokenizer, "encode"):
            return [len(self._tokenizer.encode(text)) + 2 for text in texts]
        if not texts:
            return []
        marks = (
            3 if getattr(self._tokenizer, "tokenizer_mode", "") == "clips" else 0
        )  # start, end and class, which that mode adds itself
        cleaned = [self._tokenizer.clean_fn(text) for text in texts]
        with self._lock:
            found = self._tokenizer.tokenizer(
                cleaned, padding=False, truncation=False, add_special_tokens=not marks, verbose=False
            ).input_ids
        return [len(ids) + marks for ids in found]

    def _too_long(self, text: str, count: int) -> str:
        beginning = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        return f"the text {beginning!r} has {count} tokens, and the model reads at most {self.context_length}"
