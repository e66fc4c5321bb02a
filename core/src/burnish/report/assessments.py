"""What assessors said of the training items: a line an assessor, its tables, and a line an item. Light."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from burnish.engine.store import AssessmentOverview, AssessmentRecord
from burnish.errors import RecipeError, suggestion
from burnish.notation.part_text import called
from burnish.report.exports import write_csv
from burnish.report.formatting import MISSING, mean, shown
from burnish.report.sheet import Column, Section, Sheet
from burnish.report.summary import distinct

AXES: Final = ("data", "backbone", "noise", "assess")
_MOST_TABLES: Final = 24
_MOST_ROWS: Final = 60

Groups = dict[tuple[str, ...], list[AssessmentOverview]]


def overview(found: Sequence[AssessmentOverview]) -> Sheet | None:
    """Return a line for each assessor and the rows it served, means over replicates; None without any."""
    groups = _groups(found)
    if not groups:
        return None
    axes = _varying(groups)
    columns = (
        *(Column(AXES[axis], numeric=False) for axis in axes),
        *map(Column, ("replicates", "items", "kept", "mean clean probability", "corrected")),
    )
    rows = tuple(
        (*(texts[axis] for axis in axes), *_figures(replicates)) for texts, replicates in groups.items()
    )
    title = "Assessments of the training items: shares in points (%)"
    notes = (*_errors(found), "Item by item: burnish results STUDY --assessment --format csv")
    return Sheet("assessments", title, columns, (Section("", rows),), notes)


def _groups(found: Iterable[AssessmentOverview]) -> Groups:
    """Return the replicates of an assessor on the same data, backbone and noise, under these texts."""
    groups: Groups = {}
    for one in found:
        groups.setdefault(tuple(one.axes.get(axis, "") for axis in AXES), []).append(one)
    return groups


def _varying(groups: Groups) -> list[int]:
    """Return the positions of the axes to show: those that differ, and always the assessor."""
    last = len(AXES) - 1
    return [axis for axis in range(last) if len({texts[axis] for texts in groups}) > 1] + [last]


def _figures(replicates: Sequence[AssessmentOverview]) -> Iterator[str]:
    """Yield the numbers of a line: means over the replicates that have an assessment."""
    made = [one for one in replicates if not one.error]
    yield str(len(made))
    yield shown(round(mean([float(one.items) for one in made])), "count") if made else MISSING
    yield _share([_part(one.kept, one.items) for one in made])
    yield _share([one.clean_probability for one in made])
    yield _share([_part(one.corrected, one.items) for one in made])


def _part(some: int | None, items: int) -> float | None:
    return None if some is None or not items else some / items


def _share(values: Sequence[float | None]) -> str:
    return shown(mean([value for value in values if value is not None]), "fraction")


def _errors(found: Sequence[AssessmentOverview]) -> list[str]:
    return distinct(f"{one.axes.get('assess', '')}: {one.error}" for one in found if one.error)


def tables(found: Sequence[AssessmentOverview]) -> tuple[list[Sheet], int]:
    """Return the tables of the first replicate of every assessor, and how many more there are."""
    groups = _groups(found)
    axes = _varying(groups) if groups else []
    sheets = []
    for texts, replicates in groups.items():
        first = min(replicates, key=lambda one: one.replicate)
        of = ", ".join(texts[axis] for axis in axes)
        sheets += [_table(table, f"{of}, replicate {first.replicate}") for table in first.tables]
    return sheets[:_MOST_TABLES], len(sheets[_MOST_TABLES:])


def _table(table: Mapping[str, Any], of: str) -> Sheet:
    """Return a table of an assessor as a sheet, cut where it is long."""
    names = list(table["columns"])
    values = [table["columns"][name] for name in names]
    columns = tuple(
        Column(name, numeric=not any(isinstance(value, str) for value in column))
        for name, column in zip(names, values, strict=True)
    )
    rows = [tuple(map(_cell, row)) for row in zip(*values, strict=True)]
    notes = (f"and {len(rows) - _MOST_ROWS} more rows",) if len(rows) > _MOST_ROWS else ()
    return Sheet(
        str(table["name"]),
        f"{table['name']} of {of}",
        columns,
        (Section("", tuple(rows[:_MOST_ROWS])),),
        notes,
    )


def _cell(value: object) -> str:
    if value is None:
        return MISSING
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# -- item by item --------------------------------------------------------------------------------------------


def chosen(records: Sequence[AssessmentRecord], assess: str) -> list[AssessmentRecord]:
    """Return the assessments of an assessor; all of them where the text is empty.

    Raises:
        RecipeError: the study has no assessment, or none of that assessor.
    """
    if not records:
        raise RecipeError(
            "the study has no assessment", where="results", todo="Run a recipe with assess, or --assess"
        )
    texts = distinct(record.axes.get("assess", "") for record in records)
    meant = called(assess, texts) if assess else texts
    if not meant:
        what = f"{assess!r} is no assessor of the study. {suggestion(assess, texts)}".strip()
        raise RecipeError(what, where="results", possible=", ".join(texts))
    return [record for record in records if record.axes.get("assess", "") in meant]


def items_to_csv(records: Sequence[AssessmentRecord]) -> Iterator[str]:
    """Yield CSV in pieces: a line an item and assessment; a cell is empty where nothing is said."""
    fields = ("id", "given", "clean_probability", "keep", "weight", "corrected")
    yield write_csv([[*AXES, "replicate", *fields]])
    for record in records:
        head = [*(record.axes.get(axis, "") for axis in AXES), record.replicate]
        for item in record.items():
            yield write_csv([[*head, *(_written(item[field]) for field in fields)]])


def _written(value: object) -> object:
    """Return a value for a CSV cell: nothing for None, ``true`` and ``false`` as in recipes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else value


def items_to_json(records: Sequence[AssessmentRecord]) -> str:
    """Return the assessments with their items and tables as JSON."""
    content = [
        {
            **dict(record.axes),
            "replicate": record.replicate,
            "error": record.error,
            "tables": list(record.tables),
            "items": list(record.items()),
        }
        for record in records
    ]
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
