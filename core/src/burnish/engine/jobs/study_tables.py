"""Tables and curves of a whole study, made by the summaries that its recipe names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from burnish.contracts.study import StudyMeasures, StudyRow
from burnish.engine.parts import component_of, make
from burnish.engine.store import extras_of
from burnish.errors import one_line

if TYPE_CHECKING:
    from burnish.contracts.evaluator import Measures
    from burnish.manager import Manager
    from burnish.plan import Plan, Row

TABLES, CURVES, ERRORS = "extra tables", "extra curves", "extra errors"
"""Keys of a study's summary; they are there where the plan has summaries."""


def study_tables(plan: Plan, summary: Mapping[str, Any], manager: Manager) -> dict[str, Any]:
    """Return what the plan's summaries make of the whole study, for the study's summary.

    Args:
        plan: the plan.
        summary: the study's summary, as `burnish.engine.jobs.summarise` makes it.
        manager: finds the summaries.

    Returns:
        Nothing where the plan has no summaries; else ``extra tables`` and ``extra curves``, lists of tables
        and curves as JSON values with ``from``, the text of the summary that made each, and ``extra errors``:
        why a summary made none. One that fails costs its own tables alone.
    """
    if not plan.summaries:
        return {}
    study = _study(plan, summary)
    found: dict[str, list[dict[str, Any]]] = {TABLES: [], CURVES: [], ERRORS: []}
    for part in plan.summaries:
        origin = {"from": part.text}
        try:
            made = _checked(make(part, manager).summarise(study))
        except Exception as error:
            component = component_of(part, manager)
            where = f"{component} of plugin {component.plugin}"
            found[ERRORS].append(origin | {"error": one_line(f"{where}: {type(error).__name__}: {error}")})
        else:
            found[TABLES] += [origin | table for table in extras_of(made.tables)]
            found[CURVES] += [origin | curve for curve in extras_of(made.curves)]
    return found


def _study(plan: Plan, summary: Mapping[str, Any]) -> StudyMeasures:
    better: dict[str, Any] = {}
    rows = []
    for planned, described in zip(plan.rows, summary["rows"], strict=True):
        numbers = described["numbers"]
        for measure, splits in numbers.items():
            better[measure] = next(iter(splits.values()))["better"]
        values = {
            (measure, split): tuple(math.nan if value is None else float(value) for value in number["values"])
            for measure, splits in numbers.items()
            for split, number in splits.items()
        }
        rows.append(StudyRow(described["axes"], _options(planned) | described["options"], values))
    return StudyMeasures(rows, better, summary["measure"], summary["panels"])


def _options(row: Row) -> dict[str, Any]:
    """Return every option of a row by dotted name; of several parts under a key the first that has it."""
    found: dict[str, Any] = {}
    for key, parts in row.parts().items():
        for part in reversed(parts):
            found |= {f"{key}.{name}": part.option(name) for name in part.option_names()}
    return found


def _checked(made: Measures) -> Measures:
    if made.scalars:
        raise ValueError("it gives scalars, which belong to trials: put them into a table")
    for table in made.tables:
        lengths = {name: len(column) for name, column in table.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"table {table.name!r} has columns of different lengths: {lengths}")
    return made
