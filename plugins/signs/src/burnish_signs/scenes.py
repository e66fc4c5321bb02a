"""The source `scenes`: composed pictures with classes no training item has, and drawing styles as domains."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.datasets import load_digits

from burnish.data import Classes, Dataset, Labels, content_id
from burnish_signs import STYLES, ScenesConfig
from burnish_signs.drawing import (
    BACKGROUNDS,
    BOX,
    COLOURS,
    OBJECTS,
    POSITIONS,
    RANDOM,
    SIDE,
    Shapes,
    digit_shapes,
    draw,
    sign_shapes,
)
from burnish_signs.source import Photographs

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIGITS_TRAIN: Final = 1198
"""Rows of scikit-learn's digits before this one are for training, the others for testing."""

# Scenes drawn at a time: the noise of all of them at once would take 8 bytes a pixel.
_CHUNK = 1024


def held_out() -> NDArray[np.bool_]:
    """Return which combinations (20 objects, 6 colours) no training item has.

    30 of 120, five a colour, one or two an object.
    """
    rank = np.argsort(np.argsort(_raw("held out", len(OBJECTS))))
    out: NDArray[np.bool_] = (rank[:, None] + np.arange(len(COLOURS))) % 4 == 0
    return out


def _raw(words: str, count: int) -> NDArray[np.uint64]:
    """Return raw 64-bit words: numpy promises that they stay as they are."""
    seed = int.from_bytes(hashlib.sha256(f"burnish-signs\0scenes\0{words}".encode()).digest(), "little")
    return np.asarray(np.random.PCG64(seed).random_raw(count))


