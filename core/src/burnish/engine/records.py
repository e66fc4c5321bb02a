"""What the store keeps, as plain records: measures, candidates, trials, assessments, fits yet to be measured.

Importing this module imports neither torch nor numpy, so that a finished study is shown at once.
"""

from __future__ import annotations

import json
import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Final

from burnish.errors import NotMeasuredError, suggestion

if TYPE_CHECKING:
    from burnish.contracts.evaluator import Curve, Measure, Table
    from burnish.contracts.noise import Assessment
    from burnish.data import Dataset, Supervision

ID_BYTES: Final = 32
"""Bytes of a content id."""


@dataclass(frozen=True)
class StoredMeasure:
    """A measure as the store has it.

    `terms` are the bytes of three float64 arrays one after the other: units, numerator, denominator.
    """

    name: str
    split: str
    value: float
    unit: str
    better: str
    n: int
    how: str
    terms: bytes | None = None

    @classmethod
    def of(cls, measure: Measure) -> StoredMeasure:
        """Return the stored form of a measure."""
        terms = None
        if measure.terms is not None:
            import numpy as np

            parts = (measure.terms.units, measure.terms.numerator, measure.terms.denominator)
            terms = b"".join(np.ascontiguousarray(part, dtype="<f8").tobytes() for part in parts)
        value, n = float(measure.value), int(measure.n)
        return cls(measure.name, measure.split, value, measure.unit, measure.better, n, measure.how, terms)


@dataclass(frozen=True)
class Candidate:
    """What one trial of tuning reached on validation.

    Attributes:
        value: the selection measure; NaN where it could not be trained or measured.
        better: ``"up"`` or ``"down"``; empty where there is no value.
        error: why there is none.
    """

    value: float
    better: str = ""
    error: str = ""


@dataclass(frozen=True)
class Record:
    """Everything that is stored of one finished trial.

    Attributes:
        key: its measure key.
        axes: text of every axis.
        replicate: its replicate.
        options: the tuned options it was fitted with.
        versions: plugin and version of every part.
        error: why it could not be trained; empty where it could.
        measures: its measures, in order.
        tables: tables as JSON values.
        curves: curves as JSON values.
        seconds: its share of its stack's time.
        stack: trials in the stack.
    """

    key: str
    axes: Mapping[str, str]
    replicate: int
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    measures: tuple[StoredMeasure, ...] = ()
    tables: tuple[Mapping[str, Any], ...] = ()
    curves: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0
    stack: int = 1

    def __getitem__(self, wanted: str | tuple[str, str]) -> float:
        """Return the value of a measure: ``trial["accuracy"]``, ``trial["accuracy", "test:blur"]``.

        Without a split it is that of ``test``, or that of the only split there is.

        Raises:
            NotMeasuredError: the trial has no such measure, or has it for other splits.
        """
        name, split = (wanted, "") if isinstance(wanted, str) else wanted
        found = {measure.split: measure.value for measure in self.measures if measure.name == name}
        if not split:
            split = "test" if "test" in found or len(found) != 1 else next(iter(found))
        if split in found:
            return found[split]
        if self.error:
            raise NotMeasuredError(f"the trial could not be trained: {self.error}", where=f"trial[{name!r}]")
        there = list(found) or list(dict.fromkeys(measure.name for measure in self.measures))
        what = f"{name} was not measured on {split!r}" if found else f"there is no measure {name!r}"
        hint = suggestion(split if found else name, there)
        todo = f"Write trial[{name!r}, SPLIT]" if found else ""
        possible = ", ".join(there)
        raise NotMeasuredError(
            f"{what}. {hint}".strip(), where=f"trial[{name!r}]", possible=possible, todo=todo
        )


