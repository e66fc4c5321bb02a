"""What fits share: data sets, features, corrupted supervision and assessments, each made once by its key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.blocks.lease import frozen_digest
from burnish.contracts.backbone import Runtime
from burnish.contracts.tuner import Adapted, Prompted, Tell, untold
from burnish.data import Classes, Dataset, Split, Supervision
from burnish.data.checks import require_usable
from burnish.engine.answers.answers import AnswerCache, AnswerSpec, ask, item_seeds
from burnish.engine.features.cache import FeatureCache, FeatureSpec
from burnish.engine.features.extract import Extracted, ExtractRun, extract
from burnish.engine.jobs.assess import apply, assess
from burnish.engine.jobs.corrupt import Corrupted, corrupt, study_salt
from burnish.engine.jobs.splits import draw, units_of
from burnish.engine.jobs.task import TaskSource, embed_classes, texts_at
from burnish.engine.parts import component_of, config_of, make
from burnish.engine.progress import Display
from burnish.errors import DataError, FitError, ItemError, PluginError, RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.language import Decoding
    from burnish.contracts.noise import Assessment
    from burnish.manager import Manager
    from burnish.plan import Part, Plan, Row


@dataclass(frozen=True, eq=False)
class Seen:
    """What one replicate of a row's tuner is shown, with what the engine keeps beside it.

    Attributes:
        splits: train, validation ..., and the test sets, which no tuner is given.
        supervision: of all N items, corrected and weighted as assessed; unknown on test sets.
        assessment: the assessment, or None.
        corrupted: with the truth: stays with the engine.
        classes: the classes; those that no training item has are new.
    """

    splits: Mapping[str, Split]
    supervision: Supervision
    assessment: Assessment | None
    corrupted: Corrupted
    classes: Classes


@dataclass(eq=False)
class _Live:
    """The backbone that is in memory: one at a time.

    Attributes:
        key: digest of its part.
        backbone: the object.
        frozen: hash of its frozen weights, once it was lent.
    """

    key: str
    backbone: Any
    frozen: str = ""


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

    def __init__(
        self,
        plan: Plan,
        manager: Manager,
        cache: FeatureCache,
        progress: Display,
        *,
        workers: int = 0,
        offline: bool = False,
    ) -> None:
        self.plan, self.manager, self.cache, self.progress = plan, manager, cache, progress
        self.workers, self.offline = workers, offline
        self.notes: list[tuple[str, str]] = []
        self._datasets: dict[str, Dataset] = {}
        self._bad: dict[str, set[int]] = {}
        self._units: dict[str, NDArray[np.int64]] = {}
        self._features: dict[str, NDArray[np.float32]] = {}
        self._training: dict[str, NDArray[np.float32]] = {}
        self._corrupted: dict[str, Corrupted] = {}
        self._seen: dict[str, Seen | FitError] = {}
        self._class_embeddings: dict[tuple[str, ...], NDArray[np.float32]] = {}
        self._live: _Live | None = None

    # -- data and features -----------------------------------------------------------------------------------

    def prepare(self, rows: Iterable[Row]) -> None:
        """Load the data and extract the features of these rows.

        An item that one backbone cannot use is set aside for all of them.

        A backbone that provides no features, such as a server that answers with texts, is asked for none: its
        items are read, no more.
        """
        rows = list(rows)
        for row in rows:
            self._load(row)
        for row in rows:
            if not self.has_features(row):
                self._bad.setdefault(self.plan.data_key(row), set()).update(self._unreadable(row))
                continue
            for view in [None] if row.views <= 1 else [None, *range(row.views)]:
                self._bad.setdefault(self.plan.data_key(row), set()).update(self._extract(row, view))

    def set_aside(self) -> str:
        """Return a hash of the items that are set aside; empty where there are none.

        Rows that differ in it are not comparable.
        """
        bad = {
            key: sorted(self._datasets[key].ids[position].tobytes().hex() for position in found)
            for key, found in self._bad.items()
            if found
        }
        return hashlib.sha256(repr(sorted(bad.items())).encode()).hexdigest() if bad else ""

    def release(self) -> None:
        """Forget features and what was made from them: the summary needs none of it."""
        for kept in (self._features, self._training, self._corrupted, self._seen, self._class_embeddings):
            kept.clear()
        self._live = None

    def dataset(self, row: Row) -> Dataset:
        """Return the row's data set; items that are set aside are in no split of it."""
        return self._datasets[self.plan.data_key(row)]

    def units(self, row: Row) -> NDArray[np.int64]:
        """Return (N,) int64 resampling units."""
        return self._units[self.plan.data_key(row)]

    def features(self, row: Row) -> NDArray[np.float32]:
        """Return (N, D) float32 of the evaluation view.

        Raises:
            RecipeError: the row's backbone makes none.
        """
        self._require_features(row)
        return self._features[self.plan.features_key(row, None)]

    def training_features(self, row: Row) -> NDArray[np.float32]:
        """Return (N, V, D) float32 of the training views; rows with one backbone share the array.

        Raises:
            RecipeError: the row's backbone makes none.
        """
        self._require_features(row)
        keys = [
            self.plan.features_key(row, view) for view in ([None] if row.views <= 1 else range(row.views))
        ]
        name = "+".join(keys)
        if name not in self._training:
            parts = [self._features[key] for key in keys]
            self._training[name] = parts[0][:, None, :] if len(parts) == 1 else np.stack(parts, axis=1)
        return self._training[name]

    def has_features(self, row: Row) -> bool:
        """Return whether the row has features.

        Its backbone makes them, and what asks for answers is not all there is.
        """
        if "features" not in self._provides(row):
            return False
        needs = [
            component_of(part, self.manager).descriptor.needs for part in (row.tuner, *self.plan.evaluators)
        ]
        return (
            row.assess is not None
            or "generate" not in needs[0]
            or any("features" in words for words in needs)
        )

    def _provides(self, row: Row) -> frozenset[str]:
        component = component_of(row.backbone, self.manager)
        return frozenset(self.manager.provides(component, config_of(row.backbone, component)))

    def _require_features(self, row: Row) -> None:
        if not self.has_features(row):
            what = (
                f"tuner {row.tuner.text}, its assessor or an evaluator asks for features of"
                f" {row.backbone.text}, which has none to give"
            )
            raise RecipeError(
                what,
                where="backbone",
                todo="Take a backbone that provides features, and declare needs={'features'}",
            )

    def _unreadable(self, row: Row) -> list[int]:
        """Read every item once; return the positions of those that cannot be read."""
        dataset = self._datasets[self.plan.data_key(row)]
        bad: list[int] = []
        for position in map(int, _needed(dataset, None)):
            try:
                dataset.read(position)
            except (DataError, OSError) as error:
                if self.plan.on_bad_input == "error":
                    raise ItemError(
                        position, str(getattr(error, "what", error)), dataset.origin(position)
                    ) from error
                bad.append(position)
                self.notes.append(("bad item", f"{dataset.origin(position)}: {error}"))
        return bad

    def _load(self, row: Row) -> None:
        key = self.plan.data_key(row)
        if key in self._datasets:
            return
        dataset: Dataset = make(row.data, self.manager).load()
        require_usable(dataset)
        self._datasets[key], self._units[key] = dataset, units_of(dataset)
        self.notes += [("data", str(finding)) for finding in dataset.findings]

    def _extract(self, row: Row, view: int | None) -> list[int]:
        """Extract one view of one backbone; return the positions that could not be read."""
        key = self.plan.features_key(row, view)
        if key in self._features:
            return []
        dataset = self._datasets[self.plan.data_key(row)]
        positions = _needed(dataset, view)
        name = f"features {row.backbone.text}" + ("" if view is None else f" view {view}")

        spec = FeatureSpec(row.backbone, dataset.modality, view, self.plan.numeric)
        with self.progress.stage(name, len(positions), "items") as advance:
            run = ExtractRun(self.workers, self.plan.on_bad_input, lambda done, total: advance(done))
            extracted: Extracted = extract(
                dataset, positions, spec, lambda: self.backbone(row), self.cache, run
            )
        self._features[key] = extracted.features
        self.notes += [
            ("bad item", f"{dataset.origin(position)}: {reason}") for position, reason in extracted.bad
        ]
        self.notes += [("warning", f"{name}: {line}") for line in extracted.warnings]
        return [position for position, _ in extracted.bad]

    # -- the backbone itself ---------------------------------------------------------------------------------

    def backbone(self, row: Row) -> Any:
        """Return the row's backbone.

        One is in memory at a time: rows that share it stand together in a plan.
        """
        if self._live is None or self._live.key != row.backbone.digest:
            self._live = None  # let go of the other one first
            runtime = Runtime(self.plan.numeric.device, self.plan.numeric.dtype, self.offline)
            self._live = _Live(row.backbone.digest, make(row.backbone, self.manager, runtime))
        return self._live.backbone

    def lend(self, row: Row) -> Any:
        """Return the row's backbone for a component that may put something into its module."""
        backbone = self.backbone(row)
        component = component_of(row.backbone, self.manager)
        if "module" in self.manager.provides(component, config_of(row.backbone, component)):
            assert self._live is not None  # noqa: S101 - made above
            self._live.frozen = self._live.frozen or frozen_digest(backbone.module)
        return backbone

    def require_frozen(self, who: str) -> None:
        """Refuse to go on where whoever borrowed the backbone did not leave its weights as they were.

        Raises:
            PluginError: they differ in a bit. The backbone is let go of.
        """
        live = self._live
        if live is not None and live.frozen and frozen_digest(live.backbone.module) != live.frozen:
            self._live = None
            todo = "Put what is trained into the module through burnish.blocks.lease"
            raise PluginError("the frozen weights of the backbone were changed", where=who, todo=todo)

    def class_embeddings(self, row: Row, classes: Classes, templates: Sequence[str]) -> NDArray[np.float32]:
        """Return (P, C, D) float32 text features of the class names in templates; trials share them."""
        key = (
            row.backbone.digest,
            *classes.names,
            "",
            *(text for texts in classes.descriptions for text in texts[:1]),
            "",
            *templates,
        )
        if key not in self._class_embeddings:
            spec = FeatureSpec(row.backbone, "text", None, self.plan.numeric)
            found = embed_classes(classes, templates, spec, lambda: self.backbone(row), self.cache)
            found.setflags(write=False)
            self._class_embeddings[key] = found
        return self._class_embeddings[key]

    def logit_scale(self, row: Row) -> float | None:
        """Return what the row's backbone multiplies cosine similarities with.

        None where images and texts share no learnt space.
        """
        return float(self.backbone(row).logit_scale) if "projects" in self._provides(row) else None

    def adapted_table(
        self, row: Row, predictor: Adapted, positions: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return (N, D') float32 what a predictor reads of the backbone it changed.

        NaN where a position was not asked for.
        """
        dataset = self.dataset(row)
        spec = FeatureSpec(row.backbone, dataset.modality, None, self.plan.numeric, adapted=True)
        try:
            with predictor.adapt(self.lend(row)) as encoder:
                return extract(
                    dataset, positions, spec, lambda: encoder, self.cache, ExtractRun(self.workers)
                ).features
        finally:
            self.require_frozen(f"tuner {row.tuner.text}")

    # -- answers ---------------------------------------------------------------------------------------------

    def ask(
        self, row: Row, prompts: Sequence[Sequence[str]], decoding: Decoding, seeds: Sequence[int]
    ) -> NDArray[Any]:
        """Return what the row's backbone answers P prompts for each of M items, (M, P) object array of str.

        Answers are kept.
        """
        elsewhere = "not-reproducible" in self._provides(row)
        kept = AnswerCache(
            self.cache.folder, AnswerSpec(row.backbone, None if elsewhere else self.plan.numeric)
        )
        table = ask(lambda: self.backbone(row), prompts, decoding, seeds, kept)
        self.notes += [("warning", line) for line in kept.warnings]
        return table

    def answer_table(self, row: Row, predictor: Prompted, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return (N, P) object array: what the backbone answers a predictor's prompts.

        Empty texts where a position was not asked for.
        """
        dataset = self.dataset(row)
        table = np.full((len(dataset), len(predictor.names)), "", dtype=object)
        prompts = predictor.prompts(texts_at(dataset, positions))
        table[positions] = self.ask(
            row, prompts, predictor.decoding, item_seeds(dataset.ids[positions], predictor.seed)
        )
        return table

    # -- supervision -----------------------------------------------------------------------------------------

    def corrupted(self, row: Row, replicate: int) -> Corrupted:
        """Return a replicate's splits and supervision after noise.

        Raises:
            DataError: the splits cannot be drawn, or no test item is left.
        """
        key = self.plan.corrupt_key(row, replicate)
        if key not in self._corrupted:
            dataset = self.dataset(row)
            splits = draw(dataset, self.plan.split, replicate).without(
                sorted(self._bad.get(self.plan.data_key(row), ()))
            )
            if not any(len(splits.splits[name]) for name in splits.tests()):
                todo = "Add items, or let the source fix a test set whose items can be used"
                raise DataError("no test item is left to measure on", where=dataset.name, todo=todo)
            self.notes += [("data", f"{dataset.name}: {line}") for line in splits.notes]
            corruptors = [(part.name, self._corruptor(part)) for part in row.noise]
            self._corrupted[key] = corrupt(dataset, splits, corruptors, replicate, study_salt(dataset))
        return self._corrupted[key]

    def _corruptor(self, part: Part) -> Any:
        return make(part, self.manager)

    def seen_key(self, row: Row, replicate: int) -> str:
        """Return the key of what a replicate of the row is shown."""
        return self.plan.corrupt_key(row, replicate) + self.plan.assess_key(row, replicate)

    def has_seen(self, row: Row, replicate: int) -> bool:
        """Return whether `seen` is at hand."""
        return self.seen_key(row, replicate) in self._seen

    def seen(self, row: Row, replicate: int, tell: Tell = untold) -> Seen:
        """Return what a replicate of the row is shown; `tell` hears how far an assessor that trains is.

        Raises:
            FitError: the assessor could not be trained.
        """
        key = self.seen_key(row, replicate)
        if key not in self._seen:
            try:
                self._seen[key] = self._assessed(row, replicate, tell)
            except (
                FitError
            ) as error:  # who asks again is told at once: an assessor may train for hours until it fails
                self._seen[key] = error.with_traceback(None)  # which would keep all that the assessor held
        found = self._seen[key]
        if isinstance(found, FitError):
            raise found
        return found

    def _assessed(self, row: Row, replicate: int, tell: Tell) -> Seen:
        corrupted = self.corrupted(row, replicate)
        splits, supervision = corrupted.splits.splits, corrupted.supervision
        classes = self._classes(row, supervision, splits)
        seen = Seen(splits, supervision, None, corrupted, classes)
        if row.assess is None:
            return seen
        assessor = make(row.assess, self.manager)
        task = self.tasks(row, replicate, seen).task("assess", tell=tell)
        try:
            assessment = assess(
                row.assess.name,
                assessor,
                self.dataset(row),
                corrupted,
                self.features(row),
                replicate,
                task,
            )
        finally:
            self.require_frozen(f"assess {row.assess.text}")
        supervision, splits = apply(assessment, supervision, splits)
        return Seen(splits, supervision, assessment, corrupted, classes)

    def _classes(self, row: Row, supervision: Supervision, splits: Mapping[str, Split]) -> Classes:
        classes = self.dataset(row).classes
        counts = supervision.take(splits["train"].index).with_weights(None).counts(len(classes))
        return classes.with_known(counts > 0)

    def tasks(self, row: Row, replicate: int, seen: Seen) -> TaskSource:
        """Return where the tasks of one replicate of a row come from."""
        return TaskSource(
            dataset=self.dataset(row),
            splits=seen.splits,
            supervision=seen.supervision,
            classes=seen.classes,
            features=(lambda: (self.training_features(row), self.features(row))),
            backbone=lambda: self.lend(row),
            embed_classes=lambda classes, templates: self.class_embeddings(row, classes, templates),
            replicate=replicate,
            logit_scale=lambda: self.logit_scale(row),
            device=self.plan.numeric.device,
            ask=lambda prompts, decoding, seeds: self.ask(row, prompts, decoding, seeds),
        )


def _needed(dataset: Dataset, view: int | None) -> NDArray[np.int64]:
    """Return the positions to encode: every item that may play a role.

    Augmented views only of items that are no test items.
    """
    everything = np.arange(len(dataset), dtype=np.int64)
    if not dataset.assigned:
        return everything
    wanted = [
        index for name, index in dataset.assigned.items() if view is None or not name.startswith("test")
    ]
    if "train" not in dataset.assigned:
        wanted.append(np.setdiff1d(everything, np.concatenate(list(dataset.assigned.values()))))
    return np.unique(np.concatenate(wanted)).astype(np.int64)
