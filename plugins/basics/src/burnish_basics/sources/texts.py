"""Texts of a table."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from burnish.data import content_id
from burnish.errors import DataError
from burnish_basics.sources.files import checked_text, unreadable_id


@dataclass(eq=False)
class Texts:
    """Texts by row, in one run of bytes: about as large as the file.

    Attributes:
        unusable: rows known to be bad, with the reason.
        data: UTF-8 of all texts.
        offsets: N + 1 numbers: where each begins.
    """

    unusable: dict[int, str]
    data: bytearray = field(default_factory=bytearray)
    offsets: array[int] = field(default_factory=lambda: array("q", [0]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def append(self, text: str) -> None:
        """Add a row while the table is read."""
        self.data += text.encode("utf-8", "surrogatepass")
        self.offsets.append(len(self.data))

    def read(self, row: int) -> str:
        """Return a text.

        Raises:
            DataError: the row is unusable or the text empty.
        """
        if row in self.unusable:
            raise DataError(self.unusable[row])
        return checked_text(
            self.data[self.offsets[row] : self.offsets[row + 1]].decode("utf-8", "surrogatepass")
        )

    def ids(self) -> list[bytes]:
        """Return every row's content id; an unusable or empty row gets one that no content has."""
        return [self._id(row) for row in range(len(self))]

    def _id(self, row: int) -> bytes:
        try:
            return content_id("text", self.read(row))
        except DataError:
            return unreadable_id("", row)