@dataclass(frozen=True)
class AssessmentRecord:
    """An assessment as the store has it: K items, arrays as little-endian bytes, None where nothing was said.

    Attributes:
        key: key of the job that made it.
        axes: texts of its data, backbone, noise and assess.
        replicate: its replicate.
        positions: K int64, positions of the items in the data set.
        ids: K content ids of 32 bytes.
        given: K int64, the labels it was shown; None where the targets are no labels.
        clean_probability: K float32.
        keep: K bytes, 1 to train on the item.
        weight: K float32.
        corrected: K int64, the labels it would rather see.
        tables: its tables as JSON values (`extras_of`).
        seconds: how long it took.
        error: why there is none; empty where there is one.
        classes: names of the classes that labels are numbers of.
    """

    key: str
    axes: Mapping[str, str]
    replicate: int
    positions: bytes
    ids: bytes
    given: bytes | None = None
    clean_probability: bytes | None = None
    keep: bytes | None = None
    weight: bytes | None = None
    corrected: bytes | None = None
    tables: tuple[Mapping[str, Any], ...] = ()
    seconds: float = 0.0
    error: str = ""
    classes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        key: str,
        axes: Mapping[str, str],
        replicate: int,
        assessment: Assessment,
        dataset: Dataset,
        observed: Supervision,
        seconds: float,
    ) -> AssessmentRecord:
        """Return the stored form of an assessment.

        Args:
            key: key of the job that made it.
            axes: texts of its data, backbone, noise and assess.
            replicate: its replicate.
            assessment: what the assessor gave.
            dataset: the N items it looked at some of.
            observed: targets of all N items, as the assessor saw them.
            seconds: how long it took.
        """
        index = assessment.index
        return cls(
            key=key,
            axes=axes,
            replicate=replicate,
            positions=_array_bytes(index, "<i8"),
            ids=_array_bytes(dataset.ids[index], "u1"),
            given=_label_bytes(observed.take(index)),
            clean_probability=_array_bytes(assessment.clean_probability, "<f4"),
            keep=_array_bytes(assessment.keep, "u1"),
            weight=_array_bytes(assessment.weight, "<f4"),
            corrected=_label_bytes(assessment.corrected),
            tables=extras_of(assessment.tables.values()),
            seconds=seconds,
            classes=tuple(dataset.classes.names),
        )

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield what is said of each item: position, id in hex, and what was given and thought of it.

        Labels are names of classes; None where nothing is said or known.
        """
        columns = {
            "position": _numbers(self.positions, "q"),
            "id": [self.ids[start : start + ID_BYTES].hex() for start in range(0, len(self.ids), ID_BYTES)],
            "given": self._names(self.given),
            "clean_probability": _numbers(self.clean_probability, "f"),
            "keep": [bool(kept) for kept in self.keep] if self.keep is not None else None,
            "weight": _numbers(self.weight, "f"),
            "corrected": self._names(self.corrected),
        }
        nothing = repeat(None)
        values = [nothing if column is None else column for column in columns.values()]
        for item in islice(zip(*values, strict=False), len(self.ids) // ID_BYTES):
            yield dict(zip(columns, item, strict=True))

    def overview(self) -> AssessmentOverview:
        """Return what is shown of it in a table."""
        probabilities = _numbers(self.clean_probability, "f")
        corrected = None
        if self.given is not None and self.corrected is not None:
            pairs = zip(_numbers(self.given, "q"), _numbers(self.corrected, "q"), strict=True)
            corrected = sum(given != better for given, better in pairs)
        return AssessmentOverview(
            axes=self.axes,
            replicate=self.replicate,
            items=len(self.ids) // ID_BYTES,
            kept=None if self.keep is None else sum(self.keep),
            clean_probability=math.fsum(probabilities) / len(probabilities) if probabilities else None,
            corrected=corrected,
            tables=self.tables,
            error=self.error,
        )

    def _names(self, labels: bytes | None) -> list[str | None] | None:
        """Return the class names of labels; None for a label that nobody knows."""
        if labels is None:
            return None
        return [self.classes[label] if label >= 0 else None for label in _numbers(labels, "q")]


@dataclass(frozen=True)
class AssessmentOverview:
    """An assessment without its items.

    Attributes:
        axes: texts of its data, backbone, noise and assess.
        replicate: its replicate.
        items: how many items it speaks of.
        kept: how many of them are to be trained on; None where it does not say.
        clean_probability: their mean; None where it does not say.
        corrected: how many labels it would change; None where it does not say.
        tables: its tables as JSON values.
        error: why there is none; empty where there is one.
    """

    axes: Mapping[str, str]
    replicate: int
    items: int
    kept: int | None
    clean_probability: float | None
    corrected: int | None
    tables: tuple[Mapping[str, Any], ...]
    error: str


@dataclass(frozen=True)
class PendingFit:
    """A fit that is finished and not yet measured.

    Attributes:
        key: measure key of its trial.
        state: the predictor's tensors as safetensors.
        info: what the predictor needs beside them, as JSON.
        options: the tuned options it was fitted with, as JSON.
        seconds: its share of its stack's time.
        stack: trials in the stack.
    """

    key: str
    state: bytes
    info: str
    options: str
    seconds: float = 0.0
    stack: int = 1


def _numbers(stored: bytes | None, code: str) -> Any:
    """Return the numbers in little-endian bytes; None for None.

    Args:
        stored: the bytes.
        code: type of `array.array`: ``"q"`` for int64, ``"f"`` for float32.
    """
    if stored is None:
        return None
    numbers = array(code, stored)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _array_bytes(array: Any, dtype: str) -> Any:
    """Return the bytes of an array in a type of fixed size; None for None."""
    if array is None:
        return None
    import numpy as np

    return np.ascontiguousarray(array, dtype=dtype).tobytes()


def _label_bytes(supervision: Supervision | None) -> bytes | None:
    """Return labels as bytes of int64; None where the targets are no labels."""
    from burnish.data import Labels

    return _array_bytes(supervision.y, "<i8") if isinstance(supervision, Labels) else None


def extras_of(items: Iterable[Table | Curve]) -> tuple[dict[str, Any], ...]:
    """Return tables or curves as JSON values."""
    return tuple(plain(asdict(item)) for item in items)


def json_text(value: object) -> str:
    """Return a value as JSON with sorted names: numpy becomes numbers and lists, NaN becomes null."""
    return json.dumps(plain(value), sort_keys=True, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Return JSON values: numpy scalars and arrays become numbers and lists, NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value
    return [plain(item) for item in value]
