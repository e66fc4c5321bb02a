"""Saved predictors: ``model.safetensors`` and ``predictor.json``. A file names components, never a Python path, and nothing is unpickled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from burnish.contracts.backbone import Encodes, Runtime, View
from burnish.contracts.scores import Scores
from burnish.data import Classes, Dataset, Item, content_id, stack_ids
from burnish.engine.files import ensure_folder, translate_os_errors, write_atomic
from burnish.engine.parts import component_of, make
from burnish.errors import BurnishError, DataError, ItemError, ModelFileError
from burnish.plan import Numeric, Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.tuner import Predictor
    from burnish.manager import Manager
    from burnish.plan import Cell

FORMAT: Final = 1
MODEL, META = "model.safetensors", "predictor.json"
_MOST_JSON = 64 * 2**20


def save_predictor(study: Path, key: str, predictor: Predictor, cell: Cell, numeric: Numeric, manager: Manager, dataset: Dataset) -> Path:
    """Write a predictor into ``predictors/<first 16 of the key>`` of a study folder, each file whole.

    Args:
        study: the study's folder.
        key: the trial's measure key.
        predictor: what was trained.
        cell: its cell, with the options it was trained with.
        numeric: the numeric mode of its features.
        manager: gives the versions of its plugins.
        dataset: what it was trained on.
    """
    from safetensors.torch import save

    folder = ensure_folder(study / "predictors" / key[:16])
    meta = {
        "format": FORMAT,
        "trial": key,
        "tuner": _component(cell.tuner, manager),
        "backbone": _component(cell.backbone, manager),
        "modality": dataset.modality,
        "numeric": numeric.record(),
        "classes": {"names": predictor.classes.names, "ids": predictor.classes.ids},
        "info": dict(predictor.info()),
        "trained on": {"data": cell.data.label, "noise": [part.label for part in cell.noise]},
    }
    write_atomic(folder / MODEL, save({name: tensor.detach().cpu().contiguous() for name, tensor in predictor.state().items()}))
    # The meta file last: a folder without it is no predictor.
    write_atomic(folder / META, json.dumps(meta, indent=1, ensure_ascii=False).encode())
    return folder


def _component(part: Part, manager: Manager) -> dict[str, Any]:
    return part.record() | {"version": component_of(part, manager).plugin.version, "label": part.label}


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

    @property
    def classes(self) -> Classes:
        """The classes that scores stand for."""
        return self.predictor.classes

    def predict(self, x: Dataset | NDArray[Any] | Sequence[Any]) -> Scores:
        """Return scores of M items.

        Args:
            x: a data set; feature rows (M, D); images as file names, file bytes or uint8 arrays (H, W, 3); or texts.

        Raises:
            ItemError: an item cannot be read.
            DataError: the items are not what the backbone reads.
        """
        if self.modality == "features" and isinstance(x, np.ndarray):
            return self.predictor.predict(_rows(x))
        if isinstance(x, Dataset):
            return _joined([scores for _, scores in self.stream(x)], self.classes)
        payloads = [_payload(item, self.modality, number) for number, item in enumerate(x)]
        return _joined([self.predictor.predict(self.encode(chunk)) for chunk in _chunks(payloads, self.numeric.grid)], self.classes)

    def stream(self, dataset: Dataset) -> Iterator[tuple[NDArray[np.int64], Scores]]:
        """Yield (rows of the source, scores) in the order of the source, a cell of items at a time."""
        if dataset.modality != self.modality:
            raise DataError(f"the items of {dataset.name} are {dataset.modality}, and the predictor reads {self.modality}")
        source_order = np.argsort(dataset.rows, kind="stable")
        for start in range(0, len(dataset), self.numeric.grid):
            positions = source_order[start : start + self.numeric.grid]
            payloads = [_read(dataset, int(position)) for position in positions]
            features = np.stack(payloads) if self.modality == "features" else self.encode(payloads)
            yield dataset.rows[positions], self.predictor.predict(features)

    def encode(self, payloads: Sequence[Any]) -> NDArray[np.float32]:
        """Return (M, D) features of at most one extraction cell; the cell is padded as it was in training."""
        if self._encoder is None:
            self._encoder = make(self.backbone, self.manager, self.runtime)
        padded = list(payloads) + [payloads[-1]] * (self.numeric.grid - len(payloads))
        items = [Item(position, payload) for position, payload in enumerate(padded)]
        ids = stack_ids([content_id(self.modality, _content(payload)) for payload in padded])
        features: NDArray[np.float32] = self._encoder.encode(self._encoder.prepare(items, View(), ids)).float().cpu().numpy()
        if not np.isfinite(features).all():
            raise DataError("the backbone gave features that are not finite", where=str(self.backbone.label))
        return features[: len(payloads)]


def load_predictor(folder: Path, manager: Manager, *, device: str = "cpu", offline: bool = False) -> LoadedPredictor:
    """Read a predictor.

    Raises:
        ModelFileError: a file is missing, damaged, crafted, or from another version; it names a component that is not there.
    """
    meta = _read_meta(folder)
    where = str(folder)
    try:
        tuner, backbone = _part(meta["tuner"]), _part(meta["backbone"])
        names, ids = tuple(map(str, meta["classes"]["names"])), tuple(map(str, meta["classes"]["ids"]))
        classes = Classes(names, ids, np.ones(len(names), dtype=bool))
        numeric = Numeric(**{k: meta["numeric"][k] for k in ("device", "dtype", "threads", "torch", "grid")})
        modality, info = str(meta["modality"]), meta["info"]
        if not isinstance(info, dict) or not 1 <= int(numeric.grid) <= 4096:
            raise ValueError("info or grid")
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"predictor.json lacks or garbles {error}", where=where, todo="Save the predictor again") from error
    _check_versions(meta, manager, where)
    made = make(tuner, manager)
    try:
        predictor = made.restore(_read_tensors(folder / MODEL), info, classes)
    except ModelFileError as error:
        raise ModelFileError(error.what, where=where, possible=error.possible, todo=error.todo or "Save the predictor again") from error
    return LoadedPredictor(folder, predictor, backbone, modality, numeric, manager, Runtime(device, numeric.dtype, offline))


def _read_meta(folder: Path) -> dict[str, Any]:
    path = folder / META
    if not path.is_file():
        raise ModelFileError("there is no predictor here", where=str(folder), todo="Give a folder under predictors/ of a study")
    with translate_os_errors(path):
        if path.stat().st_size > _MOST_JSON:
            raise ModelFileError("predictor.json is too large to be one", where=str(path))
        text = path.read_text("utf-8", "replace")
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"predictor.json is damaged: {error}", where=str(path), todo="Save the predictor again") from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        found = meta.get("format") if isinstance(meta, dict) else None
        todo = "Load it with the burnish that saved it"
        raise ModelFileError(f"the predictor has format {found}", where=str(path), possible=f"format {FORMAT}", todo=todo)
    return meta


def _read_tensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    if not path.is_file():
        raise ModelFileError("model.safetensors is missing", where=str(path))
    with translate_os_errors(path):
        content = path.read_bytes()
    try:
        tensors: Mapping[str, Any] = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelFileError(f"model.safetensors is damaged: {error}", where=str(path)) from error
    return tensors


def _part(record: Mapping[str, Any]) -> Part:
    if record["kind"] not in ("tuner", "backbone") or not isinstance(record["options"], dict):
        raise ValueError("kind")
    kind, plugin, name, code, fingerprint, label = (str(record[key]) for key in ("kind", "plugin", "name", "code", "fingerprint", "label"))
    return Part(kind, plugin, name, record["options"], code, fingerprint, label)


def _check_versions(meta: Mapping[str, Any], manager: Manager, where: str) -> None:
    """Refuse a predictor whose plugin is missing, or installed in another minor version: 0.x promises no more."""
    for role in ("tuner", "backbone"):
        part = _part(meta[role])
        try:
            component = component_of(part, manager)
        except BurnishError as error:
            raise ModelFileError(f"it needs {part.plugin}/{part.name}, which cannot be used: {error.what}", where=where, todo=error.todo) from error
        saved, installed = str(meta[role].get("version", "")), component.plugin.version
        if saved.split(".")[:2] != str(installed).split(".")[:2]:
            raise ModelFileError(
                f"it was saved with {part.plugin} {saved or 'of unknown version'}, and {installed} is installed",
                where=where, todo=f"pip install 'burnish-{part.plugin}=={saved}', or train it again",
            )  # fmt: skip


def _payload(item: Any, modality: str, number: int) -> Any:
    if modality == "image" and isinstance(item, str | Path):
        path = Path(item)
        try:
            return path.read_bytes()
        except OSError as error:
            raise ItemError(number, f"cannot be read: {error.strerror}", str(path)) from error
    if modality == "image" and hasattr(item, "convert"):
        return np.asarray(item.convert("RGB"))
    if modality == "text" and not isinstance(item, str):
        raise DataError(f"item {number} is no text but {type(item).__name__}")
    return item


def _content(payload: Any) -> Any:
    """Return what a payload's content id is made from: an array image counts by its bytes."""
    return payload.tobytes() if isinstance(payload, np.ndarray) and payload.dtype == np.uint8 else payload


def _read(dataset: Dataset, position: int) -> Any:
    try:
        return dataset.read(position)
    except OSError as error:
        raise ItemError(position, f"cannot be read: {error.strerror or error}", dataset.origin(position)) from error


def _rows(x: NDArray[Any]) -> NDArray[np.float32]:
    if x.ndim != 2 or not np.issubdtype(x.dtype, np.number):
        raise DataError(f"features are an array of shape {x.shape} and dtype {x.dtype}", possible="(M, D) numbers")
    rows = np.ascontiguousarray(x, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise DataError(f"row {bad[0]} has a value that is not finite", where="features")
    return rows


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _joined(parts: Sequence[Scores], classes: Classes) -> Scores:
    if not parts:
        return Scores("probabilities", np.empty((0, len(classes)), dtype=np.float32), classes)
    first = parts[0]
    return Scores(first.meaning, np.concatenate([p.values for p in parts]), first.classes, first.activation, first.temperature)
