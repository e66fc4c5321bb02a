"""What a client of a real federation has on its disk.

Its own items as features, and the class names as the text tower sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from burnish.errors import DataError
from burnish_fedclip.local import Table

SPLITS = ("train", "validation")

_ENDING = ".safetensors"


@dataclass(frozen=True, eq=False)
class ClientData:
    """A client's items.

    Attributes:
        number: of the client, which seeds the order of its batches.
        train: labelled training items.
        validation: labelled validation items; there may be none.
        texts: (C, D) float32 of length 1, one vector a class; (0, D) where only a linear head is trained.
    """

    number: int
    train: Table
    validation: Table
    texts: Tensor


def file_of(folder: Path, number: int) -> Path:
    """Return the file of a client in a folder of all of them."""
    return folder / f"client-{number}{_ENDING}"


def write_client(file: Path, data: ClientData) -> None:
    """Write a client's items as safetensors.

    Args:
        file: where to.
        data: the items.

    Raises:
        OSError: it cannot be written.
    """
    tensors = {"number": torch.tensor(data.number), "texts": data.texts}
    for split, table in zip(SPLITS, (data.train, data.validation), strict=True):
        tensors |= {f"{split}.x": table.x, f"{split}.y": table.y, f"{split}.weights": table.weights}
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, file)


def read_client(file: Path) -> ClientData:
    """Return a client's items.

    Args:
        file: as `write_client` made it.

    Raises:
        DataError: it is missing or damaged, or its tensors do not belong together.
    """
    todo = "Make it again with burnish_fedclip.client_file.write_client"
    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise DataError(f"the client's items cannot be read: {error}", where=str(file), todo=todo) from error
    wanted = {"number", "texts", *(f"{split}.{part}" for split in SPLITS for part in ("x", "y", "weights"))}
    if set(tensors) != wanted:
        raise DataError(
            f"the file holds {', '.join(sorted(tensors)) or 'nothing'}",
            where=str(file),
            possible=", ".join(sorted(wanted)),
            todo=todo,
        )
    texts = tensors["texts"]
    tables = [_table(split, tensors, texts, file) for split in SPLITS]
    if tensors["number"].shape != () or tensors["number"].dtype != torch.int64 or int(tensors["number"]) < 0:
        raise DataError(
            "number is no number of a client", where=str(file), possible="an int64 of at least 0", todo=todo
        )
    return ClientData(int(tensors["number"]), tables[0], tables[1], texts)


def _table(split: str, tensors: dict[str, Tensor], texts: Tensor, file: Path) -> Table:
    x, y, weights = (tensors[f"{split}.{part}"] for part in ("x", "y", "weights"))
    shapes = (
        x.ndim == texts.ndim == 2
        and y.ndim == 1
        and len(x) == len(y)
        and weights.shape == y.shape
        and x.shape[1] == texts.shape[1]
    )
    types = x.dtype == weights.dtype == texts.dtype == torch.float32 and y.dtype == torch.int64
    if not (shapes and types):
        given = ", ".join(
            f"{name} {tuple(t.shape)} {t.dtype}"
            for name, t in (("x", x), ("y", y), ("weights", weights), ("texts", texts))
        )
        raise DataError(
            f"{split}: {given}",
            where=str(file),
            possible="x (n, D), weights (n,), texts (C, D) float32, y (n,) int64",
        )
    if (
        not all(bool(torch.isfinite(t).all()) for t in (x, weights, texts))
        or bool((weights <= 0).any())
        or bool((y < 0).any())
    ):
        raise DataError(
            f"{split}: a feature is not finite, a weight not above 0 or a label negative", where=str(file)
        )
    return Table(x, y, weights)
