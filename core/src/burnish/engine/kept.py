"""What looking after the cache tells of what is kept in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Kept:
    """What lies under one spec: features of a backbone and view, or answers of a language model.

    Attributes:
        kind: which of the two.
        key: the spec's key.
        text: the backbone as a person would write it; empty where its file does not say.
        items: items encoded, or answers.
        size: bytes on disk, also of damaged and left-over files.
        used: when it was last used, seconds since 1970.
        in_use: whether a process uses it now; of answers that is not known, and never needed.
        damaged: files that were set aside or cannot be read.
        view: of features: None for the evaluation view, else the number of the fixed view.
        dim: width of the features, 0 where nothing is there.
        file: of answers: the name of their file.
    """

    kind: Literal["features", "answers"]
    key: str
    text: str
    items: int
    size: int
    used: float
    in_use: bool = False
    damaged: int = 0
    view: int | None = None
    dim: int = 0
    file: str = ""


@dataclass(frozen=True)
class Damage:
    """A damaged file.

    Attributes:
        path: the file as it was called.
        reason: what is wrong with it.
    """

    path: Path
    reason: str
