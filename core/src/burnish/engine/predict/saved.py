"""Saved predictors: ``model.safetensors`` and ``predictor.json``.

A file names components, never a Python path, and nothing is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from burnish.contracts.backbone import Runtime
from burnish.data import Classes, Dataset
from burnish.engine.parts import component_of, make
from burnish.engine.predict.loaded import LoadedPredictor
from burnish.errors import BurnishError, CombinedError, ConfigError, DataError, ModelFileError
from burnish.files import ensure_folder, translate_os_errors, write_atomic
from burnish.plan import Numeric, Part
from burnish.plan.parts import read_part

if TYPE_CHECKING:
    from torch import Tensor

    from burnish.contracts.tuner import Predictor
    from burnish.manager import Manager
    from burnish.plan import Row

FORMAT: Final = 2
MODEL, META = "model.safetensors", "predictor.json"
_MOST_JSON = 64 * 2**20


def save_predictor(
    study: Path,
    key: str,
    predictor: Predictor,
    row: Row,
    numeric: Numeric,
    manager: Manager,
    dataset: Dataset,
) -> Path:
    """Write a predictor into ``predictors/<first 16 of the key>`` of a study folder, each file whole.

    Args:
        study: the study's folder.
        key: the trial's measure key.
        predictor: what was trained.
        row: its row, with the options it was trained with.
        numeric: the numeric mode of its features.
        manager: gives the versions of its plugins.
        dataset: what it was trained on.
    """
    folder = ensure_folder(study / "predictors" / key[:16])
    meta = {
        "format": FORMAT,
        "trial": key,
        "tuner": _component(row.tuner, manager),
        "backbone": _component(row.backbone, manager),
        "modality": dataset.modality,
        "numeric": numeric.record(),
        "classes": {
            "names": predictor.classes.names,
            "ids": predictor.classes.ids,
            "known": predictor.classes.known.tolist(),
        },
        "info": dict(predictor.info()),
        "trained on": {"data": row.data.text, "noise": [part.text for part in row.noise]},
    }
    write_atomic(folder / MODEL, as_bytes(predictor.state()))
    # The meta file last: a folder without it is no predictor.
    write_atomic(folder / META, json.dumps(meta, indent=1, ensure_ascii=False).encode())
    return folder


def as_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Return tensors by name as the content of a safetensors file."""
    from safetensors.torch import save

    return save({name: tensor.detach().cpu().contiguous() for name, tensor in state.items()})


