"""Errors for people: one line that says what is wrong, where, what is possible and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar


def one_line(text: object) -> str:
    """Return text with control characters and runs of white space folded into single spaces."""
    return " ".join("".join(c if c.isprintable() or c.isspace() else " " for c in str(text)).split())


class BurnishError(Exception):
    """Something a person can put right.

    Args:
        what: what is wrong.
        where: the recipe key, file and row, or plugin and version it was found in.
        possible: what would have been accepted.
        todo: what to do now.
    """

    exit_code: ClassVar[int] = 1
    """Exit status of the command line when this error ends it."""

    def __init__(self, what: str, *, where: str = "", possible: str = "", todo: str = "") -> None:
        self.what, self.where, self.possible, self.todo = (
            one_line(part) for part in (what, where, possible, todo)
        )
        super().__init__(what, where, possible, todo)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        parts = [head, f"Possible: {self.possible}" if self.possible else "", self.todo]
        return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in parts if part)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[BurnishError], state: dict[str, object]) -> BurnishError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (error.what, error.where, error.possible, error.todo)
    return error


class ConfigError(BurnishError):
    """An option of a component has a wrong name, type or value."""

    exit_code = 2


class RecipeError(BurnishError):
    """A recipe, or a command line that stands for one, is malformed or asks for an impossible combination."""

    exit_code = 2


class PluginError(BurnishError):
    """A plugin is missing, broken, ambiguous or made for another API."""

    exit_code = 2


class DataError(BurnishError):
    """A data set, or a file of one, cannot be used as it is."""


class ItemError(DataError):
    """One item cannot be read.

    Args:
        position: the item's position in its data set's order; -1 where the data set is not yet in order.
        reason: what is wrong with it.
        origin: file or row it came from.
    """

    def __init__(
        self,
        position: int,
        reason: str,
        origin: str = "",
        todo: str = "Mend or remove it, or set on_bad_input: skip",
    ) -> None:
        super().__init__(reason, where=origin or f"item {position}", todo=todo)
        self.position, self.reason, self.origin = position, one_line(reason), one_line(origin)


class ModelFileError(BurnishError):
    """A saved predictor or a weight file is damaged, crafted, or from another version."""


class StoreError(BurnishError):
    """A study folder cannot be used: locked, made by another plan, damaged."""


class NotMeasuredError(BurnishError, KeyError):
    """A trial has no such measure, or has it for other splits."""

    exit_code = 2


class CacheError(BurnishError):
    """The feature cache cannot be read or written."""


class MachineError(BurnishError):
    """The machine lacks what the run needs: disk, memory, device, or a file system that can be written."""


class FitError(BurnishError):
    """A trial cannot be trained: no usable examples, or its loss became NaN or infinite."""


class MissingExtraError(BurnishError):
    """A library that an extra would have installed is not there."""

    exit_code = 2


class CombinedError(BurnishError):
    """Several errors found in one pass; each prints on its own line.

    Args:
        errors: the errors, at least one.
    """

    exit_code = 2

    def __init__(self, errors: Iterable[BurnishError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(map(str, self.errors)))

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


def raise_all(errors: Sequence[BurnishError]) -> None:
    """Raise the errors found in one pass.

    Nothing for none, the error itself for one, a `CombinedError` for several.
    """
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise CombinedError(errors)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"Did you mean 'x'? "`` where a known name is close to the given one, else the empty string.

    A known name that is the given one does not count.
    """
    from difflib import get_close_matches  # slow to import, and only needed when something is wrong

    close = get_close_matches(name, [other for other in known if other != name], n=1, cutoff=0.6)
    return f"Did you mean {close[0]!r}? " if close else ""
