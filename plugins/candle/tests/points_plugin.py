"""A plugin for the tests.

Points around one direction a class, and a backbone whose text tower knows the directions, but for an error.
"""

from __future__ import annotations

import burnish

BURNISH_API = 1

NAMES = ("ash", "birch", "cedar", "elm", "fir", "hazel")
BASE, DIM, TRAIN, TEST = 4, 8, 10, 5


def directions():
    """Return one direction a class, (C, D)."""
    import numpy as np

    return np.random.default_rng(0).normal(size=(len(NAMES), DIM)).astype(np.float32)


class Points:
    """Texts that name a class and a number; the items of the last two classes are all in test:new."""

    def __init__(self, config):
        del config

    def load(self):
        import numpy as np

        from burnish.data import Classes, Dataset, Labels, content_id
        from burnish.testing.data import Rows

        y = np.repeat(np.arange(len(NAMES)), [TRAIN + TEST] * BASE + [TEST] * (len(NAMES) - BASE))
        place = np.concatenate([np.arange((y == c).sum()) for c in range(len(NAMES))])
        texts = [f"{NAMES[c]} {i}" for c, i in zip(y, place, strict=True)]
        splits = np.where(y >= BASE, "test:new", np.where(place < TEST, "test", "train"))
        known = np.arange(len(NAMES)) < BASE
        return Dataset.build(
            name="points",
            modality="text",
            ids=[content_id("text", text) for text in texts],
            classes=Classes(NAMES, NAMES, known),
            supervision=Labels(y=y.astype(np.int64)),
            reader=Rows(texts),
            splits=list(splits),
        )


class Encoder:
    """Encodes "birch 3" near birch's direction, a bare name as its direction moved alike for every class."""

    dim, modality, views = DIM, "text", False

    def __init__(self, config, runtime):
        self.text_tower = self

    def prepare(self, items, view, ids):
        import numpy as np

        rows = []
        for item in items:
            name, _, number = item.payload.partition(" ")
            c = NAMES.index(name)
            moved = (
                np.random.default_rng([c, int(number)]).normal(scale=0.6, size=DIM)
                if number
                else np.full(DIM, 0.5)
            )
            rows.append(directions()[c] + moved)
        return {"x": np.array(rows, dtype=np.float32)}

    def encode(self, inputs):
        import torch

        return torch.as_tensor(inputs["x"])


def always(config):
    """Return a fingerprint."""
    return "always the same"


@burnish.hookimpl
def burnish_sources():
    name, target = "points", "points_plugin:Points"
    return [
        burnish.Source(
            name=name,
            target=target,
            summary="x",
            fingerprint="points_plugin:always",
            provides={"text", "labels"},
        )
    ]


@burnish.hookimpl
def burnish_backbones():
    given = {"encoder": {"features", "text-tower"}, "no-names": {"features"}}
    fingerprint, target = "points_plugin:always", "points_plugin:Encoder"
    return [
        burnish.Backbone(
            name=n, target=target, summary="x", fingerprint=fingerprint, needs={"text"}, provides=p
        )
        for n, p in given.items()
    ]
