"""Losses: values of a batch. Reduction is a separate step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor

Per = Literal["example", "batch"]
Accepts = Literal["hard", "soft", "multi"]


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of B rows; exactly one of the three forms is given.

    Attributes:
        hard: (B,) int64 class columns. Rows whose label is unknown have weight 0 and a class of 0.
        soft: (B, C) float, rows sum to 1.
        multi: (B, C) float 0 or 1, with `observed` (B, C) float 0 or 1 where an entry is known.
    """

    hard: Tensor | None = None
    soft: Tensor | None = None
    multi: Tensor | None = None
    observed: Tensor | None = None


@dataclass(frozen=True, eq=False)
class LossInput:
    """What a loss sees of a batch of B rows.

    Attributes:
        logits: (B, C) float32.
        targets: of the B rows.
        embeddings: (B, D) what the head's last layer reads, where the tuner gives it; else None.
        prior: (C,) float32 current weighted counts of the training classes; may be 0.
        index: (B,) int64 rows of the training set, -1 for a synthetic row.
        progress: 0-d float32, share of training steps done, in [0, 1).
        features: (B, D) what the tuner reads, where it is trained on features; else None.
    """

    logits: Tensor
    targets: Targets
    embeddings: Tensor | None
    prior: Tensor
    index: Tensor
    progress: Tensor
    features: Tensor | None = None


@dataclass(frozen=True, eq=False)
class LossValue:
    """Unreduced values.

    Attributes:
        values: (B,) where `per` is ``"example"``, 0-d where it is ``"batch"``.
        per: what one value belongs to. Those of examples are weighted and selected; that of a batch is a
            penalty on it as a whole, which no weight touches.
    """

    values: Tensor
    per: Per = "example"


class Loss(Protocol):
    """A loss without trainable parameters, in pure tensor code that runs under `torch.func.vmap`.

    No branching on data, no boolean indexing, no ``.item()``, no in-place writes; `burnish.blocks.one_hot`
    replaces `torch.nn.functional.one_hot`.
    """

    accepts: ClassVar[frozenset[Accepts]]
    """The forms of targets it understands."""

    def memory(self, n: int, classes: int) -> Mapping[str, Tensor]:
        """Return what it remembers of each of n training items, by name, (n, ...); mostly nothing."""

    def __call__(self, x: LossInput, rows: Mapping[str, Tensor]) -> tuple[LossValue, Mapping[str, Tensor]]:
        """Return the values, and the new rows of its memory: a pure function, rows in, rows out.

        Args:
            x: the batch.
            rows: the memory's rows of the batch (B, ...). Where an item stands twice in a batch its new rows
                are averaged.
        """
