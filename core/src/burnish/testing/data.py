"""Small data for tests, made on the spot.

Rows of features, pictures, and what each kind of component is given of them. No torch.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.backbone import View
from burnish.contracts.tuner import Adapted, FeaturesAlone, Reads, Task
from burnish.data import (
    Classes,
    Dataset,
    Item,
    Labels,
    Split,
    content_id,
    stack_ids,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.tuner import SplitInputs
    from burnish.testing.towers import PracticeTowers

SENTENCES = (
    "the cat sat on the mat",
    "Ein Satz über Öl",
    "one",
    "数据 with noise",
    "two words",
    "a longer sentence, with a comma and a full stop.",
)
"""Texts of several lengths and scripts."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Reads the rows of a list or array (`burnish.data.Reader`)."""

    payloads: Any

    def read(self, row: int) -> Any:
        """Return one row."""
        return self.payloads[row]


def blobs(
    n: int = 120, dim: int = 6, classes: int = 3, *, spread: float = 0.3, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features (n, dim) float32 around one point a class, and labels (n,) int64.

    Classes of equal size in a random order.

    Args:
        n: items.
        dim: width, at least the number of classes for them to lie well apart.
        classes: number of classes.
        spread: standard deviation around the points, which are a distance of about 1.4 apart.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes).astype(np.int64)
    centres = np.eye(classes, dim) if classes <= dim else rng.normal(size=(classes, dim))
    return (centres[y] + rng.normal(scale=spread, size=(n, dim))).astype(np.float32), y


