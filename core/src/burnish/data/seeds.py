"""Randomness comes from the replicate and the role it plays, never from a trial's key.

Two tuners of one replicate therefore see the same split, the same noise, the same initialisation seed and the
same batches: their difference is paired, and a patch release of a plugin moves no number.
"""

from __future__ import annotations

import hashlib

import numpy as np


def seed(role: str, replicate: int, *words: str | int) -> int:
    """Return a seed in [0, 2**63) for a role such as ``"init"``, ``"order"`` or ``"assess"``."""
    text = "\0".join(["burnish-seed", role, str(replicate), *map(str, words)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def generator(role: str, replicate: int, *words: str | int) -> np.random.Generator:
    """Return a numpy Generator for a role."""
    return np.random.Generator(np.random.PCG64(seed(role, replicate, *words)))
