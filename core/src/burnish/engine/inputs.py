"""What fits share: data sets, features, corrupted supervision and assessments, each made once by its key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.backbone import Encodes, Runtime
from burnish.data import Dataset, Split, Supervision
from burnish.data.checks import require_usable
from burnish.engine.assess import apply, assess
from burnish.engine.cache import FeatureCache, FeatureSpec
from burnish.engine.corrupt import Corrupted, corrupt, study_salt
from burnish.engine.extract import Extracted, ExtractRun, extract
from burnish.engine.parts import make
from burnish.engine.progress import Progress
from burnish.engine.splits import draw, units_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.noise import Assessment
    from burnish.manager import Manager
    from burnish.plan import Cell, Part, Plan


@dataclass(frozen=True, eq=False)
class Seen:
    """What one replicate of a cell's tuner is shown, with what the engine keeps beside it.

    Attributes:
        splits: train, validation ..., and the test sets, which no tuner is given.
        supervision: of all N items, corrected and weighted as assessed; unknown on test sets.
        assessment: the opinion, or None.
        corrupted: with the truth: stays with the engine.
    """

    splits: Mapping[str, Split]
    supervision: Supervision
    assessment: Assessment | None
    corrupted: Corrupted


class Inputs:
    """The shared jobs of a plan.

    Args:
        plan: the plan.
        manager: finds components.
        cache: the feature cache.
        progress: where to say what is going on.
        workers: threads that decode.
        offline: no hub is asked.
    """

    def __init__(self, plan: Plan, manager: Manager, cache: FeatureCache, progress: Progress, *, workers: int = 0, offline: bool = False) -> None:
        self.plan, self.manager, self.cache, self.progress = plan, manager, cache, progress
        self.workers, self.offline = workers, offline
        self.notes: list[tuple[str, str]] = []
        self._datasets: dict[str, Dataset] = {}
        self._bad: dict[str, set[int]] = {}
        self._units: dict[str, NDArray[np.int64]] = {}
        self._features: dict[str, NDArray[np.float32]] = {}
        self._training: dict[str, NDArray[np.float32]] = {}
        self._corrupted: dict[str, Corrupted] = {}
        self._seen: dict[str, Seen] = {}

    # -- data and features ----------------------------------------------------------------------------------------------

    def prepare(self, cells: Iterable[Cell]) -> None:
        """Load the data and extract the features of these cells. An item that one backbone cannot use is set aside for all of them."""
        cells = list(cells)
        for cell in cells:
            self._load(cell)
        for cell in cells:
            for view in [None] if cell.views <= 1 else [None, *range(cell.views)]:
                self._bad.setdefault(self.plan.data_key(cell), set()).update(self._extract(cell, view))

    def set_aside(self) -> str:
        """Return a hash of the items that are set aside; empty where there are none. Rows that differ in it are not comparable."""
        bad = {key: sorted(self._datasets[key].ids[position].tobytes().hex() for position in found) for key, found in self._bad.items() if found}
        return hashlib.sha256(repr(sorted(bad.items())).encode()).hexdigest() if bad else ""

    def release(self) -> None:
        """Forget features and what was made from them: the summary needs none of it."""
        for kept in (self._features, self._training, self._corrupted, self._seen):
            kept.clear()

    def dataset(self, cell: Cell) -> Dataset:
        """Return the cell's data set; items that are set aside are in no split of it."""
        return self._datasets[self.plan.data_key(cell)]

    def units(self, cell: Cell) -> NDArray[np.int64]:
        """Return (N,) int64 resampling units."""
        return self._units[self.plan.data_key(cell)]

    def features(self, cell: Cell) -> NDArray[np.float32]:
        """Return (N, D) float32 of the evaluation view."""
        return self._features[self.plan.features_key(cell, None)]

    def training_features(self, cell: Cell) -> NDArray[np.float32]:
        """Return (N, V, D) float32 of the training views; cells with one backbone share the array."""
        keys = [self.plan.features_key(cell, view) for view in ([None] if cell.views <= 1 else range(cell.views))]
        name = "+".join(keys)
        if name not in self._training:
            parts = [self._features[key] for key in keys]
            self._training[name] = parts[0][:, None, :] if len(parts) == 1 else np.stack(parts, axis=1)
        return self._training[name]

    def _load(self, cell: Cell) -> None:
        key = self.plan.data_key(cell)
        if key in self._datasets:
            return
        dataset: Dataset = make(cell.data, self.manager).load()
        require_usable(dataset)
        self._datasets[key], self._units[key] = dataset, units_of(dataset)
        self.notes += [("data", str(finding)) for finding in dataset.findings]

    def _extract(self, cell: Cell, view: int | None) -> list[int]:
        """Extract one view of one backbone; return the positions that could not be read."""
        key = self.plan.features_key(cell, view)
        if key in self._features:
            return []
        dataset = self._datasets[self.plan.data_key(cell)]
        positions = _needed(dataset, view)
        name = f"features {cell.backbone.label}" + ("" if view is None else f" view {view}")

        def backbone() -> Encodes:
            runtime = Runtime(self.plan.numeric.device, self.plan.numeric.dtype, self.offline)
            made: Encodes = make(cell.backbone, self.manager, runtime)
            return made

        spec = FeatureSpec(cell.backbone, dataset.modality, view, self.plan.numeric)
        with self.progress.stage(name, len(positions), "items") as advance:
            run = ExtractRun(self.workers, self.plan.on_bad_input, lambda done, total: advance(done))
            extracted: Extracted = extract(dataset, positions, spec, backbone, self.cache, run)
        self._features[key] = extracted.features
        self.notes += [("bad item", f"{dataset.origin(position)}: {reason}") for position, reason in extracted.bad]
        self.notes += [("warning", f"{name}: {line}") for line in extracted.warnings]
        return [position for position, _ in extracted.bad]

    # -- supervision ----------------------------------------------------------------------------------------------------

    def corrupted(self, cell: Cell, replicate: int) -> Corrupted:
        """Return a replicate's splits and supervision after noise."""
        key = self.plan.corrupt_key(cell, replicate)
        if key not in self._corrupted:
            dataset = self.dataset(cell)
            splits = draw(dataset, self.plan.split, replicate).without(sorted(self._bad.get(self.plan.data_key(cell), ())))
            self.notes += [("data", f"{dataset.name}: {line}") for line in splits.notes]
            corruptors = [(part.name, self._corruptor(part)) for part in cell.noise]
            self._corrupted[key] = corrupt(dataset, splits, corruptors, replicate, study_salt(dataset))
        return self._corrupted[key]

    def _corruptor(self, part: Part) -> Any:
        return make(part, self.manager)

    def seen(self, cell: Cell, replicate: int) -> Seen:
        """Return what a replicate of the cell is shown."""
        key = self.plan.corrupt_key(cell, replicate) + self.plan.assess_key(cell, replicate)
        if key not in self._seen:
            corrupted = self.corrupted(cell, replicate)
            if cell.assess is None:
                seen = Seen(corrupted.splits.splits, corrupted.supervision, None, corrupted)
            else:
                assessor = make(cell.assess, self.manager)
                opinion = assess(cell.assess.name, assessor, self.dataset(cell), corrupted, self.features(cell), replicate)
                supervision, splits = apply(opinion, corrupted.supervision, corrupted.splits.splits)
                seen = Seen(splits, supervision, opinion, corrupted)
            self._seen[key] = seen
        return self._seen[key]


def _needed(dataset: Dataset, view: int | None) -> NDArray[np.int64]:
    """Return the positions to encode: every item that may play a role; augmented views only of items that are no test items."""
    everything = np.arange(len(dataset), dtype=np.int64)
    if not dataset.assigned:
        return everything
    wanted = [index for name, index in dataset.assigned.items() if view is None or not name.startswith("test")]
    if "train" not in dataset.assigned:
        wanted.append(np.setdiff1d(everything, np.concatenate(list(dataset.assigned.values()))))
    return np.unique(np.concatenate(wanted)).astype(np.int64)
