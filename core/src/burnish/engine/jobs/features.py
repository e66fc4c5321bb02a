"""The features job: a row of numbers for every item, from a frozen backbone and one view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from burnish.engine.features.extract import ExtractRun, extract
from burnish.engine.features.spec import FeatureSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.engine.jobs.data import Data
    from burnish.engine.tools import Tools
    from burnish.plan import Part


@dataclass(frozen=True, eq=False)
class Features:
    """Features of a data set.

    Attributes:
        table: (N, D) float32, read-only, mapped where the cache has them in one piece; NaN where an item has
            none.
        bad: positions of items that have none.
    """

    table: NDArray[np.float32]
    bad: tuple[int, ...] = ()


@dataclass(eq=False)
class Tables:
    """What a row reads of its backbone.

    Attributes:
        evaluation: features of the evaluation view.
        views: of the training views; empty where training sees the evaluation view.
    """

    evaluation: NDArray[np.float32]
    views: tuple[NDArray[np.float32], ...] = ()

    @classmethod
    def of(cls, found: Sequence[Features]) -> Tables | None:
        """Return the tables of features jobs, the evaluation view first; None where there are none."""
        return cls(found[0].table, tuple(one.table for one in found[1:])) if found else None

    @cached_property
    def training(self) -> NDArray[np.float32]:
        """(N, V, D) float32 of the training views: one array, however many trials read it."""
        return np.stack(self.views, axis=1) if self.views else self.evaluation[:, None, :]


def features(tools: Tools, backbone: Part, view: int | None, given: Data) -> Features:
    """Return features of every item that may play a role, from the cache or made now.

    Args:
        tools: what jobs work with.
        backbone: the backbone.
        view: None for the evaluation view, k for the k-th fixed view.
        given: the items.

    Raises:
        ItemError: an item cannot be used, and bad input ends the run.
    """
    dataset, positions = given.dataset, given.needed(view)
    name = f"features {backbone.text}" + ("" if view is None else f" view {view}")
    spec = FeatureSpec(backbone, dataset.modality, view, tools.numeric)
    with tools.display.stage(name, len(positions), "items") as advance:
        run = ExtractRun(tools.workers, tools.on_bad_input, lambda done, total: advance(done))
        found = extract(dataset, positions, spec, lambda: tools.backbones.get(backbone), tools.cache, run)
    tools.notes += [("bad item", f"{dataset.origin(position)}: {reason}") for position, reason in found.bad]
    tools.notes += [("warning", f"{name}: {line}") for line in found.warnings]
    return Features(found.features, tuple(position for position, _ in found.bad))


def are_kept(tools: Tools, backbone: Part, view: int | None, given: Data) -> bool:
    """Return whether the cache has all these features, so that they cost no more than to open it."""
    spec = FeatureSpec(backbone, given.dataset.modality, view, tools.numeric)
    if not spec.cached:
        return False
    entry = tools.cache.open(spec)
    ids = given.dataset.ids[given.needed(view)]
    known = {item for item, reason in entry.skipped.items() if reason}
    missing = np.flatnonzero(entry.locate(ids) < 0)
    return all(ids[row].tobytes() in known for row in missing)