def from_bytes(content: bytes) -> Mapping[str, Tensor]:
    """Return the tensors of a safetensors file's content.

    Raises:
        ModelFileError: it is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors: Mapping[str, Tensor] = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelFileError(f"model.safetensors is damaged: {error}") from error
    return tensors


def _component(part: Part, manager: Manager) -> dict[str, Any]:
    return part.record() | {"version": component_of(part, manager).plugin.version, "text": part.text}


def load_predictor(
    folder: Path, manager: Manager, *, device: str = "cpu", offline: bool = False
) -> LoadedPredictor:
    """Read a predictor.

    Raises:
        ModelFileError: a file is missing, damaged, crafted, or from another version; it names a component
            that is not there.
    """
    meta = _read_meta(folder)
    where = str(folder)
    try:
        tuner, backbone = _part(meta["tuner"]), _part(meta["backbone"])
        names, ids = tuple(map(str, meta["classes"]["names"])), tuple(map(str, meta["classes"]["ids"]))
        classes = Classes(names, ids, np.array(meta["classes"].get("known", [True] * len(names)), dtype=bool))
        numeric = Numeric(**{k: meta["numeric"][k] for k in ("device", "dtype", "threads", "torch", "grid")})
        modality, info = str(meta["modality"]), meta["info"]
        if not isinstance(info, dict) or not 1 <= int(numeric.grid) <= 4096:
            raise ValueError("info or grid")
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"predictor.json lacks or garbles {error}", where=where, todo="Save the predictor again"
        ) from error
    except DataError as error:
        raise ModelFileError(
            f"predictor.json garbles the classes: {error.what}", where=where, todo="Save the predictor again"
        ) from error
    _check_versions(meta, manager, where)
    _check_weights(backbone, manager, where)
    try:
        made = make(tuner, manager)
        predictor = made.restore(_read_tensors(folder / MODEL), info, classes)
    except CombinedError as several:
        raise ModelFileError(
            several.errors[0].what, where=where, todo="Save the predictor again"
        ) from several
    except (ModelFileError, ConfigError) as error:
        raise ModelFileError(
            error.what, where=where, possible=error.possible, todo=error.todo or "Save the predictor again"
        ) from error
    return LoadedPredictor(
        folder, predictor, backbone, modality, numeric, manager, Runtime(device, numeric.dtype, offline)
    )


def _read_meta(folder: Path) -> dict[str, Any]:
    path = folder / META
    if not path.is_file():
        raise ModelFileError(
            "there is no predictor here", where=str(folder), todo="Give a folder under predictors/ of a study"
        )
    with translate_os_errors(path):
        if path.stat().st_size > _MOST_JSON:
            raise ModelFileError("predictor.json is too large to be one", where=str(path))
        text = path.read_text("utf-8", "replace")
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"predictor.json is damaged: {error}", where=str(path), todo="Save the predictor again"
        ) from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        found = meta.get("format") if isinstance(meta, dict) else None
        todo = "Load it with the burnish that saved it"
        raise ModelFileError(
            f"the predictor has format {found}", where=str(path), possible=f"format {FORMAT}", todo=todo
        )
    return meta


def _read_tensors(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise ModelFileError("model.safetensors is missing", where=str(path))
    with translate_os_errors(path):
        content = path.read_bytes()
    try:
        return from_bytes(content)
    except ModelFileError as error:
        raise ModelFileError(error.what, where=str(path)) from error


def _part(record: Mapping[str, Any]) -> Part:
    if record["kind"] not in ("tuner", "backbone") or not isinstance(record["options"], dict):
        raise ValueError("kind")
    kind, plugin, name, code, fingerprint, text = (
        str(record[key]) for key in ("kind", "plugin", "name", "code", "fingerprint", "text")
    )
    return Part(kind, plugin, name, record["options"], code, fingerprint, text)


def _check_versions(meta: Mapping[str, Any], manager: Manager, where: str) -> None:
    """Refuse a predictor whose plugin is missing, or installed in another minor version.

    0.x promises no more.
    """
    for role in ("tuner", "backbone"):
        part = _part(meta[role])
        try:
            component = component_of(part, manager)
        except BurnishError as error:
            raise ModelFileError(
                f"it needs {part.plugin}/{part.name}, which cannot be used: {error.what}",
                where=where,
                todo=error.todo,
            ) from error
        saved, installed = str(meta[role].get("version", "")), component.plugin.version
        if saved.split(".")[:2] != str(installed).split(".")[:2]:
            raise ModelFileError(
                f"it was saved with {part.plugin} {saved or 'of unknown version'}, and {installed} is"
                " installed",
                where=where,
                todo=f"pip install 'burnish-{part.plugin}=={saved}', or train it again",
            )


def _check_weights(backbone: Part, manager: Manager, where: str) -> None:
    """Refuse a predictor whose backbone's options are wrong or whose weights it was not trained on."""
    try:
        found = read_part(
            "backbone", {"use": f"{backbone.plugin}/{backbone.name}", "with": dict(backbone.options)}, manager
        ).part
    except CombinedError as several:
        raise ModelFileError(
            f"its backbone {backbone.text} cannot be used: {several.errors[0].what}", where=where
        ) from several
    except BurnishError as error:
        raise ModelFileError(
            f"its backbone {backbone.text} cannot be used: {error.what}", where=where, todo=error.todo
        ) from error
    if found.fingerprint != backbone.fingerprint:
        raise ModelFileError(
            f"the weights of {backbone.text} have the fingerprint {found.fingerprint[:16]}, and it was"
            f" trained with {backbone.fingerprint[:16]}",
            where=where,
            todo="Put the old weights back, or train it again",
        )
