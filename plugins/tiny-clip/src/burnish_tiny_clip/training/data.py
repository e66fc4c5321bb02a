"""The images and what they show: CIFAR-10 from an archive, scenes from burnish's source `scenes`."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from burnish.errors import DataError
from burnish.manager import get_manager
from burnish_tiny_clip.training.captions import ATTRIBUTES, Words

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CIFAR_ROWS: Final = 25_000
"""The first training half; the second one is left for those who adapt the model."""

SCENES: Final = {"per_class": 280, "test_per_class": 40, "seed": 1_000_000}
"""Options of the source.

A seed of its own, so that nobody who takes the default one meets the scenes of the training.
"""


@dataclass(frozen=True, eq=False)
class Images:
    """Images (N, 32, 32, 3) uint8 with A attributes each, (N, A) int64."""

    pixels: NDArray[np.uint8]
    values: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)


def read_cifar10(file: Path, split: str, rows: int | None = None) -> Images:
    """Read the first rows of a split of an archive of CIFAR-10 as JPEG files; the one attribute is the class.

    Args:
        file: a NumPy archive with ``<split>_jpeg`` (bytes of all files, uint8), ``<split>_off`` (N + 1
            offsets) and ``<split>_y`` (N classes).
        split: ``"train"`` or ``"test"``.
        rows: how many; None for all.

    Raises:
        DataError: the archive cannot be read or has no such arrays.
    """
    try:
        with np.load(file, allow_pickle=False) as archive:
            jpeg, offsets, labels = (archive[f"{split}_{part}"] for part in ("jpeg", "off", "y"))
        count = len(labels) if rows is None else rows
        pixels = np.stack(
            [
                np.asarray(
                    Image.open(io.BytesIO(jpeg[offsets[row] : offsets[row + 1]].tobytes())).convert("RGB")
                )
                for row in range(count)
            ]
        )
    except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise DataError(
            f"it is no archive of CIFAR-10: {error}",
            where=str(file),
            possible=f"an .npz file with {split}_jpeg, {split}_off and {split}_y",
        ) from error
    return Images(pixels, labels[:count].astype(np.int64)[:, None])


def read_scenes() -> tuple[dict[str, Images], Words]:
    """Return the scenes of three splits with their five attributes, and the words for these.

    The splits are ``train``, ``test`` and ``test:new``.

    Raises:
        PluginError: burnish-signs is not installed.
    """
    source = get_manager().get("source", "scenes", where="burnish_tiny_clip.train")
    dataset = (
        get_manager().resolve(source, source.descriptor.target)(source.descriptor.config(**SCENES)).load()
    )
    words, numbers = zip(
        *(np.unique(dataset.columns[key], return_inverse=True) for key in ATTRIBUTES), strict=True
    )
    values = np.stack(numbers, axis=1).astype(np.int64)
    parts = {}
    for split, index in dataset.assigned.items():
        parts[split] = Images(np.stack([item.payload for item in dataset.items(index)]), values[index])
    return parts, Words(*(tuple(map(str, one)) for one in words))


def sha256(file: Path) -> str:
    """Return the hash of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
