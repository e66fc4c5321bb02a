"""Assessments from the store: what an assessor said before need not be asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.evaluator import Table
from burnish.contracts.noise import Assessment
from burnish.data import Dataset, Labels
from burnish.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.engine.store import AssessmentRecord


def restored(record: AssessmentRecord, dataset: Dataset) -> Assessment:
    """Return the assessment of a record.

    Raises:
        StoreError: it speaks of other items than the data set has.
    """
    index = np.frombuffer(record.positions, dtype="<i8").astype(np.int64)
    if len(index) and (index.max() >= len(dataset) or dataset.ids[index].tobytes() != record.ids):
        what = "an assessment speaks of other items than the data has"
        raise StoreError(what, where=str(record.axes.get("data", "")), todo="Run with --fresh")
    corrected = _array(record.corrected, "<i8", np.int64)
    tables = [Table(one["name"], one["split"], one["columns"]) for one in record.tables]
    return Assessment(
        index=index,
        clean_probability=_array(record.clean_probability, "<f4", np.float32),
        keep=_array(record.keep, "u1", np.bool_),
        weight=_array(record.weight, "<f4", np.float32),
        corrected=None if corrected is None else Labels(y=corrected),
        tables={table.name: table for table in tables},
    )


def _array(content: bytes | None, dtype: str, wanted: type[Any]) -> NDArray[Any] | None:
    return None if content is None else np.frombuffer(content, dtype=dtype).astype(wanted)
