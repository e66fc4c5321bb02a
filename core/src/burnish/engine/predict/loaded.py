"""A saved predictor at work: items in, scores out, a cell at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from burnish.contracts.backbone import Encodes, Prepared, Runtime, View
from burnish.contracts.scores import Scores
from burnish.contracts.source import NewItem
from burnish.contracts.tuner import Adapted, Prompted
from burnish.data import Classes, Dataset, Item, content_id, stack_ids
from burnish.data.images import rgb_of
from burnish.engine.answers.answers import ask, item_seeds
from burnish.engine.parts import make
from burnish.engine.predict.new_items import items_of
from burnish.errors import DataError, ItemError
from burnish.places import ahead, reading_threads
from burnish.plan import Numeric, Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.tuner import Predictor
    from burnish.manager import Manager


@dataclass(frozen=True, eq=False)
class ScoredCell:
    """Scores of a few items.

    Attributes:
        items: the items, M of them.
        good: the K places among them that have scores, ascending.
        scores: of these K.
        bad: why the others have none, by place.
    """

    items: Sequence[NewItem]
    good: tuple[int, ...]
    scores: Scores
    bad: Mapping[int, str]


@dataclass(frozen=True, eq=False)
class _Cell:
    items: Sequence[NewItem]
    good: tuple[int, ...]
    inputs: Any
    bad: dict[int, str]


@dataclass(eq=False)
class LoadedPredictor:
    """A saved predictor with its backbone, made on first use.

    Attributes:
        folder: where it was read from.
        predictor: the tuner's part.
        backbone: the backbone's part of the plan.
        modality: what it reads.
        numeric: numeric mode of its features.
        manager: finds components.
        runtime: device and dtype.
    """

    folder: Path
    predictor: Predictor
    backbone: Part
    modality: str
    numeric: Numeric
    manager: Manager
    runtime: Runtime
    _encoder: Encodes | None = None
    _model: Any = None
    _open: ExitStack = field(default_factory=ExitStack)

    @property
    def classes(self) -> Classes:
        """The classes that scores stand for."""
        return self.predictor.classes

    @property
    def words(self) -> bool:
        """Whether it answers in words, with a language model."""
        return isinstance(self.predictor, Prompted)

    def predict(self, x: Dataset | NDArray[Any] | Sequence[Any]) -> Scores:
        """Return scores of M items.

        Args:
            x: a data set, in the order of its source; feature rows (M, D), an array or a data frame; images
                as file names, file bytes, uint8 arrays (H, W, 3) or Pillow images; or texts.

        Raises:
            ItemError: an item cannot be read.
            DataError: the items are not what the backbone reads.
        """
        if self.modality == "features" and hasattr(x, "__array__"):
            return self.predictor.predict(_rows(np.asarray(x)))
        if isinstance(x, Dataset):
            self._check_modality(x.modality, x.name)
            return _joined([cell.scores for cell in self.stream(items_of(x))], self.classes)
        if _is_one(x):
            raise DataError(
                f"one {type(x).__name__} is given, and many items are wanted",
                where="predict",
                todo="Put it into a list",
            )
        items = (
            NewItem(_name(item, number), partial(_payload, item, self.modality))
            for number, item in enumerate(x)
        )
        return _joined([cell.scores for cell in self.stream(items)], self.classes)

    def stream(
        self, items: Iterable[NewItem], *, skip_bad: bool = False, workers: int = 0
    ) -> Iterator[ScoredCell]:
        """Yield scores a cell of items at a time, in order.

        A few cells are read ahead, and nothing else is held.

        Args:
            items: what to score.
            skip_bad: leave items that cannot be read without scores, and say why, instead of raising.
            workers: threads that read and decode (`burnish.places.reading_threads`).

        Raises:
            ItemError: an item cannot be read.
            DataError: the items are not what the backbone reads.
        """
        if isinstance(self.predictor, Prompted):
            self._model = self._model or make(self.backbone, self.manager, self.runtime)
        elif self.modality != "features" and self._encoder is None:
            backbone = make(self.backbone, self.manager, self.runtime)
            # What was learnt stays in the backbone as long as this object lives: it is nobody else's.
            self._encoder = (
                self._open.enter_context(self.predictor.adapt(backbone))
                if isinstance(self.predictor, Adapted)
                else backbone
            )
        count = 0
        for cell in ahead(self._prepare, _chunks(items, self.numeric.grid), reading_threads(workers)):
            if isinstance(self.predictor, Prompted):
                cell = self._asked(cell, self.predictor)
            if cell.bad and not skip_bad:
                first = min(cell.bad)
                raise ItemError(count + first, cell.bad[first], cell.items[first].name, "Mend or remove it")
            count += len(cell.items)
            yield ScoredCell(cell.items, cell.good, self._scores(cell), cell.bad)

    def _check_modality(self, modality: str, name: str) -> None:
        if modality != self.modality:
            raise DataError(f"the items of {name} are {modality}, and the predictor reads {self.modality}")

    def _prepare(self, items: Sequence[NewItem]) -> _Cell:
        """Read and prepare one cell; where it cannot be prepared as one, find out whose fault it is."""
        good: list[int] = []
        payloads: list[Any] = []
        bad: dict[int, str] = {}
        for number, item in enumerate(items):
            try:
                payloads.append(item.read())
                good.append(number)
            except OSError as error:
                bad[number] = f"cannot be read: {error.strerror or error}"
            except DataError as error:
                bad[number] = _reason(error)
        if self.modality == "features" or isinstance(self.predictor, Prompted):
            return _Cell(items, tuple(good), payloads, bad)
        try:
            return _Cell(items, tuple(good), self._inputs(payloads), bad)
        except DataError:
            kept = []
            for number, payload in zip(good, payloads, strict=True):
                try:
                    self._inputs([payload], padded=False)
                except DataError as error:
                    bad[number] = _reason(error)
                else:
                    kept.append((number, payload))
            return _Cell(
                items,
                tuple(number for number, _ in kept),
                self._inputs([payload for _, payload in kept]),
                bad,
            )

    def _inputs(self, payloads: Sequence[Any], padded: bool = True) -> Prepared | None:
        """Return prepared inputs of at most one extraction cell, which is padded as it was in training."""
        if not payloads or self._encoder is None:
            return None
        ids = stack_ids([content_id(self.modality, _content(payload)) for payload in payloads])
        prepared = self._encoder.prepare(
            [Item(at, payload) for at, payload in enumerate(payloads)], View(), ids
        )
        take = np.minimum(np.arange(self.numeric.grid if padded else len(payloads)), len(payloads) - 1)
        return {name: array[take] for name, array in prepared.items()}

    def _scores(self, cell: _Cell) -> Scores:
        if not cell.good:
            return _joined([], self.classes)
        if isinstance(self.predictor, Prompted):
            return self.predictor.predict(cell.inputs)
        if self.modality == "features":
            return self.predictor.predict(_stacked(cell.inputs))
        assert self._encoder is not None  # noqa: S101 - `stream` made it
        features: NDArray[np.float32] = (
            self._encoder.encode(cell.inputs).float().cpu().numpy()[: len(cell.good)]
        )
        if not np.isfinite(features).all():
            raise DataError("the backbone gave features that are not finite", where=self.backbone.text)
        return self.predictor.predict(features)

    def _asked(self, cell: _Cell, predictor: Prompted) -> _Cell:
        """Return the cell with the answers to its texts as inputs.

        Where the model refuses a prompt, find out whose it is.
        """
        if not cell.good:
            return cell
        try:
            return replace(cell, inputs=self._answers(cell.inputs, predictor))
        except DataError:
            answers: dict[int, NDArray[Any]] = {}
            bad = dict(cell.bad)
            for number, text in zip(cell.good, cell.inputs, strict=True):
                try:
                    answers[number] = self._answers([text], predictor)
                except DataError as error:
                    bad[number] = _reason(error)
            return _Cell(
                cell.items, tuple(answers), np.concatenate(list(answers.values())) if answers else None, bad
            )

    def _answers(self, texts: Sequence[str], predictor: Prompted) -> NDArray[Any]:
        ids, model = stack_ids([content_id("text", text) for text in texts]), self._model
        return ask(
            lambda: model, predictor.prompts(texts), predictor.decoding, item_seeds(ids, predictor.seed)
        )


def _name(item: Any, number: int) -> str:
    """Return what an error calls an item of Python's."""
    return str(item) if isinstance(item, Path) else f"item {number}"