def pictures(n: int = 6, *, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Return n smooth colour pictures, uint8 (H, W, 3), of several sizes."""
    from PIL import Image

    rng = np.random.default_rng(seed)
    sizes = [(40, 32), (32, 32), (64, 48), (33, 65)]
    coarse = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return [
        np.asarray(Image.fromarray(c).resize(sizes[i % len(sizes)], Image.Resampling.BICUBIC))
        for i, c in enumerate(coarse)
    ]


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture as the bytes of a PNG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def payloads(modality: str, n: int = 6, *, dim: int = 6, seed: int = 0) -> list[Any]:
    """Return n items of a modality: PNG files, texts, or feature rows."""
    if modality == "image":
        return [png(picture) for picture in pictures(n, seed=seed)]
    if modality == "text":
        return [f"{SENTENCES[i % len(SENTENCES)]} {seed + i // len(SENTENCES)}" for i in range(n)]
    return list(blobs(n, dim, seed=seed)[0])


def items_of(modality: str, given: Sequence[Any]) -> tuple[list[Item], NDArray[np.uint8]]:
    """Return payloads as items, and their content ids (B, 32)."""
    return [Item(position, payload) for position, payload in enumerate(given)], stack_ids(
        [content_id(modality, payload) for payload in given]
    )


def dataset(
    features: NDArray[np.float32], y: NDArray[np.int64], classes: int, *, splits: Sequence[str] | None = None
) -> Dataset:
    """Return feature rows (N, D) and labels (N,) as a data set in canonical order."""
    return Dataset.build(
        name="made",
        modality="features",
        ids=[content_id("features", row) for row in features],
        classes=class_names(classes),
        supervision=Labels(y=y.copy()),
        reader=Rows(features),
        splits=splits,
    )


def class_names(count: int) -> Classes:
    """Return classes named a, b, c, ..."""
    return Classes.of([chr(ord("a") + i) if i < 26 else f"class {i}" for i in range(count)])


# -- for tuners ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Practice:
    """A task for a tuner, and what it is not shown.

    Attributes:
        task: the task.
        test_features: (M, D) features of the test set.
        test_labels: (M,) its labels.
        asked: names of the splits that features were asked for.
        backbone: the backbone of a task that has one.
        test_items: the items of the test set of such a task, with their content ids.
    """

    task: Task
    test_features: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    asked: list[str] = field(default_factory=list)
    backbone: Any = None
    test_items: tuple[Sequence[Item], NDArray[np.uint8]] | None = None

    def read_by(self, predictor: Any) -> NDArray[np.float32]:
        """Return what a predictor reads of the test set.

        Its features, or those of the backbone as the predictor adapts it.
        """
        if not isinstance(predictor, Adapted) or self.test_items is None:
            return self.test_features
        items, ids = self.test_items
        with predictor.adapt(self.backbone) as encoder:
            return np.array(encoder.encode(encoder.prepare(items, View(), ids)).numpy())


def practice(
    classes: int = 3,
    *,
    n: int = 150,
    dim: int = 6,
    views: int = 1,
    loss: Any = None,
    relabel: Callable[[NDArray[np.int64]], NDArray[np.int64]] = lambda y: y,
    replicate: int = 0,
) -> Practice:
    """Return a task of blobs: a fifth each for test and validation, the rest for training.

    Asking it for features of a test set raises `burnish.errors.BurnishError`, as the engine does.

    Args:
        classes: C.
        n: items.
        dim: D.
        views: V of the training features; the further ones are slightly moved.
        loss: the recipe's loss.
        relabel: what becomes of the labels of training and validation items.
        replicate: whose randomness.
    """
    features, y = blobs(n, dim, classes)
    part = np.arange(n) % 5
    splits = {
        name: Split(name, np.flatnonzero(chosen).astype(np.int64)) for name, chosen in _roles(part).items()
    }
    observed = relabel(y.copy())
    observed[splits["test"].index] = -1
    moved = np.stack([features] + [features + np.float32(0.01 * v) for v in range(1, views)], axis=1)
    shown = {name: split for name, split in splits.items() if name != "test"}
    asked: list[str] = []
    task = WatchedTask(
        classes=class_names(classes),
        splits=shown,
        supervision=Labels(y=observed),
        assessment=None,
        loss=loss,
        groups={},
        reads=_Blobs(moved, class_names(classes).names),
        replicate=replicate,
        asked=asked,
    )
    test = splits["test"].index
    return Practice(task, features[test], y[test], asked)


def practice_on_pictures(
    classes: int = 3,
    *,
    n: int = 60,
    loss: Any = None,
    relabel: Callable[[NDArray[np.int64]], NDArray[np.int64]] = lambda y: y,
    replicate: int = 0,
) -> Practice:
    """Return a task of pictures, a colour a class, with a backbone that can be changed.

    The backbone is `burnish.testing.towers.PracticeTowers`.

    Args:
        classes: C, at most 7.
        n: items.
        loss: the recipe's loss.
        relabel: what becomes of the labels of training and validation items.
        replicate: whose randomness.
    """
    from burnish.testing.towers import SIDE, PracticeTowers

    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(n) % classes).astype(np.int64)
    bits = np.stack([(y + 1) >> k & 1 for k in range(3)], axis=-1)[:, None, None, :]
    pixels = np.clip(60 + 130 * bits + rng.normal(scale=25, size=(n, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    items, ids = items_of("image", list(pixels))
    splits = {
        name: Split(name, np.flatnonzero(chosen).astype(np.int64))
        for name, chosen in _roles(np.arange(n) % 5).items()
    }
    shown = {name: split for name, split in splits.items() if name != "test"}
    observed = relabel(y.copy())
    observed[splits["test"].index] = -1
    towers, asked, names = PracticeTowers(), list[str](), class_names(classes)

    everything = towers.encode(towers.prepare(items, View(), ids)).numpy()
    task = WatchedTask(
        classes=names,
        splits=shown,
        supervision=Labels(y=observed),
        assessment=None,
        loss=loss,
        groups={},
        reads=_PictureReads(towers, items, ids, everything),
        replicate=replicate,
        asked=asked,
    )
    test = splits["test"].index
    return Practice(task, everything[test], y[test], asked, towers, ([items[i] for i in test], ids[test]))


@dataclass(frozen=True, eq=False)
class WatchedTask(Task):
    """A task that remembers which splits its tuner asked for.

    Attributes:
        asked: their names, in the order they were asked for.
    """

    asked: list[str] = field(default_factory=list)

    def _index(self, split: str) -> NDArray[np.int64]:
        self.asked.append(split)
        return super()._index(split)


def changed(task: Task, **changes: Any) -> Task:
    """Return a task with other fields or methods: ``changed(task, classes=..., features=lambda split: ...)``.

    Args:
        task: the task.
        changes: fields as `dataclasses.replace` takes them; a method's name with what stands in its place.
    """
    own = {item.name for item in fields(task)}
    made: Task = replace(task, **{name: value for name, value in changes.items() if name in own})
    methods = {name: staticmethod(value) for name, value in changes.items() if name not in own}
    if methods:
        object.__setattr__(made, "__class__", type("ChangedTask", (type(task),), methods))
    return made


class _Blobs(FeaturesAlone):
    """Reads features, and makes some for class names (`burnish.contracts.tuner.Reads`)."""

    def __init__(self, table: NDArray[np.float32], names: Sequence[str]) -> None:
        super().__init__(table)
        self.names = list(names)

    def class_embeddings(self, classes: Classes, templates: Sequence[str]) -> NDArray[np.float32]:
        """Return (P, C, D) float32."""
        columns = [self.names.index(name) for name in classes.names]
        return text_features(len(self.names), self.table.shape[2], templates)[:, columns]


@dataclass(frozen=True, eq=False)
class _PictureReads(Reads):
    """Reads pictures and runs the practice towers (`burnish.contracts.tuner.Reads`)."""

    towers: PracticeTowers
    items: Sequence[Item]
    ids: NDArray[np.uint8]
    table: NDArray[np.float32]

    def features(self, training: bool) -> NDArray[np.float32]:
        """Return (N, 1, D) float32."""
        return self.table[:, None, :]

    def backbone(self) -> PracticeTowers:
        """Return the towers."""
        return self.towers

    def inputs(self, index: NDArray[Any], replicate: int) -> SplitInputs:
        """Return the pictures at positions `index`."""
        return _Pictures(self.towers, self.items, self.ids, index, replicate)

    def class_embeddings(self, classes: Classes, templates: Sequence[str]) -> NDArray[np.float32]:
        """Return (P, C, D) float32 of class names in templates."""
        import torch

        texts = [template.replace("{}", name) for template in templates for name in classes.names]
        ids = self.towers.tokenise(texts)
        with torch.no_grad():
            found = self.towers.encode_embedded(self.towers.embed_tokens(ids), ids).numpy()
        return np.array(found).reshape(len(templates), len(classes), -1)


@dataclass(frozen=True, eq=False)
class _Pictures:
    """The items of a split of `practice_on_pictures`."""

    backbone: Any
    items: Sequence[Item]
    ids: NDArray[np.uint8]
    index: NDArray[np.int64]
    replicate: int

    def __len__(self) -> int:
        return len(self.index)

    def prepared(self, rows: NDArray[Any], draw: int | None = None) -> Any:
        """Return prepared inputs."""
        chosen = self.index[rows]
        view = View() if draw is None else View(draw, self.replicate)
        return self.backbone.prepare([self.items[i] for i in chosen], view, self.ids[chosen])


def text_features(classes: int, dim: int, templates: Sequence[str]) -> NDArray[np.float32]:
    """Return what a good text tower would make of the class names, (P, C, D) float32.

    Near the points of `blobs`, moved by the template.
    """
    centres = np.eye(classes, dim) if classes <= dim else np.random.default_rng(0).normal(size=(classes, dim))
    moved = [
        np.random.default_rng(list(template.encode())).normal(scale=0.05, size=(classes, dim))
        for template in templates
    ]
    return np.stack([3 * (centres + move) for move in moved]).astype(np.float32)


def _roles(part: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    return {"train": part >= 2, "validation": part == 1, "test": part == 0}
