"""`burnish check`: what a data set holds, and what is wrong with it, row by row.

Reads every item once; nothing is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from burnish.data import ROLES, Dataset, Finding, Labels, MultiLabels, role_of
from burnish.data.checks import class_counts, structure, trainable
from burnish.data.images import decode_rgb
from burnish.errors import BurnishError
from burnish.places import reading_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW: Final = 5
"""A class with fewer items to train on is too small to learn and to validate."""

_CHUNK: Final = 256
_NEAR: Final = 1e-6
_SHOWN_COLUMNS: Final = 10
_ORDER: Final = {"error": 0, "warning": 1, "note": 2}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Check:
    """What `check` saw.

    Attributes:
        name: of the data set.
        modality: ``"image"``, ``"text"`` or ``"features"``.
        supervision: ``"labels"`` or ``"multi-labels"``.
        items: number of items.
        labelled: items of whose target anything is known.
        classes: class names in order.
        splits: items by split; ``"trainable"`` where the source fixes none for them.
        counts: by split, items of each class.
        groups: number of groups, None where there are none.
        sizes: ``least``, ``median`` and ``most`` of width and height in pixels, or of characters; ``width``
            for features.
        wrong_labels: share of labels that differ from the source's truth, None where it has none.
        findings: what is odd or wrong, worst first.
    """

    name: str
    modality: str
    supervision: str
    items: int
    labelled: int
    classes: tuple[str, ...]
    splits: dict[str, int]
    counts: dict[str, tuple[int, ...]]
    groups: int | None
    sizes: dict[str, tuple[int, ...]]
    wrong_labels: float | None
    findings: tuple[Finding, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong: there are notes at most."""
        return all(finding.severity == "note" for finding in self.findings)

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"ok": self.ok, **asdict(self)}


def check(dataset: Dataset, progress: Progress | None = None, workers: int = 0) -> Check:
    """Read every item of a data set and tell what is there and what is wrong.

    Memory is bounded by a few numbers an item: payloads are read, looked at and dropped.

    Args:
        dataset: the data set as its source gives it.
        progress: called with (items done, items in all).
        workers: threads that read and decode (`burnish.places.reading_threads`).
    """
    content = _Content.read(dataset, progress, workers)
    usable = dataset.without(sorted(content.unreadable)) if content.unreadable else dataset
    findings = [
        *content.findings(),
        *structure(usable),
        *_small_classes(usable),
        *_copies(usable, content.unreadable),
        *_groups(usable),
    ]
    readable = np.setdiff1d(np.arange(len(dataset)), list(content.unreadable))
    unlabelled = int((~dataset.supervision.known[readable]).sum())
    if unlabelled:
        what = "1 item has no label" if unlabelled == 1 else f"{unlabelled} items have no label"
        findings.append(Finding("note", "unlabelled", what, dataset.name))
    splits = _splits(usable) if dataset.assigned else {"trainable": trainable(usable)}
    return Check(
        name=dataset.name,
        modality=dataset.modality,
        supervision=dataset.supervision.word,
        items=len(dataset),
        labelled=int(dataset.supervision.known.sum()),
        classes=dataset.classes.names,
        splits={name: len(index) for name, index in splits.items()},
        counts={name: tuple(class_counts(dataset, index).tolist()) for name, index in splits.items()},
        groups=len(np.unique(dataset.columns["group"])) if "group" in dataset.columns else None,
        sizes=content.sizes(),
        wrong_labels=_wrong_labels(dataset),
        findings=tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity])),
    )


