"""What vision-language models and other backbones with an open module offer beside features.

Each capability is a protocol of its own, and the word that a descriptor provides for it stands beside its
name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from burnish.contracts.backbone import Encodes, Prepared


class HasTextTower(Protocol):
    """``text-tower``: texts can be encoded into the space of the features."""

    @property
    def text_tower(self) -> Encodes:
        """The encoder of texts: its `modality` is ``"text"`` and its `dim` that of the backbone.

        Encoders of texts are their own tower.
        """


class Projects(Protocol):
    """``projects``: features are a linear projection of pooled ones, compared by cosine similarity."""

    projection: Tensor
    """(w, D) float32: ``pooled @ projection`` is what `Encodes.encode` gives.

    The identity where there is none.
    """

    logit_scale: float
    """What cosine similarities are multiplied with to be logits (1 / temperature)."""


class ComposesText(Protocol):
    """``compose-text``: texts can be written as token embeddings, so that prompts can be learnt."""

    context_length: int
    """Most tokens L of a text, with those that mark its start and end."""

    text_width: int
    """Width w of token embeddings."""

    def tokenise(self, texts: Sequence[str]) -> Tensor:
        """Return (K, L) int64 token ids on the runtime's device.

        Raises:
            burnish.errors.DataError: a text is longer than the context; it is never cut in silence.
        """

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Return (K, L, w) embeddings of token ids, without positions."""

    def encode_embedded(self, embedded: Tensor, ids: Tensor) -> Tensor:
        """Return (K, D) float32 text features of token embeddings (K, L, w), with gradient to them.

        Args:
            embedded: token embeddings without positions.
            ids: (K, L) the ids they stand for: they tell where a text ends and what is padding.
        """


@dataclass(frozen=True)
class Block:
    """Where the parts of one block are: dotted names under `Attachable.module`.

    Empty where the block has no such part.

    Attributes:
        name: the block itself.
        attention: its attention module, whatever class it is.
        projections: the linear modules of query, key and value by name (``{"query": ..., "value": ...}``), or
            the fused one as ``{"qkv": ...}``; empty where they are bare parameters of `attention`, as in
            `torch.nn.MultiheadAttention`.
        mlp: its feed-forward part.
        linears: the linear modules of `mlp`, first to last.
        norms: its normalisation layers, in the order they are applied.
        norms_first: whether attention and MLP read what is normalised; else their outputs are normalised.
    """

    name: str
    attention: str = ""
    projections: tuple[tuple[str, str], ...] = ()
    mlp: str = ""
    linears: tuple[str, ...] = ()
    norms: tuple[str, ...] = ()
    norms_first: bool = True


@dataclass(frozen=True)
class Sites:
    """Where adapters, prompts and the like can be put into a tower.

    Attributes:
        blocks: its blocks or residual stages, first to last.
        width: width of what runs through the blocks; of stages that differ in width, of the last.
        layout: how blocks take it: ``"BND"`` or ``"NBD"`` tokens, ``"BCHW"`` maps.
        prefix: leading tokens that are no patches (1 for a class token).
        norms: normalisation layers outside the blocks.
        patch: side of a patch in pixels; 0 where there are none, or it is not known.
    """

    blocks: tuple[Block, ...]
    width: int
    layout: Literal["BND", "NBD", "BCHW"]
    prefix: int = 0
    norms: tuple[str, ...] = ()
    patch: int = 0


class Attachable(Protocol):
    """``module``: the module itself, on loan.

    A tuner puts parts into it with `burnish.blocks.lease.Lease`, which takes them out again.
    """

    module: nn.Module
    """The whole frozen module, in evaluation mode."""

    sites: Sites
    """Of the tower that `Encodes.encode` runs."""

    text_sites: Sites | None
    """Of the text tower, where there is one."""

    def forward(self, inputs: Prepared, *, projected: bool = True) -> Tensor:
        """Return what `Encodes.encode` gives, with gradient.

        (B, D) float32, or (B, w) before the projection where `projected` is False.
        """
