"""Class-dependent noise from a given transition matrix."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from burnish.contracts.noise import Corruption, CorruptionInput
from burnish.data import Classes
from burnish.errors import DataError, suggestion
from burnish_basics._noise import AsymmetricConfig
from burnish_basics.corruptors.draws import LABEL_ROLES, labels_of, pick, relabelled, share, smallest

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WHERE = "noise asymmetric"


class Asymmetric:
    """Flips labels class by class as a transition matrix T says.

    T[i, j] is the probability that class i is labelled j.

    Of the n labelled items of class i in a role, exactly ceil((1 - T[i, i]) n) flip; which class each is
    taken for is drawn in proportion to the rest of the row. Raising all probabilities by one factor keeps
    what is flipped.
    """

    roles: ClassVar[frozenset[str]] = LABEL_ROLES

    def __init__(self, config: AsymmetricConfig) -> None:
        self.config = config

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the flipped labels.

        Raises:
            DataError: the targets are no labels, or the matrix does not fit the classes.
        """
        labels = labels_of(clean, "asymmetric")
        u = clean.uniforms(2)
        y = labels.y[clean.index]
        new = y.copy()
        for c, row in enumerate(self.matrix(clean.classes)):
            away = np.where(np.arange(len(row)) == c, 0, row)
            member = np.flatnonzero(y == c)
            hit = member[smallest(u[member, 0], share(float(away.sum()), len(member)))]
            new[hit] = pick(np.broadcast_to(away, (len(hit), len(away))), u[hit, 1])
        return relabelled(clean, labels, clean.index, new)

    def matrix(self, classes: Classes) -> NDArray[np.float64]:
        """Return T (C, C) float64 with rows that sum to 1.

        Raises:
            DataError: a class is unknown, a probability is no number in [0, 1], a row does not sum to 1.
        """
        if self.config.matrix is None:
            return _from_moves(self.config.moves(), classes, _WHERE)
        return _read(self.config.matrix, classes)


def _column(name: str, classes: Classes, where: str) -> int:
    for known in (classes.ids, classes.names):
        if name in known:
            return known.index(name)
    raise DataError(
        f"there is no class {name!r}. {suggestion(name, classes.ids)}".strip(),
        where=where,
        possible=", ".join(classes.ids[:20]),
    )


def _probability(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 <= number <= 1:
        raise DataError(f"{value!r} is no probability", where=where, possible="a number from 0 to 1")
    return number


def _from_moves(moves: Mapping[tuple[str, str], Any], classes: Classes, where: str) -> NDArray[np.float64]:
    """Return T from the probabilities of changing class; what is left of each row stays."""
    matrix = np.zeros((len(classes), len(classes)))
    stated = np.zeros(len(classes), dtype=bool)
    for (source, target), value in moves.items():
        i, j = _column(source, classes, where), _column(target, classes, where)
        matrix[i, j] = _probability(value, where)
        stated[i] |= i == j
    left = 1 - matrix.sum(axis=1)
    for i in np.flatnonzero((left < -1e-6) | (stated & (left > 1e-6))).tolist():
        raise DataError(
            f"the probabilities of class {classes.ids[i]!r} sum to {1 - left[i]:.6g}",
            where=where,
            possible="1",
        )
    matrix[np.diag_indices_from(matrix)] += np.where(stated, 0, np.maximum(left, 0))
    return matrix


def _read(path: Path, classes: Classes) -> NDArray[np.float64]:
    where = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the transition matrix cannot be read: {error}",
            where=where,
            possible="a CSV or JSON file in UTF-8",
        ) from error
    if path.suffix.lower() != ".json":
        return _from_table(list(csv.reader(io.StringIO(text))), classes, where)
    try:
        record = json.loads(text)
    except ValueError as error:
        raise DataError(f"this is no JSON: {error}", where=where) from error
    if isinstance(record, dict) and all(isinstance(row, dict) for row in record.values()):
        return _from_moves(
            {(i, j): value for i, row in record.items() for j, value in row.items()}, classes, where
        )
    if isinstance(record, list) and all(isinstance(row, list) for row in record):
        return _from_table(record, classes, where)
    raise DataError(
        "this is no transition matrix",
        where=where,
        possible="a list of rows, or {class: {class: probability}}",
    )


def _from_table(table: Sequence[Sequence[Any]], classes: Classes, where: str) -> NDArray[np.float64]:
    """Return T from rows of numbers.

    They are in the order of the classes, or have a header row and a first column of class names.
    """
    rows = [list(row) for row in table if row]
    c = len(classes)
    order = list(range(c))
    columns = order
    if len(rows) == c + 1 and all(len(row) == c + 1 for row in rows):
        columns = [_column(str(name).strip(), classes, where) for name in rows[0][1:]]
        order = [_column(str(row[0]).strip(), classes, where) for row in rows[1:]]
        rows = [row[1:] for row in rows[1:]]
        if sorted(order) != list(range(c)) or sorted(columns) != list(range(c)):
            raise DataError("a class stands twice in the header or the first column", where=where)
    if not rows:
        raise DataError("the transition matrix is empty", where=where)
    for number, row in enumerate(rows):
        if len(rows) != c or len(row) != c:
            raise DataError(
                f"row {number + 1} of {len(rows)} has {len(row)} entries",
                where=where,
                possible=f"{c} rows of {c}, with or without class names",
            )
    matrix = np.zeros((c, c))
    for i, row in zip(order, rows, strict=True):
        matrix[i, columns] = [_probability(value, f"{where}, class {classes.ids[i]}") for value in row]
        if abs(matrix[i].sum() - 1) > 1e-6:
            raise DataError(
                f"the row of class {classes.ids[i]!r} sums to {matrix[i].sum():.6g}",
                where=where,
                possible="1",
            )
    return matrix
