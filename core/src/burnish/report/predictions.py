"""What `burnish predict` writes: an answer an item, as CSV or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from burnish.engine.predict.loaded import ScoredCell
from burnish.errors import RecipeError
from burnish.report.exports import write_csv

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Classes

Format = Literal["csv", "jsonl"]

PRESENT = 0.5
"""Probability from which a multi-label predictor calls a class present."""


@dataclass(frozen=True)
class Layout:
    """How answers are written.

    Attributes:
        format: of the lines.
        top: how many of the most probable classes to give, 0 for all in their order.
        min_confidence: below it the predictor abstains; None where it never does.
        reasons: whether there is a column for why an item could not be read.
    """

    format: Format = "csv"
    top: int = 0
    min_confidence: float | None = None
    reasons: bool = False


@dataclass(frozen=True, eq=False)
class Answer:
    """What is said of one item.

    Attributes:
        item: its path or row.
        prediction: names of the predicted classes: one, or any number for multi-labels; None where it
            abstains or the item is bad.
        confidence: the probability of that class; for multi-labels that of the least certain of its yes-no
            decisions; None where the item is bad.
        probabilities: (C,) float64; None where the item is bad.
        reason: why it could not be read; empty where it was.
    """

    item: str
    prediction: tuple[str, ...] | None
    confidence: float | None
    probabilities: NDArray[np.float64] | None
    reason: str = ""

    @property
    def abstained(self) -> bool:
        """Whether the item was read and the predictor was not sure enough."""
        return self.prediction is None and not self.reason


def answers(cell: ScoredCell, min_confidence: float | None = None) -> Iterator[Answer]:
    """Yield an answer for each item of a cell, in order.

    Args:
        cell: the scores.
        min_confidence: below it the prediction is None.

    Raises:
        DataError: the scores have no probabilities.
    """
    names = class_names(cell.scores.classes)
    several = cell.scores.activation == "sigmoid"
    rows = dict(zip(cell.good, cell.scores.probabilities() if cell.good else (), strict=True))
    for place, item in enumerate(cell.items):
        if place not in rows:
            yield Answer(item.name, None, None, None, cell.bad[place])
            continue
        p = rows[place]
        chosen = np.flatnonzero(p >= PRESENT) if several else np.array([p.argmax()])
        confidence = float(np.maximum(p, 1 - p).min() if several else p.max())
        sure = min_confidence is None or confidence >= min_confidence
        yield Answer(item.name, tuple(names[at] for at in chosen) if sure else None, confidence, p)


def class_names(classes: Classes) -> tuple[str, ...]:
    """Return the names of the classes; their ids where names repeat."""
    return classes.names if len(set(classes.names)) == len(classes) else classes.ids


def written(
    cells: Iterable[ScoredCell], classes: Classes, layout: Layout, *, words: bool = False
) -> Iterator[str]:
    """Yield the text of a file, a cell at a time, in the order of the items.

    CSV has the columns ``item``, ``prediction`` (multi-labels with ``|`` between), ``confidence``, with
    `Layout.min_confidence` ``abstained``, with `Layout.reasons` ``error``, and ``p:<class>`` for every class,
    or ``class_1``, ``p_1``, ... with `Layout.top`. What a spreadsheet would run as a formula gets an
    apostrophe before it. JSON lines have the same keys, the prediction of a multi-label predictor as a list,
    and ``probabilities`` as an object, the most probable first where `Layout.top` is given. Answers in words
    have the keys ``item``, ``prediction`` (the class that the answer names, or the answer itself where there
    are no classes), ``answer`` and, with `Layout.reasons`, ``error``.

    Args:
        cells: the scores.
        classes: the classes.
        layout: how to write them.
        words: whether the predictor answers in words.

    Raises:
        RecipeError: the most probable classes or a confidence are asked of answers in words.
    """
    if words:
        yield from _in_words(cells, classes, layout)
        return
    names = class_names(classes)
    if layout.format == "csv":
        yield write_csv([_head(names, layout)], folded=False)
    for cell in cells:
        several = cell.scores.activation == "sigmoid"
        found = answers(cell, layout.min_confidence)
        if layout.format == "csv":
            yield write_csv([_cells(answer, names, layout) for answer in found], folded=False)
        else:
            yield "".join(
                json.dumps(_record(answer, names, layout, several), ensure_ascii=False) + "\n"
                for answer in found
            )


def _in_words(cells: Iterable[ScoredCell], classes: Classes, layout: Layout) -> Iterator[str]:
    if layout.top or layout.min_confidence is not None:
        option = "--top" if layout.top else "--min-confidence"
        raise RecipeError("answers in words have no probabilities", where=option, todo="Leave it out")
    head, names = ["item", "prediction", "answer", *["error"] * layout.reasons], class_names(classes)
    if layout.format == "csv":
        yield write_csv([head], folded=False)
    for cell in cells:
        top = dict(
            zip(cell.good, zip(cell.scores.top().tolist(), cell.scores.texts or (), strict=True), strict=True)
        )
        rows: list[list[str | None]] = []
        for place, item in enumerate(cell.items):
            column, text = top.get(place, (-1, ""))
            said = names[column] if column >= 0 else text if not names and place in top else None
            rows.append([item.name, said, text if place in top else None, cell.bad.get(place)][: len(head)])
        if layout.format == "csv":
            yield write_csv([[value or "" for value in row] for row in rows], folded=False)
        else:
            yield "".join(
                json.dumps(dict(zip(head, row, strict=True)), ensure_ascii=False) + "\n" for row in rows
            )


def _head(names: Sequence[str], layout: Layout) -> list[str]:
    top = min(layout.top, len(names))
    classes = (
        [part for k in range(1, top + 1) for part in (f"class_{k}", f"p_{k}")]
        if top
        else [f"p:{name}" for name in names]
    )
    return ["item", "prediction", "confidence", *_flags(layout), *classes]


def _flags(layout: Layout) -> list[str]:
    return ["abstained"] * (layout.min_confidence is not None) + ["error"] * layout.reasons


def _cells(answer: Answer, names: Sequence[str], layout: Layout) -> list[object]:
    flags = {"abstained": str(answer.abstained).lower(), "error": answer.reason}
    pairs = _ranked(answer, names, layout.top)
    empty = [""] * (2 * min(layout.top, len(names)) if layout.top else len(names))
    probabilities = [
        part for name, p in pairs for part in ((name, _number(p)) if layout.top else (_number(p),))
    ]
    confidence = "" if answer.confidence is None else _number(answer.confidence)
    return [
        answer.item,
        "|".join(answer.prediction or ()),
        confidence,
        *(flags[flag] for flag in _flags(layout)),
        *(probabilities or empty),
    ]


def _record(answer: Answer, names: Sequence[str], layout: Layout, several: bool) -> dict[str, Any]:
    prediction = (
        None if answer.prediction is None else list(answer.prediction) if several else answer.prediction[0]
    )
    record: dict[str, Any] = {
        "item": answer.item,
        "prediction": prediction,
        "confidence": _rounded(answer.confidence),
    }
    flags = {"abstained": answer.abstained, "error": answer.reason or None}
    pairs = _ranked(answer, names, layout.top)
    return (
        record
        | {flag: flags[flag] for flag in _flags(layout)}
        | {"probabilities": {name: _rounded(p) for name, p in pairs}}
    )


def _ranked(answer: Answer, names: Sequence[str], top: int) -> list[tuple[str, float]]:
    if answer.probabilities is None:
        return []
    order = np.argsort(-answer.probabilities, kind="stable")[:top] if top else np.arange(len(names))
    return [(names[at], float(answer.probabilities[at])) for at in order]


def _number(p: float) -> str:
    return f"{p:.6g}"


def _rounded(p: float | None) -> float | None:
    return None if p is None else float(_number(p))
