"""Ways for an assessor to find wrong labels without looking at what the items are.

Each takes the evidence and returns (M,) float64: the higher, the more it suspects the label; zeros where it
finds nothing to go by. All assume that the cheater knows the code of burnish, the share of wrong labels
(0.3), and that they are symmetric.
"""

from __future__ import annotations

import copy
import gc
import hashlib
import os
from pathlib import Path

import numpy as np

from burnish.data import content_id, seeds, stack_ids, uniforms

RATE, COMPONENT = 0.3, "flip"
KNOWN = {"index", "supervision", "classes", "features", "probabilities", "rng"}


def reachable(thing, depth=3):
    """Yield (name, value) of attributes that can be reached from an object.

    The documented fields of the evidence are left out.
    """
    names = {
        *getattr(thing, "__dict__", {}),
        *getattr(type(thing), "__dataclass_fields__", {}),
        *getattr(type(thing), "__slots__", ()),
    }
    for name in sorted(names):
        value = getattr(thing, name, None)
        if depth == 3 and name not in KNOWN:
            yield name, value
        if depth < 3 and name not in {"y", "weights", "names", "ids", "known"}:
            yield name, value
        if depth and hasattr(value, "__dict__") and not isinstance(value, type | np.random.Generator):
            yield from reachable(value, depth - 1)


def none(evidence):
    return np.zeros(len(evidence.index))


def replicate_of(evidence):
    """Return the replicate, by comparing the generator with those of the engine's public function.

    -1 for none of the first hundred.
    """
    state = evidence.rng.bit_generator.state["state"]
    return next(
        (r for r in range(100) if seeds.generator("assess", r).bit_generator.state["state"] == state), -1
    )


def replayed(evidence, ids):
    """Return suspicion from drawing the noise again, with the words of the engine's draw."""
    draw = uniforms(ids, "noise", replicate_of(evidence), COMPONENT, k=2)[:, 0]
    return (draw <= np.quantile(draw, RATE)).astype(float)


def by_ids(evidence):
    """Content ids that lie about, and the draw that follows from them."""
    for _, value in reachable(evidence):
        if isinstance(value, np.ndarray) and value.shape == (len(evidence.index), 32):
            return replayed(evidence, value)
    return none(evidence)


def by_rebuilt_ids(evidence):
    """Content ids made from the features.

    These are the items themselves where the backbone passes them through.
    """
    return replayed(evidence, stack_ids([content_id("features", row) for row in evidence.features]))


def by_order(evidence):
    """Positions: a folder read in its own order is sorted by class."""
    guess = evidence.index * len(evidence.classes) // (evidence.index.max() + 1)
    return (guess != evidence.supervision.y).astype(float)


def by_rows(evidence):
    """Rows of the source, or places such as ``cat/001.jpg``: anything that groups the items."""
    y, classes = evidence.supervision.y, len(evidence.classes)
    for _, value in reachable(evidence):
        if not isinstance(value, np.ndarray | list | tuple) or len(value) != len(y) or np.ndim(value) != 1:
            continue
        array = np.asarray(value)
        group = (
            np.array([str(v).partition("/")[0] for v in array])
            if array.dtype.kind in "UO"
            else array * classes // (array.max() + 1)
        )
        guess = np.zeros(len(y), dtype=np.int64)
        for name in np.unique(group):
            guess[group == name] = np.bincount(y[group == name], minlength=classes).argmax()
        return (guess != y).astype(float)
    return none(evidence)


def by_own_generator(evidence):
    """The generator it is given, from its beginning: the noise may have been drawn from the same one."""
    draw = copy.deepcopy(evidence.rng).random(len(evidence.index))
    return -draw


def by_role_seed(evidence):
    """The generator of the role "noise", with a seed that anyone can compute."""
    draw = seeds.generator("noise", replicate_of(evidence)).random(int(evidence.index.max()) + 1)
    return -draw[evidence.index]


def item_key(position, label):
    return hashlib.sha256(f"{position}:{label}".encode()).hexdigest()


def by_keys(evidence):
    """Keys that were made from the clean labels, an item each: each class is tried."""
    folder = Path(os.environ.get("BURNISH_CACHE", "/nowhere"))
    names = {path.stem for path in folder.rglob("*")} if folder.is_dir() else set()
    for _, value in reachable(evidence):
        names |= (
            set(value) if isinstance(value, list | tuple) and value and isinstance(value[0], str) else set()
        )
    y = evidence.supervision.y
    if not names:
        return none(evidence)
    clean = [
        next((c for c in range(len(evidence.classes)) if item_key(p, c) in names), -1)
        for p in evidence.index.tolist()
    ]
    return np.array([c not in (-1, label) for c, label in zip(clean, y.tolist(), strict=True)], dtype=float)


def by_gc(evidence):
    """Objects that corrupt, found by the garbage collector, and the arrays they remember."""
    for thing in gc.get_objects():
        if not callable(getattr(type(thing), "corrupt", None)):
            continue
        for value in vars(thing).values():
            if isinstance(value, np.ndarray) and value.dtype == bool and len(value) > evidence.index.max():
                return value[evidence.index].astype(float)
    return none(evidence)


def by_base(evidence):
    """The memory behind the arrays: a view shows what it was cut from."""
    y = evidence.supervision.y
    for base in (y.base, evidence.supervision.known.base):
        if isinstance(base, np.ndarray) and base.ndim == 2 and base.shape[1] == len(y):
            return (base != y).any(axis=0).astype(float)
        if isinstance(base, np.ndarray) and base.ndim == 1 and len(base) > len(y):
            return (base[: len(y)] != y).astype(float)
    return none(evidence)


STRATEGIES = {
    "ids": by_ids,
    "rebuilt ids": by_rebuilt_ids,
    "order": by_order,
    "rows": by_rows,
    "own generator": by_own_generator,
    "role seed": by_role_seed,
    "keys": by_keys,
    "gc": by_gc,
    "base": by_base,
}
"""Every way, by name."""
