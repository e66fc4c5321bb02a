"""Drawing train, validation and test.

Neither a group nor two copies of one item straddle two of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from burnish.data import Dataset, Labels, Role, Split, role_of, uniforms
from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.plan import SplitSpec


@dataclass(frozen=True, eq=False)
class Splits:
    """The splits of one replicate.

    Attributes:
        splits: by name.
        notes: what was left out and why, one line each.
    """

    splits: Mapping[str, Split]
    notes: tuple[str, ...] = ()

    def without(self, positions: Sequence[int]) -> Splits:
        """Return the splits without items that are set aside: no other item changes its role."""
        if not positions:
            return self
        bad = np.asarray(positions, dtype=np.int64)
        return Splits(
            {name: Split(name, np.setdiff1d(split.index, bad)) for name, split in self.splits.items()},
            self.notes,
        )

    def tests(self) -> list[str]:
        """Return the names of the test sets, ``test`` first."""
        return sorted(
            (name for name, split in self.splits.items() if split.role == "test"),
            key=lambda name: (name != "test", name),
        )


def units_of(dataset: Dataset) -> NDArray[np.int64]:
    """Return (N,) int64 the unit of each item: items of one group, or of equal content, share it.

    Numbered by first appearance.
    """
    n = len(dataset)
    _, same = np.unique(dataset.ids, axis=0, return_inverse=True)
    links = [same.reshape(-1)]
    if "group" in dataset.columns:
        group = dataset.columns["group"]
        _, number = np.unique(group.astype(str), return_inverse=True)
        links.append(number.reshape(-1))
    if len(links) == 1:
        component = links[0]
    else:
        # A bipartite graph of items and of the groups and contents they belong to.
        first, second = links[0] + n, links[1] + n + links[0].max() + 1
        size = int(second.max()) + 1
        rows = np.concatenate([np.arange(n), np.arange(n)])
        graph = sp.coo_array(
            (np.ones(2 * n, dtype=bool), (rows, np.concatenate([first, second]))), shape=(size, size)
        )
        component = connected_components(graph, directed=False)[1][:n]
    _, first_seen, inverse = np.unique(component, return_index=True, return_inverse=True)
    rank = np.empty(len(first_seen), dtype=np.int64)
    rank[np.argsort(first_seen)] = np.arange(len(first_seen))
    return rank[inverse.reshape(-1)]


def draw(dataset: Dataset, spec: SplitSpec, replicate: int) -> Splits:
    """Return the splits of a replicate.

    Test sets are the same in all of them, train and validation are redrawn.

    Raises:
        DataError: too few items or groups for the shares asked for.
    """
    units = units_of(dataset)
    assigned, notes = _apart(dataset, units)
    trainable = assigned.pop("train")
    if not any(role_of(name) == "test" for name in assigned):
        if not spec.test:
            raise DataError(
                "there is no test set",
                where=dataset.name,
                todo="Set split.test above 0, or let the source fix one",
            )
        later = (spec.calibration > 0 and "calibration" not in assigned) + (
            spec.validation > 0 and "validation" not in assigned
        )
        assigned["test"], trainable = _cut(dataset, units, trainable, spec.test, "test", "all", later)
    if spec.calibration and "calibration" not in assigned:
        later = int(spec.validation > 0 and "validation" not in assigned)
        assigned["calibration"], trainable = _cut(
            dataset, units, trainable, spec.calibration, "calibration", replicate, later
        )
    if "validation" not in assigned:
        assigned["validation"], trainable = _cut(
            dataset, units, trainable, spec.validation, "validation", replicate
        )
    assigned["train"] = trainable
    return Splits({name: Split(name, np.sort(index)) for name, index in assigned.items()}, tuple(notes))


_FIRST_SERVED: tuple[Role, ...] = ("test", "validation", "calibration", "reference", "pool", "train")
"""Where the source's own splits share an item or a group, it stays in the first of these."""


