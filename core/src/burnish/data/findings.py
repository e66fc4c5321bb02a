"""What is odd or wrong about data, one line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from burnish.errors import one_line

Severity = Literal["error", "warning", "note"]
"""An error stops a run; a warning is doubtful and may be meant; a note is for information."""


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed.

    Attributes:
        severity: how bad it is.
        kind: a word for all findings of this sort, such as ``"unreadable"``.
        what: what is wrong.
        where: file, row, column or class.
        todo: what to do about it.
    """

    severity: Severity
    kind: str
    what: str
    where: str = ""
    todo: str = ""

    def __post_init__(self) -> None:
        for name in ("what", "where", "todo"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return ". ".join(part.rstrip(".") for part in (head, self.todo) if part) + "."
