"""Learnt context in the place of a prompt's words.

CoOp (arXiv:2109.01134), on any text tower that reads token embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from burnish.errors import DataError, PluginError

if TYPE_CHECKING:
    from burnish.contracts.towers import ComposesText
    from burnish.data import Classes

_WHERE = "blocks.prompts"


class Spliced(NamedTuple):
    """Prompts of K texts with room for M learnt tokens behind their start.

    Attributes:
        ids: (K, L) int64 token ids; those in the room say that it is no padding, and mean nothing else.
        before: (K, s, w) embeddings of what stands in front of the room: the token that marks the start,
            where there is one.
        after: (K, L - s - M, w) embeddings of what stands behind it: the text, the token that marks its end,
            padding.
    """

    ids: Tensor
    before: Tensor
    after: Tensor


def spliced(backbone: ComposesText, texts: Sequence[str], count: int) -> Spliced:
    """Return texts with room for learnt tokens: ``[start] [room x M] [text] [end] [padding]``.

    The room is made in the token ids, not by writing filler words, so that it does not matter how many tokens
    a word has.

    Args:
        backbone: whose text tower.
        texts: K texts.
        count: M.

    Raises:
        DataError: a text and the room together are longer than the context of the text tower, or a text has
            no token.
        PluginError: the text tower pads in front of the text.
    """
    ids = backbone.tokenise(texts)
    start, padding = _start_and_padding(backbone)
    length = ids.shape[1]
    tail = ids[:, length - count :] if count else ids[:, :0]
    if count > length - start - 2 or bool((tail != padding).any()):
        row = (
            int((tail != padding).any(dim=1).int().argmax())
            if tail.numel() and count <= length - start - 2
            else 0
        )
        longest = int((ids[row] != padding).sum())
        raise DataError(
            f"{texts[row]!r} has {longest} tokens, and with {count} learnt ones it is longer than the"
            f" {length} that the model reads",
            where=_WHERE,
            todo="Learn fewer tokens of context, or shorten the name",
        )
    room = ids[:, start : start + 1].expand(-1, count)
    ids = torch.cat([ids[:, :start], room, ids[:, start : length - count]], dim=1)
    with torch.no_grad():
        embedded = backbone.embed_tokens(ids).detach()
    return Spliced(ids, embedded[:, :start], embedded[:, start + count :])


def _start_and_padding(backbone: ComposesText) -> tuple[int, int]:
    """Return how many tokens mark the start of any text, and the id of padding behind its end."""
    probe = backbone.tokenise(["a", "b"])
    start = int((probe[0] == probe[1]).int().cumprod(dim=0).sum())
    padding = int(probe[0, -1])
    if start >= probe.shape[1] - 1 or int(probe[0, -2]) != padding:
        raise PluginError(
            "the text tower does not pad behind the text",
            where=_WHERE,
            todo="Use a backbone whose tokenizer pads on the right",
        )
    return start, padding


class LearntContext(nn.Module):
    """Text features of the class names behind M learnt tokens that all classes share.

    Its state is the context alone; embeddings of the names are the frozen text tower's.

    Args:
        backbone: whose text tower; nothing of it is trained.
        classes: C named classes.
        count: M.
        generator: draws the context from N(0, std^2), on the CPU.
        std: its standard deviation.
        suffix: what follows a name.
        chunk: classes encoded at a time; more are encoded in turn, and again in the backward pass, in less
            memory. 0 for all at once.

    Attributes:
        context: (M, w) float32, learnt.

    Raises:
        DataError: the classes have no names, or a name is too long beside the context.
    """

    def __init__(
        self,
        backbone: ComposesText,
        classes: Classes,
        count: int,
        generator: torch.Generator,
        *,
        std: float = 0.02,
        suffix: str = ".",
        chunk: int = 0,
    ) -> None:
        super().__init__()
        if not classes.named or not all(name.strip() for name in classes.names):
            raise DataError(
                "the classes have no names, and prompts are made of them",
                where=_WHERE,
                todo="Name the classes in the data",
            )
        texts = [name.replace("_", " ") + suffix for name in classes.names]
        # Plain attributes: buffers would be part of what is saved, and a module would be trained.
        self._spliced, self._encode, self._chunk = (
            spliced(backbone, texts, count),
            backbone.encode_embedded,
            chunk,
        )
        context = std * torch.randn(count, backbone.text_width, generator=generator)
        self.context = nn.Parameter(context.to(self._spliced.before.device))

    def forward(self) -> Tensor:
        """Return (C, D) float32 text features, not normalised, with gradient to the context."""
        rows, size = len(self._spliced.ids), self._chunk or len(self._spliced.ids)
        if size >= rows:
            return self._features(self.context, 0, rows)
        parts = [
            checkpoint(self._features, self.context, at, min(at + size, rows), use_reentrant=False)
            for at in range(0, rows, size)
        ]
        return torch.cat(parts)

    def _features(self, context: Tensor, first: int, last: int) -> Tensor:
        ids, before, after = (part[first:last] for part in self._spliced)
        shared = context.to(before.dtype).expand(last - first, -1, -1)
        return self._encode(torch.cat([before, shared, after], dim=1), ids)