def _apart(dataset: Dataset, units: NDArray[np.int64]) -> tuple[dict[str, NDArray[np.int64]], list[str]]:
    """Return the splits that the source fixes, ``train`` always, without units that an earlier role has.

    And what was left out.
    """
    everything = np.arange(len(dataset), dtype=np.int64)
    rest = np.setdiff1d(everything, np.concatenate([*dataset.assigned.values(), np.empty(0, dtype=np.int64)]))
    given = {"train": rest, **dataset.assigned}
    kept: dict[str, NDArray[np.int64]] = {}
    notes: list[str] = []
    for role in _FIRST_SERVED:
        taken = units[np.concatenate([*kept.values(), np.empty(0, dtype=np.int64)])]
        for name in [name for name in given if role_of(name) == role]:
            straddling = np.isin(units[given[name]], taken)
            kept[name] = given[name][~straddling]
            if straddling.any():
                what = "trainable" if role == "train" else name
                notes.append(
                    f"{int(straddling.sum())} {what} items left out: a copy or a member of their group is in"
                    " a split that comes first"
                )
    return kept, notes


def _cut(
    dataset: Dataset,
    units: NDArray[np.int64],
    pool: NDArray[np.int64],
    share: float,
    name: str,
    replicate: int | str,
    later: int = 0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return (chosen, rest) of the pool.

    Whole units, in the order of a draw that belongs to their first item's content.

    The rest has a unit for training and, where there are enough, one for each of the cuts that come later.
    """
    members, first = np.unique(units[pool], return_index=True)
    if len(members) < 2 and share > 0:
        todo = "Add items or groups, or let the source fix the splits"
        raise DataError(
            f"{_too_few(dataset, pool)}: no {name} split can be cut off", where=dataset.name, todo=todo
        )
    draws = uniforms(dataset.ids[pool[first]], "split", name, replicate)[:, 0]
    if len(members) == len(pool) and isinstance(dataset.supervision, Labels):
        chosen_units = _stratified(dataset.supervision.y[pool], draws, members, units[pool], share)
    else:
        sizes = np.bincount(units[pool], minlength=units.max() + 1)[members]
        chosen_units = members[_whole(sizes, np.argsort(draws, kind="stable"), share * len(pool), 1 + later)]
    chosen = np.isin(units[pool], chosen_units)
    return pool[chosen], pool[~chosen]


def _too_few(dataset: Dataset, pool: NDArray[np.int64]) -> str:
    """Return what keeps items of a single unit, or none, from being cut in two."""
    if len(pool) < 2:
        return "only one item is left" if len(pool) else "no item is left"
    alike = bool((dataset.ids[pool] == dataset.ids[pool[0]]).all())
    return f"all {len(pool)} items " + ("have the same content" if alike else "are in one group")


def _whole(sizes: NDArray[np.int64], order: NDArray[np.int64], wanted: float, left: int) -> list[int]:
    """Return units, in the order of the draw, that together come near the size wanted.

    At least one, all but `left` of them at most, none that overshoots by half.
    """
    chosen: list[int] = []
    total = 0.0
    for unit in map(int, order):
        if total + sizes[unit] / 2 <= wanted and len(chosen) < len(sizes) - left:
            chosen.append(unit)
            total += sizes[unit]
    return chosen or ([int(order[np.argmin(sizes[order])])] if wanted else [])


def _stratified(
    labels: NDArray[np.int64],
    draws: NDArray[np.float64],
    members: NDArray[np.int64],
    units: NDArray[np.int64],
    share: float,
) -> NDArray[np.int64]:
    """Return the units with the smallest draws of each class.

    Their number is rounded so that a class of two or more keeps one on either side.
    """
    label_of = labels[np.argsort(units, kind="stable")]
    chosen = []
    for label in np.unique(label_of):
        mine = np.flatnonzero(label_of == label)
        count = round(share * len(mine))
        if len(mine) > 1 and share > 0:
            count = min(max(count, 1), len(mine) - 1)
        chosen.append(members[mine[np.argsort(draws[mine], kind="stable")[:count]]])
    found = np.concatenate(chosen)
    # Where every class has a single item, rounding would leave nothing to test or select on.
    return found if len(found) or not share else members[[np.argmin(draws)]]
