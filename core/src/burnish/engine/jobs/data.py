"""The data and usable jobs: the items, and which of them every row can use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from burnish.data import Dataset
from burnish.data.checks import require_usable
from burnish.engine.jobs.splits import units_of
from burnish.engine.parts import make
from burnish.errors import DataError, ItemError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.engine.jobs.features import Features
    from burnish.engine.tools import Tools
    from burnish.plan import Part


@dataclass(frozen=True, eq=False)
class Data:
    """Items of a source.

    Attributes:
        dataset: the items.
        units: (N,) int64 resampling unit of each: those of one group, or of equal content, share it.
    """

    dataset: Dataset
    units: NDArray[np.int64]

    def needed(self, view: int | None = None) -> NDArray[np.int64]:
        """Return the positions that may play a role; in an augmented view, test items play none."""
        everything = np.arange(len(self.dataset), dtype=np.int64)
        assigned = self.dataset.assigned
        if not assigned:
            return everything
        wanted = [index for name, index in assigned.items() if view is None or not name.startswith("test")]
        if "train" not in assigned:
            wanted.append(np.setdiff1d(everything, np.concatenate(list(assigned.values()))))
        return np.unique(np.concatenate(wanted)).astype(np.int64)


def load(tools: Tools, source: Part) -> Data:
    """Return the items of a source.

    Raises:
        DataError: they cannot be read, or nothing can be learnt from them.
    """
    dataset: Dataset = make(source, tools.manager).load()
    require_usable(dataset)
    tools.notes += [("data", str(finding)) for finding in dataset.findings]
    return Data(dataset, units_of(dataset))


def set_aside(tools: Tools, to_read: bool, given: Data, tables: Sequence[Features]) -> NDArray[np.int64]:
    """Return the positions, ascending, of items that one of the backbones cannot use: no row is given them.

    Args:
        tools: what jobs work with.
        to_read: whether a row reads the items themselves; then each is read once.
        given: the items.
        tables: all that is made of them.

    Raises:
        ItemError: an item cannot be read, and bad input ends the run.
    """
    bad = {position for table in tables for position in table.bad}
    if to_read:
        bad |= set(_unreadable(tools, given))
    return np.array(sorted(bad), dtype=np.int64)


def _unreadable(tools: Tools, given: Data) -> list[int]:
    dataset, bad = given.dataset, []
    for position in map(int, given.needed()):
        try:
            dataset.read(position)
        except (DataError, OSError) as error:
            if tools.on_bad_input == "error":
                reason = str(getattr(error, "what", error))
                raise ItemError(position, reason, dataset.origin(position)) from error
            bad.append(position)
            tools.notes.append(("bad item", f"{dataset.origin(position)}: {error}"))
    return bad