def _uniform(words: str, *shape: int) -> NDArray[np.float64]:
    """Return uniform numbers in (0, 1) that follow from words."""
    raw = _raw(words, int(np.prod(shape)))
    return (((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53).reshape(shape)


@dataclass(frozen=True, eq=False)
class Exemplars:
    """What objects are drawn from: the packaged photographs, then scikit-learn's digits, M together.

    Attributes:
        photographs: the hand signs.
        digits: (D, 8, 8) float64 in 0 to 16.
        objects: (M,) index into `OBJECTS`.
        groups: (M,) number of the signer, or 1000 plus the row in scikit-learn's digits.
        test: (M,) bool, whether an exemplar is for test scenes alone.
    """

    photographs: Photographs
    digits: NDArray[np.float64]
    objects: NDArray[np.int64]
    groups: NDArray[np.int64]
    test: NDArray[np.bool_]

    @classmethod
    def load(cls) -> Exemplars:
        """Read the packaged hand signs and scikit-learn's digits.

        Raises:
            DataError: the packaged file is missing or damaged.
        """
        photographs, digits = Photographs.load(), load_digits()
        rows = np.arange(len(digits.target))
        return cls(
            photographs,
            digits.images,
            np.concatenate([photographs.labels.astype(np.int64), 10 + digits.target]),
            np.concatenate([photographs.groups.astype(np.int64), 1000 + rows]),
            np.concatenate([np.isin(photographs.groups, photographs.test_groups), rows >= DIGITS_TRAIN]),
        )

    def shapes(self, which: NDArray[np.int64]) -> Shapes:
        """Return the shapes of exemplars (K,), in this order; a photograph takes about 2 ms."""
        signs = which < len(self.photographs)
        cover = np.empty((len(which), len(STYLES), BOX, BOX), dtype=np.float32)
        shade = np.empty_like(cover)
        if signs.any():
            made = sign_shapes(self.photographs.pixels(which[signs]))
            cover[signs], shade[signs] = made.cover, made.shade
        if not signs.all():
            made = digit_shapes(self.digits[which[~signs] - len(self.photographs)])
            cover[~signs], shade[~signs] = made.cover, made.shade
        return Shapes(cover, shade)


@dataclass(frozen=True, eq=False)
class Plan:
    """What N scenes show: arrays (N,) int64, and which words their random numbers follow from."""

    which: NDArray[np.int64]
    objects: NDArray[np.int64]
    colour: NDArray[np.int64]
    background: NDArray[np.int64]
    position: NDArray[np.int64]
    style: NDArray[np.int64]
    words: str

    def __len__(self) -> int:
        return len(self.which)


def plan(
    exemplars: Exemplars, new: bool, test: bool, per_class: int, styles: tuple[int, ...], seed: int
) -> Plan:
    """Choose what to draw: `per_class` scenes of every combination (not) held out, from (no) test exemplars.

    Exemplar, background, position and style are uniform and independent of each other.
    """
    words = f"{seed}\0{'new' if new else 'seen'}\0{'test' if test else 'train'}\0{per_class}\0{styles}"
    objects, colour = np.nonzero(held_out() == new)
    objects, colour = np.repeat(objects, per_class), np.repeat(colour, per_class)
    uniform = _uniform(words + "\0plan", len(objects), 4)
    which = np.empty(len(objects), dtype=np.int64)
    for one in range(len(OBJECTS)):
        choice, mine = np.flatnonzero((exemplars.objects == one) & (exemplars.test == test)), objects == one
        which[mine] = choice[_index(uniform[mine, 0], len(choice))]
    background, position = _index(uniform[:, 1], len(BACKGROUNDS)), _index(uniform[:, 2], len(POSITIONS))
    return Plan(
        which,
        objects,
        colour,
        background,
        position,
        np.asarray(styles)[_index(uniform[:, 3], len(styles))],
        words,
    )


def render(exemplars: Exemplars, scenes: Plan) -> NDArray[np.uint8]:
    """Draw planned scenes, (N, 32, 32, 3) uint8."""
    out = np.empty((len(scenes), SIDE, SIDE, 3), dtype=np.uint8)
    used, which = np.unique(scenes.which, return_inverse=True)
    shapes = exemplars.shapes(used)
    for start in range(0, len(scenes), _CHUNK):
        part = slice(start, start + _CHUNK)
        count = len(which[part])
        random, noise = (
            _uniform(f"{scenes.words}\0{start}", count, RANDOM),
            _uniform(f"{scenes.words}\0{start}\0noise", count, SIDE, SIDE),
        )
        args = (
            which[part],
            scenes.colour[part],
            scenes.background[part],
            scenes.position[part],
            scenes.style[part],
        )
        out[part] = draw(shapes, *args, random, noise)
    out.setflags(write=False)
    return out


def _index(uniform: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    return np.floor(uniform * count).astype(np.int64)


@dataclass(frozen=True, eq=False)
class ScenesReader:
    """Reads rows of drawn scenes, (32, 32, 3) uint8 each."""

    images: NDArray[np.uint8]

    def read(self, row: int) -> Any:
        """Return the payload of one row."""
        return self.images[row]


class Scenes:
    """Pictures of one of 20 objects in one of 6 colours; the class is object and colour together.

    Of the 120 combinations 30 are held out: no item of the split ``train`` has them, and they are *new
    classes*. The splits ``test`` and ``test:new`` show seen and held-out combinations, drawn from signers and
    handwritten digits that no training item shows. With `hold_out`, a style leaves these three splits and has
    one of its own, ``test:<style>``, with seen combinations. Columns: ``group`` (number of the signer, or
    1000 plus the row in scikit-learn's digits) and, in words, ``style``, ``object``, ``colour``,
    ``background`` and ``position``.

    Args:
        config: how many scenes, which seed, and which style to hold out.
    """

    def __init__(self, config: ScenesConfig | None = None) -> None:
        self.config = config or ScenesConfig()

    def load(self) -> Dataset:
        """Draw the scenes, which takes a few seconds; 25,000 take about 15.

        Raises:
            DataError: the packaged file is missing or damaged.
        """
        exemplars = Exemplars.load()
        plans = self._plans(exemplars)
        images = np.concatenate([render(exemplars, one) for one in plans.values()])
        shown = {
            key: np.concatenate([getattr(one, key) for one in plans.values()]) for key in ("which", *_COLUMNS)
        }
        columns: dict[str, NDArray[Any]] = {
            column: np.array(words)[shown[key]] for key, (column, words) in _COLUMNS.items()
        }
        columns["group"] = exemplars.groups[shown["which"]]
        images.setflags(write=False)
        return Dataset.build(
            name="scenes",
            modality="image",
            ids=[content_id("image", image.tobytes()) for image in images],
            classes=_classes(),
            supervision=Labels(y=shown["objects"] * len(COLOURS) + shown["colour"]),
            reader=ScenesReader(images),
            columns=columns,
            splits=[split for split, one in plans.items() for _ in range(len(one))],
        )

    def _plans(self, exemplars: Exemplars) -> dict[str, Plan]:
        config = self.config
        styles = tuple(index for index, style in enumerate(STYLES) if style != config.hold_out)
        few = config.test_per_class
        plans = {
            "train": plan(exemplars, False, False, config.per_class, styles, config.seed),
            "test": plan(exemplars, False, True, few, styles, config.seed),
            "test:new": plan(exemplars, True, True, few, styles, config.seed),
        }
        if config.hold_out is not None:
            plans[f"test:{config.hold_out}"] = plan(
                exemplars, False, True, few, (STYLES.index(config.hold_out),), config.seed
            )
        return plans


_COLUMNS: Final = {
    "objects": ("object", OBJECTS),
    "colour": ("colour", COLOURS),
    "background": ("background", BACKGROUNDS),
    "position": ("position", POSITIONS),
    "style": ("style", STYLES),
}


def _classes() -> Classes:
    names = tuple(f"{colour} {name}" for name in OBJECTS for colour in COLOURS)
    descriptions = tuple((f"a {name}",) for name in names)
    return Classes(names, names, ~held_out().ravel(), descriptions)
