"""The measure job: every evaluator on one trial, or what a candidate of tuning reaches on validation.

Tuning measures validation with labels as observed, and never a test set.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.evaluator import Measure, Measures
from burnish.engine.blame import blame, blamed
from burnish.engine.jobs.outcome import TrialOutcome
from burnish.engine.parts import component_of, config_of
from burnish.engine.predict.reading import read_for
from burnish.engine.store import Candidate, Record, StoredMeasure, extras_of
from burnish.errors import BurnishError, DataError, FitError, RecipeError

if TYPE_CHECKING:
    from burnish.contracts.tuner import Predictor
    from burnish.data import Split, Supervision
    from burnish.engine.jobs.data import Data
    from burnish.engine.jobs.features import Tables
    from burnish.engine.jobs.fit import Fitted
    from burnish.engine.jobs.shown import Shown
    from burnish.engine.tools import Tools
    from burnish.plan import Part, Plan, Row, Trial


@dataclass(frozen=True, eq=False)
class Measuring:
    """What the measure jobs of one row and replicate have in common.

    Attributes:
        tools: what jobs work with.
        row: the row, with the options it was fitted with.
        given: the items.
        shown: what the tuner was shown.
        tables: features; None where the row has none.
    """

    tools: Tools
    row: Row
    given: Data
    shown: Shown
    tables: Tables | None

    def outcome(self, predictor: Predictor, parts: Mapping[str, Split], targets: Supervision) -> TrialOutcome:
        """Return what evaluators see of a predictor on some splits, compared with these targets."""
        table = None if self.tables is None else self.tables.evaluation
        tuner, manager = self.row.tuner, self.tools.manager
        positions = np.unique(np.concatenate([split.index for split in parts.values()]))
        backbone, shown = self.row.backbone, self.shown
        return TrialOutcome(
            predictor=predictor,
            classes=shown.classes,
            parts=parts,
            table=table,
            read=read_for(predictor, self.tools, self.row, self.given.dataset, positions, table),
            shown=targets,
            unit=self.given.units,
            train_counts=shown.train_counts,
            assessment=shown.assessment,
            observed=shown.corrupted.supervision,
            calls=lambda: blamed(tuner, manager),
            embed=lambda t: self.tools.backbones.class_embeddings(backbone, shown.classes, t),
        )


def measure(
    plan: Plan, trial: Trial, fitted: Fitted, options: Mapping[str, Any], measuring: Measuring
) -> Record:
    """Return everything that is stored of a trained trial, measured on its test sets against the truth.

    A trial that cannot be measured is stored with the reason, and ends no other.

    Raises:
        RecipeError: two evaluators give a measure of one name, of which the report could show only one.
    """
    measures: dict[str, Measures] = {}
    error = fitted.error
    if fitted.predictor is not None:
        try:
            measures = _measured(plan.evaluators, fitted.predictor, measuring)
        except (DataError, FitError) as problem:
            error = str(problem)
    _require_distinct(measures)
    found = list(measures.values())
    return Record(
        key=plan.measure_key(trial),
        axes=trial.row.axes(),
        replicate=trial.replicate,
        options=options,
        versions=_versions(plan, measuring.row, measuring.tools),
        error=error,
        measures=(*(StoredMeasure.of(m) for ms in found for m in ms.scalars), *_rates(measuring)),
        tables=tuple(table for ms in found for table in extras_of(ms.tables)),
        curves=tuple(curve for ms in found for curve in extras_of(ms.curves)),
        seconds=fitted.seconds,
        stack=fitted.stack,
    )


def failed_record(plan: Plan, trial: Trial, error: str, tools: Tools) -> Record:
    """Return what is stored of a trial that something it needs could not be had for."""
    versions = _versions(plan, trial.row, tools)
    return Record(plan.measure_key(trial), trial.row.axes(), trial.replicate, versions=versions, error=error)


def _measured(evaluators: Sequence[Part], predictor: Predictor, measuring: Measuring) -> dict[str, Measures]:
    """Return what each evaluator says; one that fails says that, and costs its own measures alone."""
    corrupted = measuring.shown.corrupted
    outcome = measuring.outcome(predictor, measuring.shown.tests(), corrupted.truth)
    outcome = replace(outcome, truth=corrupted.truth, judged_items=corrupted.judged)
    found = {}
    for part in evaluators:
        if "assessment" in _needs(part, measuring.tools) and outcome.assessment is None:
            continue
        found[part.text] = _isolated(part, measuring, outcome)
    return found


def _isolated(part: Part, measuring: Measuring, outcome: TrialOutcome) -> Measures:
    """Return what an evaluator says; where its code fails, a measure without a value that says why."""
    tools = measuring.tools
    try:
        return _ask(part, tools, outcome)
    except (BurnishError, MemoryError):
        raise
    except Exception as error:  # a plugin's code: it costs its own measures alone
        why = blame(part, tools.manager, error)
        tools.notes.append(("warning", f"{measuring.row.tuner.text}: {why}"))
        return Measures(
            tuple(
                Measure(name, split, math.nan, how=why)
                for name in _names(part, tools)
                for split in outcome.splits
            )
        )


def _names(part: Part, tools: Tools) -> tuple[str, ...]:
    """Return the names of an evaluator's measures, or its own text where it does not tell them."""
    component = component_of(part, tools.manager)
    return tools.manager.measures(component, config_of(part, component)) or (part.text,)


