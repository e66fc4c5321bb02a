"""The source `signs`: the packaged photographs as a data set."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image
from safetensors.numpy import load as load_safetensors

from burnish.data import Classes, Dataset, Labels, content_id, stack_ids
from burnish.errors import DataError
from burnish_signs import DATA_FILE, PROVENANCE_FILE, REINSTALL, SignsConfig, packaged
from burnish_signs.shifts import SHIFTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMBERS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# Photographs shifted at a time: the shifts compute in floats, many times the size of the photographs.
_CHUNK = 64


@dataclass(frozen=True, eq=False)
class Photographs:
    """The packaged file: N photographs of 64 x 64 pixels, as JPEG.

    Attributes:
        jpeg: (bytes of all photographs,) uint8.
        offsets: (N + 1,) int64 where each photograph begins in `jpeg`.
        labels: (N,) uint8 the number that is shown.
        groups: (N,) int16 number of the signer, 0 to G - 1.
        test_groups: ascending int16 numbers of the signers of the test set.
    """

    jpeg: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    labels: NDArray[np.uint8]
    groups: NDArray[np.int16]
    test_groups: NDArray[np.int16]

    @classmethod
    def load(cls) -> Photographs:
        """Read the packaged file.

        Raises:
            DataError: the file is missing or is not the one that was released.
        """
        raw = packaged(DATA_FILE)
        expected = json.loads(packaged(PROVENANCE_FILE))["file"]["sha256"]
        if hashlib.sha256(raw).hexdigest() != expected:
            raise DataError(f"{DATA_FILE} is damaged", where="burnish-signs", todo=REINSTALL)
        return cls(**load_safetensors(raw))

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, row: int) -> bytes:
        """Return one photograph as the bytes of its JPEG file."""
        return self.jpeg[self.offsets[row] : self.offsets[row + 1]].tobytes()

    def pixels(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return photographs as (M, 64, 64, 3) uint8."""
        return np.stack(
            [np.asarray(Image.open(io.BytesIO(self.read(int(row)))).convert("RGB")) for row in rows]
        )


@dataclass(frozen=True, eq=False)
class SignsReader:
    """Reads rows: the N photographs as JPEG bytes, then their S shifted versions as uint8 (64, 64, 3)."""

    photographs: Photographs
    shifted: NDArray[np.uint8]

    def read(self, row: int) -> Any:
        """Return the payload of one row."""
        plain = len(self.photographs)
        return self.photographs.read(row) if row < plain else self.shifted[row - plain]


class Signs:
    """Hand signs for the digits 0 to 9.

    The test set is fixed: all photographs of 62 of the 207 signers, and the same photographs again in each of
    the six shifted test sets ``test:blur``, ``test:noise``, ``test:contrast``, ``test:rotation``,
    ``test:inversion`` and ``test:background``. The other signers' photographs are the trainable items. The
    column ``group`` is the number of the signer.

    Args:
        config: which test sets to make.
    """

    def __init__(self, config: SignsConfig | None = None) -> None:
        self.config = config or SignsConfig()

    def load(self) -> Dataset:
        """Return the data set; with shifts it computes them, which takes about two seconds.

        Raises:
            DataError: the packaged file is missing or damaged.
        """
        photographs = Photographs.load()
        ids = [content_id("image", photographs.read(row)) for row in range(len(photographs))]
        is_test = np.isin(photographs.groups, photographs.test_groups)
        splits = np.where(is_test, "test", "train").tolist()
        test = np.flatnonzero(is_test)
        names = list(SHIFTS) if self.config.shifts else []
        shifted = _shifted(photographs, test, stack_ids([ids[row] for row in test]), names)
        rows = np.concatenate([np.arange(len(photographs)), np.tile(test, len(names))])
        return Dataset.build(
            name="signs",
            modality="image",
            ids=ids + [content_id("image", image.tobytes()) for image in shifted],
            classes=Classes.of(
                [str(digit) for digit in range(10)],
                [(f"a hand sign for the number {number}",) for number in NUMBERS],
            ),
            supervision=Labels(y=photographs.labels[rows].astype(np.int64)),
            reader=SignsReader(photographs, shifted),
            columns={"group": photographs.groups[rows].astype(np.int64)},
            splits=splits + [f"test:{name}" for name in names for _ in test],
        )


def _shifted(
    photographs: Photographs, test: NDArray[np.int64], ids: NDArray[np.uint8], names: list[str]
) -> NDArray[np.uint8]:
    """Return the test photographs under each shift in turn, (len(names) * M, 64, 64, 3) uint8."""
    out = np.empty((len(names), len(test), 64, 64, 3), dtype=np.uint8)
    for start in range(0, len(test) if names else 0, _CHUNK):
        part = slice(start, start + _CHUNK)
        images = photographs.pixels(test[part])
        for shift, name in enumerate(names):
            out[shift, part] = SHIFTS[name](images, ids[part])
    out.setflags(write=False)
    return out.reshape(-1, 64, 64, 3)