def _splits(dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    """Return the fixed splits, and under "trainable" what none of them has."""
    free = {} if "train" in dataset.assigned else {"trainable": trainable(dataset)}
    fixed = sorted(dataset.assigned.items(), key=lambda item: (ROLES.index(role_of(item[0])), item[0]))
    return {name: index for name, index in {**free, **dict(fixed)}.items() if len(index)}


def _wrong_labels(dataset: Dataset) -> float | None:
    noisy, clean = dataset.supervision, dataset.truth
    if not isinstance(noisy, Labels) or not isinstance(clean, Labels):
        return None
    both = noisy.known & clean.known
    return float((noisy.y[both] != clean.y[both]).mean()) if both.any() else None


# -- content -------------------------------------------------------------------------------------------------


class _Content:
    """What reading every item told.

    Args:
        dataset: the data set.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.unreadable: dict[int, str] = {}
        self.measured = np.zeros((len(dataset), 2), dtype=np.int64)
        self.columns: _Columns | None = None

    @classmethod
    def read(cls, dataset: Dataset, progress: Progress | None, workers: int) -> _Content:
        content = cls(dataset)
        in_source_order = np.argsort(dataset.rows)
        with ThreadPoolExecutor(reading_threads(workers)) as pool:
            for start in range(0, len(dataset), _CHUNK):
                positions = in_source_order[start : start + _CHUNK]
                content.add(positions, pool.map(content.look, positions.tolist()))
                if progress is not None:
                    progress(start + len(positions), len(dataset))
        return content

    def look(self, position: int) -> tuple[int, int] | NDArray[np.float32] | str:
        """Return an item's size, its row of features, or why it cannot be read."""
        try:
            payload = self.dataset.read(position)
            if self.dataset.modality == "image":
                return decode_rgb(payload).size
            if self.dataset.modality == "text":
                return (len(payload), 0) if payload.strip() else "the text is empty"
            return _row(payload)
        except BurnishError as error:
            return ". ".join(filter(None, [error.what, error.todo]))
        except OSError as error:
            return f"the file cannot be read: {error.strerror or error}"

    def add(self, positions: NDArray[np.int64], looks: Iterator[Any]) -> None:
        rows: list[NDArray[np.float32]] = []
        width = self.columns.width if self.columns else 0
        for position, look in zip(positions.tolist(), looks, strict=True):
            if isinstance(look, str):
                self.unreadable[position] = look
            elif isinstance(look, tuple):
                self.measured[position] = look
            elif look.size != (width := width or look.size):
                self.unreadable[position] = f"it has {look.size} features where others have {width}"
            else:
                rows.append(look)
        if rows:
            self.columns = self.columns or _Columns(rows[0].size)
            self.columns.add(np.stack(rows))

    def findings(self) -> list[Finding]:
        def by_row(item: tuple[int, str]) -> int:
            return int(self.dataset.rows[item[0]])

        bad = sorted(self.unreadable.items(), key=by_row)
        found = [
            Finding("error", "unreadable", reason, self.dataset.origin(position)) for position, reason in bad
        ]
        return found + (self.columns.findings(self.dataset.name) if self.columns else [])

    def sizes(self) -> dict[str, tuple[int, ...]]:
        if self.columns:
            return {"width": (self.columns.width,)}
        readable = np.setdiff1d(np.arange(len(self.dataset)), list(self.unreadable))
        if not len(readable):
            return {}
        sizes = self.measured[readable]
        middle = np.sort(sizes, axis=0)[(len(sizes) - 1) // 2]
        used = 2 if self.dataset.modality == "image" else 1
        return {
            name: tuple(int(n) for n in row[:used])
            for name, row in (("least", sizes.min(0)), ("median", middle), ("most", sizes.max(0)))
        }


def _row(payload: Any) -> NDArray[np.float32] | str:
    row = np.asarray(payload, dtype=np.float32)
    if row.ndim != 1:
        return f"its features have the shape {row.shape}"
    bad = np.flatnonzero(~np.isfinite(row))
    return f"feature {bad[0]} is {row[bad[0]]}" if len(bad) else row


class _Columns:
    """Mean, spread and range of each feature, chunk by chunk (Chan, Golub and LeVeque 1983)."""

    def __init__(self, width: int) -> None:
        self.width, self.n = width, 0
        self.mean, self.squares = np.zeros(width), np.zeros(width)
        self.largest = np.zeros(width)

    def add(self, rows: NDArray[np.float32]) -> None:
        values = rows.astype(np.float64)
        n, mean = len(values), values.mean(axis=0)
        shift = mean - self.mean
        self.squares += ((values - mean) ** 2).sum(axis=0) + shift**2 * (self.n * n / (self.n + n))
        self.mean += shift * (n / (self.n + n))
        self.n += n
        self.largest = np.maximum(self.largest, np.abs(values).max(axis=0))

    def findings(self, name: str) -> list[Finding]:
        spread = np.sqrt(self.squares / self.n)
        constant = np.flatnonzero(spread <= _NEAR * self.largest)
        if not len(constant):
            return []
        shown = ", ".join(map(str, constant[:_SHOWN_COLUMNS])) + (
            ", ..." if len(constant) > _SHOWN_COLUMNS else ""
        )
        what = f"{len(constant)} of {self.width} features are constant or nearly so: {shown}"
        if len(constant) == self.width:
            return [Finding("error", "constant-features", what, name, "There is nothing to learn from")]
        return [Finding("warning", "constant-features", what, name)]


# -- labels, copies and groups -------------------------------------------------------------------------------


def _small_classes(dataset: Dataset) -> list[Finding]:
    counts = class_counts(dataset, trainable(dataset))
    todo = f"Fewer than {FEW} are hard to learn from"
    return [
        Finding(
            "warning",
            "small-class",
            f"{count} item{'s' if count > 1 else ''} to train on",
            f"class {name!r}",
            todo,
        )
        for name, count in zip(dataset.classes.names, counts.tolist(), strict=True)
        if 0 < count < FEW
    ]


def _copies(dataset: Dataset, unreadable: dict[int, str]) -> list[Finding]:
    """Return items of equal content.

    The copies, whether their labels conflict, and whether they straddle fixed splits.
    """
    _, unit, size = np.unique(dataset.ids, axis=0, return_inverse=True, return_counts=True)
    unit = unit.reshape(-1)
    several = np.flatnonzero((size[unit] > 1) & ~np.isin(np.arange(len(dataset)), list(unreadable)))
    split = _split_of(dataset)
    findings = []
    for positions in _by_value(dataset, unit, several):
        if len(positions) < 2:
            continue
        origins, where = _listed([dataset.origin(p) for p in positions[1:]]), dataset.origin(positions[0])
        findings.append(Finding("warning", "duplicate", f"the same content as {origins}", where))
        labels = list(dict.fromkeys(label for p in positions if (label := _label(dataset, p))))
        if len(labels) > 1:
            what = f"copies have different labels: {' and '.join(labels)}"
            findings.append(
                Finding(
                    "warning",
                    "conflict",
                    what,
                    _listed([dataset.origin(p) for p in positions]),
                    "At least one is wrong",
                )
            )
        findings += _straddling(split, positions, "copies of one item lie", where)
    return findings


def _groups(dataset: Dataset) -> list[Finding]:
    if "group" not in dataset.columns or not dataset.assigned:
        return []
    split, findings = _split_of(dataset), []
    for positions in _by_value(dataset, dataset.columns["group"], np.arange(len(dataset))):
        findings += _straddling(
            split, positions, f"{len(positions)} items of one group lie", dataset.origin(positions[0])
        )
    return findings


def _by_value(dataset: Dataset, values: NDArray[Any], positions: NDArray[np.int64]) -> list[list[int]]:
    """Return the positions that share a value, lists and their content in the order of the source's rows."""
    positions = positions[np.argsort(dataset.rows[positions])]
    order = positions[np.argsort(values[positions], kind="stable")]
    cuts = np.flatnonzero(values[order][1:] != values[order][:-1]) + 1
    return sorted(
        (part.tolist() for part in np.split(order, cuts) if len(part)),
        key=lambda part: int(dataset.rows[part[0]]),
    )


def _split_of(dataset: Dataset) -> NDArray[Any]:
    names = np.full(len(dataset), "", dtype=object)
    for name, index in dataset.assigned.items():
        names[index] = name
    return names


def _straddling(split: NDArray[Any], positions: Sequence[int], what: str, where: str) -> list[Finding]:
    """Return a finding where positions lie in train and in another fixed split, or in two roles."""
    names = sorted({str(split[p]) for p in positions} - {""})
    roles = {name.partition(":")[0] for name in names}
    if len(roles) < 2:
        return []
    todo = "What lies in train is left out of training"
    return [
        Finding(
            "warning",
            "straddling",
            f"{what} in {' and '.join(names)}",
            where,
            todo if "train" in roles else "",
        )
    ]


def _label(dataset: Dataset, position: int) -> str:
    """Return an item's label as text; empty where unknown."""
    names, supervision = dataset.classes.names, dataset.supervision
    if isinstance(supervision, Labels):
        return repr(names[supervision.y[position]]) if supervision.y[position] >= 0 else ""
    if not isinstance(supervision, MultiLabels) or not supervision.known[position]:
        return ""
    present = supervision.positive[[position]].indices
    return repr("|".join(names[column] for column in present))


def _listed(places: Sequence[str]) -> str:
    return ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
