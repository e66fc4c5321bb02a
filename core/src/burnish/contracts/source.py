"""What a data source offers beside `load`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, eq=False)
class NewItem:
    """An item that is to be predicted: nothing is known of its target.

    Attributes:
        name: its path below the source's folder, or the number of its row, counted from 1.
        read: gives its payload, as `burnish.data.Dataset.read` does: image bytes or uint8 (H, W, 3), a text,
            or a float32 row; raises `burnish.errors.DataError` or `OSError`.
    """

    name: str
    read: Callable[[], Any]


@runtime_checkable
class GivesItems(Protocol):
    """A source that gives its items one after another, without targets.

    `burnish predict` reads data through it as training does. Of a source without it, all of the data set is
    loaded first, which needs targets or classes.
    """

    def items(self, modality: str, column: str = "") -> Iterator[NewItem]:
        """Yield all items, whatever their split, in the order they stand in.

        No more of them than is asked for is read, for they may be more than memory holds.

        Args:
            modality: what is wanted: ``"image"``, ``"text"`` or ``"features"``.
            column: the column or array that holds them, instead of that of the options or one with a
                well-known name.

        Raises:
            burnish.errors.DataError: the items are of another modality, or which column holds them cannot be
                told.
        """
