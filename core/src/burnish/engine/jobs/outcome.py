"""What an evaluator sees of one trial, and the scores behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.evaluator import Answers
from burnish.contracts.scores import Scores
from burnish.contracts.tuner import Prompted
from burnish.errors import PluginError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.noise import Assessment
    from burnish.contracts.tuner import Predictor
    from burnish.data import Classes, Split, Supervision


@dataclass(eq=False)
class TrialOutcome:
    """One trial's scores on some splits; implements `burnish.contracts.evaluator.Outcome`.

    Attributes:
        predictor: what was trained.
        classes: the classes.
        parts: the splits to measure.
        table: (N, D) features of the evaluation view; None where the backbone makes none.
        read: (N, D') what the predictor reads: the same, unless the tuner changed the backbone, or (N, P)
            answers of a language model.
        shown: the targets evaluators compare with: the truth on test sets, labels as observed on validation.
        unit: (N,) resampling unit of every item.
        train_counts: (C,) training items per class as observed.
        assessment: the assessment of the recipe's assessor.
        truth: clean targets of all items, for evaluators that declare it; None hides them.
        judged_items: (N,) bool, the clean target is known; the others are neither right nor wrong.
        observed: targets of all items as observed.
        embed: gives text features of the class names in templates; None without a text tower.
        calls: a context for calls of the predictor, which says whose code it is that fails.
    """

    predictor: Predictor
    classes: Classes
    parts: Mapping[str, Split]
    table: NDArray[np.float32] | None
    read: NDArray[Any]
    shown: Supervision
    unit: NDArray[np.int64]
    train_counts: NDArray[np.float64]
    assessment: Assessment | None = None
    truth: Supervision | None = None
    judged_items: NDArray[np.bool_] | None = None
    observed: Supervision | None = None
    embed: Callable[[Sequence[str]], NDArray[np.float32]] | None = None
    calls: Callable[[], AbstractContextManager[None]] = nullcontext
    _scores: dict[str, Scores] = field(default_factory=dict)
    _embeddings: dict[str, Any] = field(default_factory=dict)

    @property
    def splits(self) -> Sequence[str]:
        """The splits to measure."""
        return list(self.parts)

    def features(self, split: str) -> NDArray[np.float32]:
        """Return (M, D) float32 features of the backbone.

        Raises:
            PluginError: the backbone makes none, and the evaluator does not declare that it needs them.
        """
        if self.table is None:
            raise PluginError(
                "an evaluator asked for features without declaring needs={'features'}", where="evaluate"
            )
        return np.asarray(self.table[self.parts[split].index])

    def _read(self, split: str) -> NDArray[Any]:
        return np.asarray(self.read[self.parts[split].index])

    def scores(self, split: str) -> Scores:
        """Return scores of the split's items; each split is predicted once."""
        if split not in self._scores:
            with self.calls():
                self._scores[split] = self.predictor.predict(self._read(split))
        return self._scores[split]

    def targets(self, split: str) -> Supervision:
        """Return the targets of the split's items."""
        return self.shown.take(self.parts[split].index)

    def units(self, split: str) -> NDArray[np.int64]:
        """Return (M,) int64 the resampling unit of each item."""
        return self.unit[self.parts[split].index]

    def embeddings(self, split: str) -> NDArray[Any] | None:
        """Return (M, E) what the tuner's last layer reads."""
        if split not in self._embeddings:
            with self.calls():
                self._embeddings[split] = self.predictor.embed(self._read(split))
        embedded: NDArray[Any] | None = self._embeddings[split]
        return embedded

    def answers(self, split: str) -> Answers | None:
        """Return what a language model answered; None where the tuner asked none."""
        return (
            Answers(self.predictor.names, self._read(split)) if isinstance(self.predictor, Prompted) else None
        )

    def class_embeddings(self, templates: Sequence[str]) -> NDArray[np.float32]:
        """Return (P, C, D) float32 text features of the class names in P templates.

        Raises:
            PluginError: the evaluator does not declare that it needs a text tower.
        """
        if self.embed is None:
            raise PluginError(
                "an evaluator asked for text features without declaring needs={'text-tower'}",
                where="evaluate",
            )
        return self.embed(templates)

    def wrong(self) -> NDArray[np.bool_]:
        """Return (K,) bool for the assessment's items: the observed target differs from the truth.

        Raises:
            PluginError: the evaluator does not declare that it needs the truth, or nothing was assessed.
        """
        if self.truth is None or self.observed is None or self.assessment is None:
            raise PluginError(
                "an evaluator asked for the truth without declaring needs={'truth', 'assessment'}",
                where="evaluate",
            )
        index = self.assessment.index
        truth, observed = (
            getattr(self.truth.take(index), "y", None),
            getattr(self.observed.take(index), "y", None),
        )
        if truth is None or observed is None:
            raise PluginError("wrong labels are defined for one label an item only", where="evaluate")
        wrong: NDArray[np.bool_] = (truth != observed) & self.judged()
        return wrong

    def flagged(self) -> NDArray[np.bool_] | None:
        """Return (K,) bool for the assessment's items: it is not kept, or its target was corrected.

        Raises:
            PluginError: nothing was assessed.
        """
        found = self.assessment
        if found is None or self.observed is None:
            what = "an evaluator asked for an assessment without declaring needs={'assessment'}"
            raise PluginError(what, where="evaluate")
        flags = None if found.keep is None else ~found.keep
        if found.corrected is None:
            return flags
        changed = self.observed.take(found.index).differs(found.corrected)
        return changed if flags is None else flags | changed

    def judged(self) -> NDArray[np.bool_]:
        """Return (K,) bool for the assessment's items: both the observed target and the truth are known.

        Raises:
            PluginError: the evaluator does not declare that it needs the truth, or nothing was assessed.
        """
        if self.judged_items is None or self.observed is None or self.assessment is None:
            raise PluginError(
                "an evaluator asked for the truth without declaring needs={'truth', 'assessment'}",
                where="evaluate",
            )
        index = self.assessment.index
        judged: NDArray[np.bool_] = self.judged_items[index] & self.observed.take(index).known
        return judged

    def without_truth(self) -> TrialOutcome:
        """Return the outcome for an evaluator that does not declare the truth.

        Targets of test sets are not in it.
        """
        hidden = self.shown.hide(np.arange(len(self.shown), dtype=np.int64))
        known = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return _Blind(**known | {"truth": None, "judged_items": None, "shown": hidden})


class _Blind(TrialOutcome):
    def targets(self, split: str) -> Supervision:
        raise PluginError(
            "an evaluator asked for targets without declaring needs={'truth'}", where="evaluate"
        )
