"""A data set: N items in canonical order, what is known of them, and how to read them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from burnish.data.classes import Classes
from burnish.data.content import canonical_order, stack_ids
from burnish.data.findings import Finding
from burnish.data.split import role_of
from burnish.data.supervision import Labels, MultiLabels, Supervision
from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Payload = Any
"""What a reader gives for one item.

An image as file bytes or uint8 (H, W, 3), a text as str, features as a float32 row.
"""


class Reader(Protocol):
    """Reads items by the source's own row number, lazily.

    It must survive a process boundary (plain data, no open files).
    """

    def read(self, row: int) -> Payload:
        """Return the payload of one row.

        Raise `burnish.errors.DataError` or `OSError` where it cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Item:
    """One item as a backbone gets it: its position in the data set and its payload.

    It has no path and no name.
    """

    position: int
    payload: Payload


@dataclass(frozen=True, eq=False)
class Dataset:
    """N items in canonical order.

    Whatever belongs to an item is an array with leading dimension N over that order.

    Make one with `Dataset.build`, which puts the rows of a source in order.

    Attributes:
        name: for people.
        modality: ``"image"``, ``"text"`` or ``"features"``.
        ids: (N, 32) uint8 content ids.
        classes: the C classes.
        supervision: the targets as the source gives them.
        truth: nothing, or clean targets that the source has beside its own (as CIFAR-10N has).
        columns: further arrays (N,): ``group`` is never split between roles; any other name is free.
        assigned: split names with (M,) int64 positions where the source fixes them; the role ``train`` means
            *trainable*: the engine redraws train and validation from it in every replicate, unless the source
            fixes ``validation`` too.
        rows: (N,) int64 row of the source behind each position.
        reader: reads by row.
        origins: nothing, or per row of the source where it came from (file and line), for errors and reports
            only.
        findings: what the source noticed beside its items, such as files it left out; for `check` and
            reports.
    """

    name: str
    modality: str
    ids: NDArray[np.uint8]
    classes: Classes
    supervision: Supervision
    reader: Reader
    rows: NDArray[np.int64]
    truth: Supervision | None = None
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    assigned: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    origins: Sequence[str] = ()
    findings: Sequence[Finding] = ()

    @classmethod
    def build(
        cls,
        *,
        name: str,
        modality: str,
        ids: Sequence[bytes],
        classes: Classes,
        supervision: Supervision,
        reader: Reader,
        truth: Supervision | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
        splits: Sequence[str] | None = None,
        origins: Sequence[str] = (),
        findings: Sequence[Finding] = (),
    ) -> Dataset:
        """Put the N rows of a source in canonical order.

        Args:
            name: for people.
            modality: ``"image"``, ``"text"`` or ``"features"``.
            ids: N content ids (`burnish.data.content_id`) in source order, as everything below.
            classes: the classes.
            supervision: N targets.
            reader: reads by row of the source.
            truth: N clean targets, where the source has them beside its own.
            columns: further arrays (N,).
            splits: N split names, where the source fixes them; None leaves all to the recipe's `split`.
            origins: N places for messages.
            findings: what the source noticed beside its items.

        Raises:
            DataError: no items, lengths that do not match, a label outside the classes, a split name that is
                none.
        """
        n = len(ids)
        if not n:
            raise DataError("there are no items", where=name, todo="Check the path and the columns")
        lengths = {
            "supervision": supervision,
            "truth": truth,
            "splits": splits,
            "origins": origins or None,
        } | dict(columns or {})
        for what, part in lengths.items():
            if part is not None and len(part) != n:
                raise DataError(f"{len(part)} {what} for {n} items", where=name)
        for targets in (supervision, truth):
            if isinstance(targets, MultiLabels) and targets.positive.shape[1] != len(classes):
                raise DataError(
                    f"{targets.positive.shape[1]} columns of labels for {len(classes)} classes", where=name
                )
            if isinstance(targets, Labels) and targets.y.max(initial=-1) >= len(classes):
                row = int(np.argmax(targets.y))
                where = origins[row] if origins else f"{name}, row {row}"
                raise DataError(
                    f"label {targets.y[row]} is out of range",
                    where=where,
                    possible=f"0 to {len(classes) - 1}, or -1 for unknown",
                )
        stacked = stack_ids(ids)
        order = canonical_order(stacked)
        assigned: dict[str, NDArray[np.int64]] = {}
        if splits is not None:
            names = np.asarray(splits, dtype=object)[order]
            for split in sorted(set(splits)):
                role_of(split)
                assigned[split] = np.flatnonzero(names == split).astype(np.int64)
        return cls(
            name=name,
            modality=modality,
            ids=stacked[order],
            classes=classes,
            supervision=supervision.take(order),
            reader=reader,
            rows=order,
            truth=None if truth is None else truth.take(order),
            columns={key: np.asarray(value)[order] for key, value in (columns or {}).items()},
            assigned=assigned,
            origins=origins,
            findings=tuple(findings),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def read(self, position: int) -> Payload:
        """Return the payload of the item at a position."""
        return self.reader.read(int(self.rows[position]))

    def items(self, index: NDArray[np.int64]) -> Iterator[Item]:
        """Stream the items at `index` (M,) int64."""
        for position in index:
            yield Item(int(position), self.read(int(position)))

    def origin(self, position: int) -> str:
        """Return where an item came from, for messages: never given to a tuner or noise model."""
        row = int(self.rows[position])
        return self.origins[row] if self.origins else f"{self.name}, row {row}"

    def without(self, positions: Sequence[int]) -> Dataset:
        """Return the data set with bad items set aside: they leave every split and stay in order."""
        bad = np.asarray(sorted(positions), dtype=np.int64)
        assigned = {name: np.setdiff1d(index, bad) for name, index in self.assigned.items()}
        if "train" not in assigned:  # what no split names is trainable
            taken = np.concatenate([bad, *self.assigned.values()])
            assigned["train"] = np.setdiff1d(np.arange(len(self), dtype=np.int64), taken)
        return replace(self, assigned=assigned)

    def fingerprint(self) -> str:
        """Return a hash of content, order, supervision, truth, classes, columns and assigned splits."""
        digest = hashlib.sha256(self.ids.tobytes())
        parts = [
            self.modality,
            self.classes.fingerprint(),
            self.supervision.fingerprint(),
            self.truth.fingerprint() if self.truth else "",
        ]
        digest.update("\0".join(parts).encode())
        for key, array in [*sorted(self.columns.items()), *sorted(self.assigned.items())]:
            digest.update(key.encode() + b"\0" + "\0".join(map(str, array.tolist())).encode())
        return digest.hexdigest()
