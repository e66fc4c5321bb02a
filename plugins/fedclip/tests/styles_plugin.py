"""A plugin for the tests.

Texts around one direction a class, in three hands that move them, and a backbone whose text tower knows the
directions.
"""

from __future__ import annotations

import burnish

BURNISH_API = 1

NAMES, HANDS = ("ash", "birch", "cedar", "elm"), ("ink", "oil", "pen")
DIM, EACH = 8, 12


def directions(count, seed):
    """Return (count, D)."""
    import numpy as np

    return np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)


class Right:
    """The share of items whose highest score is their class."""

    def __init__(self, config):
        del config

    def measure(self, outcome):
        from burnish.contracts.evaluator import Measure, Measures

        right = {split: outcome.scores(split).top() == outcome.targets(split).y for split in outcome.splits}
        return Measures(
            tuple(Measure("accuracy", split, float(r.mean()), n=len(r)) for split, r in right.items())
        )


class Styles:
    """Texts that name a class, a hand and a number; those in the last hand are all in test:pen."""

    def __init__(self, config):
        del config

    def load(self):
        import numpy as np

        from burnish.data import Classes, Dataset, Labels, content_id
        from burnish.testing.data import Rows

        y, hand, number = (
            part.ravel()
            for part in np.meshgrid(range(len(NAMES)), range(len(HANDS)), range(EACH), indexing="ij")
        )
        texts = [f"{NAMES[c]} {HANDS[h]} {i}" for c, h, i in zip(y, hand, number, strict=True)]
        return Dataset.build(
            name="styles",
            modality="text",
            ids=[content_id("text", text) for text in texts],
            classes=Classes.of(NAMES),
            supervision=Labels(y=y.astype(np.int64)),
            reader=Rows(texts),
            columns={"hand": np.array(HANDS)[hand]},
            splits=np.where(hand == 2, "test:pen", np.where(number < 3, "test", "train")).tolist(),
        )


class Encoder:
    """Encodes "birch ink 3" near birch's direction, moved by the hand, and a bare name as its direction."""

    dim, modality, views = DIM, "text", False

    def __init__(self, config, runtime):
        self.text_tower = self

    def prepare(self, items, view, ids):
        import numpy as np

        rows = []
        for item in items:
            name, *rest = item.payload.split()
            c, row = NAMES.index(name), directions(len(NAMES), 0)[NAMES.index(name)].copy()
            if rest:
                h = HANDS.index(rest[0])
                row += directions(len(HANDS), 1)[h] + np.random.default_rng([c, h, int(rest[1])]).normal(
                    scale=0.5, size=DIM
                )
            rows.append(row)
        return {"x": np.array(rows, dtype=np.float32)}

    def encode(self, inputs):
        import torch

        return torch.as_tensor(inputs["x"])


def always(config):
    """Return a fingerprint."""
    return "always the same"


@burnish.hookimpl
def burnish_sources():
    name, target = "styles", "styles_plugin:Styles"
    return [
        burnish.Source(
            name=name,
            target=target,
            summary="x",
            fingerprint="styles_plugin:always",
            provides={"text", "labels"},
        )
    ]


@burnish.hookimpl
def burnish_backbones():
    given = {"encoder": {"features", "text-tower"}, "no-names": {"features"}}
    fingerprint, target = "styles_plugin:always", "styles_plugin:Encoder"
    return [
        burnish.Backbone(
            name=n, target=target, summary="x", fingerprint=fingerprint, needs={"text"}, provides=p
        )
        for n, p in given.items()
    ]


@burnish.hookimpl
def burnish_evaluators():
    return [burnish.Evaluator(name="accuracy", target="styles_plugin:Right", summary="x", needs={"truth"})]
