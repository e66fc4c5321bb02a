"""The measure job: every evaluator on one trial.

Tuning measures validation with labels as observed, and never a test set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.tuner import Adapted, Prompted
from burnish.engine.inputs import Inputs
from burnish.engine.jobs.fit import Fitted
from burnish.engine.jobs.outcome import TrialOutcome
from burnish.engine.parts import component_of, make
from burnish.engine.store import Candidate, Record, StoredMeasure, extras_of
from burnish.errors import DataError, RecipeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.evaluator import Evaluator, Measure, Measures
    from burnish.contracts.tuner import Predictor
    from burnish.data import Split, Supervision
    from burnish.plan import Part, Plan, Row, Trial


@dataclass(frozen=True)
class _Named:
    name: str
    needs: frozenset[str]
    evaluator: Evaluator


class Measuring:
    """Applies a plan's evaluators.

    Args:
        plan: the plan.
        inputs: the shared jobs.
    """

    def __init__(self, plan: Plan, inputs: Inputs) -> None:
        self.plan, self.inputs = plan, inputs
        self._evaluators = [self._named(part) for part in plan.evaluators]

    def _named(self, part: Part) -> _Named:
        return _Named(
            part.text,
            component_of(part, self.inputs.manager).descriptor.needs,
            make(part, self.inputs.manager),
        )

    def record(self, fitted: Fitted) -> Record:
        """Return everything that is stored of a trained trial, measured on its test sets against the truth.

        A trial that cannot be measured is stored with the reason, and ends no other.

        Raises:
            RecipeError: two evaluators give a measure of one name, of which the report could show only one.
        """
        trial, row = fitted.trial, fitted.row
        measures: list[Measures] = []
        error = fitted.error
        if fitted.predictor is not None:
            seen = self.inputs.seen(row, trial.replicate)
            tests = {
                name: split for name, split in seen.splits.items() if split.role == "test" and len(split)
            }
            try:
                outcome = self._outcome(fitted.predictor, row, trial.replicate, tests, seen.corrupted.truth)
                outcome = replace(outcome, truth=seen.corrupted.truth, judged_items=seen.corrupted.judged)
                able = [
                    named for named in self._evaluators if "assessment" not in named.needs or seen.assessment
                ]
                measures = [self._measure(named, outcome) for named in able]
                _require_distinct({named.name: found for named, found in zip(able, measures, strict=True)})
            except DataError as problem:
                measures, error = [], str(problem)
        return Record(
            key=self.plan.measure_key(trial),
            axes=trial.row.axes(),
            replicate=trial.replicate,
            options=fitted.options,
            versions=self._versions(row),
            error=error,
            measures=tuple(StoredMeasure.of(m) for ms in measures for m in (*ms.scalars,))
            + tuple(self._rates(trial)),
            tables=tuple(t for ms in measures for t in extras_of(ms.tables)),
            curves=tuple(c for ms in measures for c in extras_of(ms.curves)),
            seconds=fitted.seconds,
            stack=fitted.stack,
        )

    def validation(self, fitted: Fitted) -> Candidate:
        """Return what a candidate reaches on validation with labels as observed.

        The truth is no part of its outcome.

        Raises:
            RecipeError: no evaluator gives the measure that the recipe selects on, or it has no direction.
            DataError: there is no validation split.
        """
        if fitted.predictor is None:
            return Candidate(math.nan, error=fitted.error)
        seen = self.inputs.seen(fitted.row, fitted.trial.replicate)
        split = seen.splits.get(self.plan.select.split)
        if split is None or not len(split):
            raise DataError(
                f"there is no {self.plan.select.split} split to tune on",
                where="tune",
                todo="Set split.validation above 0",
            )
        try:
            outcome = self._outcome(
                fitted.predictor, fitted.row, fitted.trial.replicate, {split.name: split}, seen.supervision
            )
            measure = self._selected(outcome, split.name)
        except DataError as problem:
            return Candidate(math.nan, error=str(problem))
        if measure.better == "none":
            todo = "Select on a measure that has a better direction, such as accuracy"
            raise RecipeError(
                f"{measure.name} is neither better up nor better down", where="select.measure", todo=todo
            )
        return Candidate(measure.value, measure.better, "" if math.isfinite(measure.value) else measure.how)

    def _selected(self, outcome: TrialOutcome, split: str) -> Measure:
        found: list[Measure] = []
        for named in self._evaluators:
            if "assessment" in named.needs:
                continue
            found += [m for m in self._measure(named, outcome).scalars if m.split == split]
            chosen = next(
                (m for m in found if m.name == self.plan.select.measure or not self.plan.select.measure), None
            )
            if chosen is not None:
                return chosen
        raise RecipeError(
            f"no evaluator gives {self.plan.select.measure!r}",
            where="select.measure",
            possible=", ".join(m.name for m in found),
        )

    def _measure(self, named: _Named, outcome: TrialOutcome) -> Measures:
        return named.evaluator.measure(outcome if "truth" in named.needs else outcome.without_truth())

    def _outcome(
        self, predictor: Predictor, row: Row, replicate: int, parts: Mapping[str, Split], shown: Supervision
    ) -> TrialOutcome:
        seen = self.inputs.seen(row, replicate)
        table: NDArray[np.float32] | None = (
            self.inputs.features(row) if self.inputs.has_features(row) else None
        )
        positions = np.unique(np.concatenate([split.index for split in parts.values()]))
        read: NDArray[Any]
        if isinstance(predictor, Adapted):
            read = self.inputs.adapted_table(row, predictor, positions)
        elif isinstance(predictor, Prompted):
            read = self.inputs.answer_table(row, predictor, positions)
        else:
            read = self.inputs.features(row)
        return TrialOutcome(
            predictor=predictor,
            classes=seen.classes,
            parts=parts,
            table=table,
            read=read,
            shown=shown,
            unit=self.inputs.units(row),
            train_counts=seen.supervision.take(seen.splits["train"].index)
            .with_weights(None)
            .counts(len(seen.classes)),
            assessment=seen.assessment,
            observed=seen.corrupted.supervision,
            embed=lambda templates: self.inputs.class_embeddings(row, seen.classes, templates),
        )

    def _rates(self, trial: Trial) -> Sequence[StoredMeasure]:
        """Return the realised noise rate of each role, where there is noise."""
        if not trial.row.noise:
            return []
        corrupted = self.inputs.corrupted(trial.row, trial.replicate)
        sizes: dict[str, int] = {split.role: len(split) for split in corrupted.splits.splits.values()}
        rates = sorted(corrupted.rates.items())
        return [
            StoredMeasure("noise-rate", role, rate, "fraction", "none", sizes[role], "realised")
            for role, rate in rates
        ]

    def _versions(self, row: Row) -> dict[str, Any]:
        parts = [
            row.data,
            row.backbone,
            *row.noise,
            row.assess,
            row.tuner,
            row.loss,
            *self.plan.evaluators,
        ]
        return {p.plugin: component_of(p, self.inputs.manager).plugin.version for p in parts if p is not None}


def _require_distinct(measures: Mapping[str, Measures]) -> None:
    known: dict[tuple[str, str], str] = {}
    for label, found in measures.items():
        for measure in found.scalars:
            other = known.setdefault((measure.name, measure.split), label)
            if other != label:
                raise RecipeError(
                    f"{other} and {label} both give a measure {measure.name!r}",
                    where="evaluate",
                    todo="Name one of them",
                )