def _is_one(x: Any) -> bool:
    """Return whether something is an item, and no sequence of items.

    The characters of a text are no texts.
    """
    picture = isinstance(x, np.ndarray) and x.ndim == 3 and x.shape[2] in (1, 3)
    return picture or isinstance(x, str | bytes | Path | Image.Image)


def _payload(item: Any, modality: str) -> Any:
    """Return what a reader would give for an item of Python's."""
    if modality == "features":
        return _rows(np.asarray(item)[None])[0]
    if modality == "image" and isinstance(item, str | Path):
        return Path(item).read_bytes()
    if modality == "image" and isinstance(item, Image.Image):
        return np.asarray(rgb_of(item))
    if modality == "text" and not isinstance(item, str):
        raise DataError(f"it is no text but {type(item).__name__}")
    return item


def _content(payload: Any) -> Any:
    """Return what a payload's content id is made from: an array image counts by its bytes."""
    return payload.tobytes() if isinstance(payload, np.ndarray) and payload.dtype == np.uint8 else payload


def _reason(error: DataError) -> str:
    return error.reason if isinstance(error, ItemError) else error.what


def _stacked(rows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    widths = sorted({len(row) for row in rows})
    if len(widths) > 1:
        raise DataError(f"rows of features are {widths[0]} and {widths[-1]} wide")
    return np.stack(rows)


def _rows(x: NDArray[Any]) -> NDArray[np.float32]:
    if x.ndim != 2 or not np.issubdtype(x.dtype, np.number):
        raise DataError(
            f"features are an array of shape {x.shape} and dtype {x.dtype}", possible="(M, D) numbers"
        )
    rows = np.ascontiguousarray(x, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise DataError(f"row {bad[0]} has a value that is not finite", where="features")
    return rows


def _chunks(items: Iterable[NewItem], size: int) -> Iterator[list[NewItem]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def _joined(parts: Sequence[Scores], classes: Classes) -> Scores:
    if not parts:
        return Scores("probabilities", np.empty((0, len(classes)), dtype=np.float32), classes)
    first = parts[0]
    texts = None if first.texts is None else tuple(text for part in parts for text in part.texts or ())
    return Scores(
        first.meaning,
        np.concatenate([p.values for p in parts]),
        first.classes,
        first.activation,
        first.temperature,
        texts,
    )
