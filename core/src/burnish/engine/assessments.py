"""Assessments as the store keeps them: by content id, in the order of the items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.evaluator import Table
from burnish.contracts.noise import Assessment
from burnish.data import Dataset, Labels
from burnish.engine.store import AssessmentRecord, extras_of
from burnish.errors import StoreError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.engine.jobs.shown import Shown
    from burnish.plan import Job

_AXES = ("data", "backbone", "views", "noise", "assess")


def to_record(
    job: Job, dataset: Dataset, shown: Shown, found: Assessment | None, error: str = ""
) -> AssessmentRecord:
    """Return what is stored of an assessment, or of an assessor that failed.

    Args:
        job: the assess job.
        dataset: the items.
        shown: what the assessor was shown.
        found: what it said; None where it failed.
        error: why it failed.
    """
    row, replicate = job.what
    axes = {name: text for name, text in row.axes().items() if name in _AXES}
    if found is None:
        return AssessmentRecord(job.key, axes, replicate, error=error)
    index = np.asarray(found.index, dtype=np.int64)
    observed, corrected = shown.supervision.take(index), found.corrected
    return AssessmentRecord(
        key=job.key,
        axes=axes,
        replicate=replicate,
        positions=_bytes(index, "<i8") or b"",
        ids=dataset.ids[index].tobytes(),
        given=_bytes(getattr(observed, "y", None), "<i8"),
        clean_probability=_bytes(found.clean_probability, "<f4"),
        keep=_bytes(found.keep, "u1"),
        weight=_bytes(found.weight, "<f4"),
        corrected=_bytes(getattr(corrected, "y", None), "<i8"),
        tables=extras_of(found.tables.values()),
    )


def from_record(record: AssessmentRecord, dataset: Dataset) -> Assessment:
    """Return the assessment that was stored.

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


def _bytes(array: NDArray[Any] | None, dtype: str) -> bytes | None:
    return None if array is None else np.ascontiguousarray(array, dtype=dtype).tobytes()


def _array(content: bytes | None, dtype: str, wanted: type[Any]) -> NDArray[Any] | None:
    return None if content is None else np.frombuffer(content, dtype=dtype).astype(wanted)
