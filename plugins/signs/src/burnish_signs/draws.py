"""Random numbers that follow from a photograph's content id."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray


def standard_normals(ids: NDArray[np.uint8], word: str, *shape: int) -> NDArray[np.float64]:
    """Return standard normal numbers (N, *shape) float64 from the content ids (N, 32) uint8 and a word.

    They come from the raw words of the bit generator through the inverse distribution function: numpy
    promises that the former stay as they are, and does not for its own normal numbers. Where an item needs
    only a few numbers, `burnish.data.content.uniforms` gives them; this is for thousands.
    """
    prefix = f"burnish-signs\0{word}\0".encode()
    raw = np.empty((len(ids), math.prod(shape)), dtype=np.uint64)
    for row, key in zip(raw, ids, strict=True):
        seed = int.from_bytes(hashlib.sha256(prefix + key.tobytes()).digest(), "little")
        row[:] = np.random.PCG64(seed).random_raw(row.size)
    # The middle of one of 2^53 equal cells: never 0 or 1, where the inverse is infinite.
    normals: NDArray[np.float64] = ndtri(((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)
    return normals.reshape(len(ids), *shape)
