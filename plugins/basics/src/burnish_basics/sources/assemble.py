"""What sources share: which classes are known, and where each row came from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import overload

import numpy as np

from burnish.data import Classes, Supervision, role_of


def classes_of(
    names: Sequence[str], supervision: Supervision, splits: Sequence[str] | None, new: bool
) -> Classes:
    """Return the classes.

    Args:
        names: C class names.
        supervision: N targets in source order.
        splits: N split names, or None where the source fixes none.
        new: whether a class that no item to train on has is meant to be new; else it is known, and its
            absence an error that others find.
    """
    if splits is None or not new:
        return Classes.of(names)
    trainable = np.array(
        [row for row, split in enumerate(splits) if role_of(split) == "train"], dtype=np.int64
    )
    counts = supervision.take(trainable).with_weights(None).counts(len(names))
    return Classes(tuple(names), tuple(names), counts > 0)


class Places(Sequence[str]):
    """Where N rows came from, such as ``"train.csv, row 7"``.

    Made when they are asked for, for a million of them are large.

    Args:
        parts: what comes before the number, and the numbers of the rows there, part by part.
    """

    def __init__(self, parts: Sequence[tuple[str, Sequence[int]]]) -> None:
        self._parts = tuple(parts)
        ends = np.cumsum([0, *(len(numbers) for _, numbers in parts)])
        self._starts, self._n = ends[:-1].tolist(), int(ends[-1])

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[at] for at in range(self._n)[row]]
        at = range(self._n)[row]
        part = bisect_right(self._starts, at) - 1
        prefix, numbers = self._parts[part]
        return f"{prefix} {numbers[at - self._starts[part]]}"