def _ask(part: Part, tools: Tools, outcome: TrialOutcome) -> Measures:
    evaluator = tools.made(part)
    seen = outcome if "truth" in _needs(part, tools) else outcome.without_truth()
    found: Measures = evaluator.measure(seen)
    return found


def _needs(part: Part, tools: Tools) -> frozenset[str]:
    needs: frozenset[str] = component_of(part, tools.manager).descriptor.needs
    return needs


def validate(plan: Plan, fitted: Fitted, measuring: Measuring) -> Candidate:
    """Return what a candidate reaches on validation with labels as observed.

    The truth is no part of its outcome.

    Raises:
        RecipeError: no evaluator gives the measure that the recipe selects on, or it has no direction.
        DataError: there is no validation split.
    """
    if fitted.predictor is None:
        return Candidate(math.nan, error=fitted.error)
    name = plan.select.split
    split = measuring.shown.splits.get(name)
    if split is None or not len(split):
        todo = "Set split.validation above 0"
        raise DataError(f"there is no {name} split to tune on", where="tune", todo=todo)
    try:
        outcome = measuring.outcome(fitted.predictor, {name: split}, measuring.shown.supervision)
        measure = _selected(plan, outcome, measuring.tools)
    except (DataError, FitError) as problem:
        return Candidate(math.nan, error=str(problem))
    if measure.better == "none":
        what = f"{measure.name} is neither better up nor better down"
        todo = "Select on a measure that has a better direction, such as accuracy"
        raise RecipeError(what, where="select.measure", todo=todo)
    return Candidate(measure.value, measure.better, "" if math.isfinite(measure.value) else measure.how)


def _selected(plan: Plan, outcome: TrialOutcome, tools: Tools) -> Measure:
    wanted, found = plan.select.measure, []
    for measure in _on_validation(plan, outcome, tools):
        found.append(measure.name)
        if measure.name == wanted or not wanted:
            return measure
    possible = ", ".join(found)
    raise RecipeError(f"no evaluator gives {wanted!r}", where="select.measure", possible=possible)


def _on_validation(plan: Plan, outcome: TrialOutcome, tools: Tools) -> Iterator[Measure]:
    for part in plan.evaluators:
        if "assessment" not in _needs(part, tools):
            with blamed(part, tools.manager):
                found = _ask(part, tools, outcome)
            yield from (one for one in found.scalars if one.split == plan.select.split)


def _rates(measuring: Measuring) -> Sequence[StoredMeasure]:
    """Return the realised noise rate of each role, where there is noise."""
    if not measuring.row.noise:
        return []
    corrupted = measuring.shown.corrupted
    sizes: dict[str, int] = {split.role: len(split) for split in corrupted.splits.splits.values()}
    return [
        StoredMeasure("noise-rate", role, rate, "fraction", "none", sizes[role], "realised")
        for role, rate in sorted(corrupted.rates.items())
    ]


def _versions(plan: Plan, row: Row, tools: Tools) -> dict[str, str]:
    parts = [part for several in row.parts().values() for part in several]
    return {
        part.plugin: component_of(part, tools.manager).plugin.version for part in (*parts, *plan.evaluators)
    }


def _require_distinct(measures: Mapping[str, Measures]) -> None:
    known: dict[tuple[str, str], str] = {}
    for evaluator, found in measures.items():
        for measure in found.scalars:
            other = known.setdefault((measure.name, measure.split), evaluator)
            if other != evaluator:
                what = f"{other} and {evaluator} both give a measure {measure.name!r}"
                raise RecipeError(what, where="evaluate", todo="Name one of them")
