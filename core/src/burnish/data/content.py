"""What an item is called inside burnish, and the random numbers that belong to it.

An item's *content id* is a hash of its bytes. Order, splits and noise follow from it, never from a path or a
row number: a path often is the label, and so is the order of a folder that is sorted by class.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ID_BYTES = 32
"""Length of a content id: one SHA-256 digest."""

_DOUBLES_PER_DIGEST = ID_BYTES // 8
_CHUNK = 1 << 20


def content_id(modality: str, payload: bytes | str | NDArray[np.float32]) -> bytes:
    """Return the 32-byte content id of one item.

    Args:
        modality: ``"image"``, ``"text"`` or ``"features"``; equal bytes of two modalities differ.
        payload: the file's bytes; a text, normalised to NFC and encoded as UTF-8; or a float32 row,
            little-endian.
    """
    if isinstance(payload, str):
        raw = unicodedata.normalize("NFC", payload).encode("utf-8", "surrogatepass")
    elif isinstance(payload, bytes):
        raw = payload
    else:
        raw = np.ascontiguousarray(payload, dtype="<f4").tobytes()
    return hashlib.sha256(modality.encode() + b"\0" + raw).digest()


def content_id_of_file(modality: str, path: Path) -> bytes:
    """Return `content_id` of a file's bytes without holding them in memory.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256(modality.encode() + b"\0")
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def stack_ids(ids: Sequence[bytes]) -> NDArray[np.uint8]:
    """Return ids as one array (N, 32) uint8."""
    return np.frombuffer(b"".join(ids), dtype=np.uint8).reshape(len(ids), ID_BYTES)


def canonical_order(ids: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the order (N,) int64 in which a data set keeps its items.

    By id, equal ids by a salted hash of id and row.

    Args:
        ids: content ids (N, 32) uint8 in source order.
    """
    words = np.ascontiguousarray(ids).view(">u8").astype(np.uint64)
    order = np.lexsort(words.T[::-1])
    tied = np.flatnonzero((words[order][1:] == words[order][:-1]).all(axis=1))
    if len(tied):
        again = np.unique(np.concatenate([tied, tied + 1]))  # copies, which lie side by side
        salted = [_salted(ids[row].tobytes(), int(row)) for row in order[again]]
        order[again] = order[again][
            sorted(range(len(again)), key=lambda at: (ids[order[again[at]]].tobytes(), salted[at]))
        ]
    return order.astype(np.int64)


def _salted(key: bytes, row: int) -> bytes:
    return hashlib.sha256(b"burnish-tie\0" + key + row.to_bytes(8, "little")).digest()


def uniforms(ids: NDArray[np.uint8], *words: str | int, k: int = 1) -> NDArray[np.float64]:
    """Return k uniform numbers in [0, 1) per item, (N, k) float64, from its content id and the given words.

    The same item gets the same numbers in whatever data set, order or process it appears; labels play no
    part, so what is drawn cannot be replayed from them. Two items of equal content get equal numbers.

    Args:
        ids: content ids (N, 32) uint8.
        words: what the draw is for, such as ``("noise", replicate, "symmetric")``.
        k: numbers an item.
    """
    prefix = "\0".join(["burnish-draw", *map(str, words)]).encode() + b"\0"
    blocks = -(-k // _DOUBLES_PER_DIGEST)
    digests = b"".join(
        hashlib.sha256(prefix + row.tobytes() + block.to_bytes(4, "little")).digest()
        for row in ids
        for block in range(blocks)
    )
    integers = np.frombuffer(digests, dtype="<u8").reshape(len(ids), blocks * _DOUBLES_PER_DIGEST)[:, :k]
    # 53 bits, the mantissa of a double: every value is exact and below 1.
    return (integers >> np.uint64(11)).astype(np.float64) * 2.0**-53
