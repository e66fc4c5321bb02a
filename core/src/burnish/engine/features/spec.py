"""What decides an item's features, but the item: the key of a folder of the cache."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from burnish.engine.features.shards import FORMAT
from burnish.plan import Numeric, Part, merkle


@dataclass(frozen=True)
class FeatureSpec:
    """Everything that decides an item's features, but the item.

    Attributes:
        backbone: the backbone with options, code identity and fingerprint.
        modality: what it reads.
        view: None for the evaluation view, k for the k-th fixed view.
        numeric: the numeric mode.
        adapted: whether a tuner changed the backbone, in ways that the spec does not tell.
    """

    backbone: Part
    modality: str
    view: int | None
    numeric: Numeric
    adapted: bool = False

    @property
    def cached(self) -> bool:
        """Whether the cache keeps such features.

        Not those of an adapted backbone, and not given ones, whose width follows from the data.
        """
        return self.modality != "features" and not self.adapted

    def record(self) -> dict[str, Any]:
        """Return the spec as JSON values."""
        return {
            "format": FORMAT,
            "output": "pooled",
            "backbone": self.backbone.identity(),
            "modality": self.modality,
            "libraries": _libraries(self.modality),
            "view": self.view,
            "numeric": self.numeric.record(),
        }

    def key(self) -> str:
        """Return the spec's key: 64 hex digits."""
        return merkle("feature-spec", self.record())


@cache
def _libraries(modality: str) -> dict[str, str]:
    if modality != "image":
        return {}
    from burnish.data.images import libraries

    return libraries()
