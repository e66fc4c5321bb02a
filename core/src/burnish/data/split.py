"""Splits: index arrays with a role.

Nothing is ever deleted; a long tail, a fold, a few shots are smaller index arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Role = Literal["train", "validation", "calibration", "pool", "reference", "test"]

ROLES: Final[tuple[Role, ...]] = ("train", "validation", "calibration", "pool", "reference", "test")
"""The closed list of roles.

Selection sees `validation` only, conformal prediction and temperatures `calibration` only. `pool` is
unlabelled, `reference` few trusted items. There may be several test sets: ``test``, ``test:blur``.
"""


def role_of(name: str) -> Role:
    """Return the role of a split name; ``"test:blur"`` is a test set.

    Raises:
        DataError: the name is neither a role nor ``test:<name>``.
    """
    head, _, tail = name.partition(":")
    if head not in ROLES or (tail and head != "test"):
        raise DataError(f"{name!r} is no split", possible=", ".join(ROLES) + ", test:<name>")
    return head


@dataclass(frozen=True, eq=False)
class Split:
    """Positions of a data set that play one role.

    Attributes:
        name: a role, or ``test:<name>``.
        index: (M,) int64 positions, ascending, each once.
    """

    name: str
    index: NDArray[np.int64]

    def __post_init__(self) -> None:
        role_of(self.name)
        if self.index.ndim != 1 or self.index.dtype != np.int64 or (np.diff(self.index) <= 0).any():
            raise DataError(f"split {self.name!r} is not an ascending (M,) int64 array of positions")
        self.index.setflags(write=False)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def role(self) -> Role:
        """The role the items play."""
        return role_of(self.name)
