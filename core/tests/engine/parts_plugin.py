"""A plugin with a part of every kind, each method of which can be told to raise; it counts its calls."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import burnish

BURNISH_API = 1

ITEMS, CLASSES, DIM = 90, 3, 4
CALLS: Counter[str] = Counter()
"""How often each method was called, such as ``"assess"``."""


@dataclass(frozen=True)
class RaiseConfig:
    at: str = field(default="", metadata={"help": "the method that raises"})
    name: str = field(default="", metadata={"help": "tells equal parts apart"})


class Part:
    def __init__(self, config, *further):
        self.config, self.further = config, further
        self.called("init")

    def called(self, method):
        CALLS[f"{type(self).__name__}.{method}"] += 1
        if self.config.at == method:
            raise KeyError(f"{type(self).__name__} at {method}")


class Rows(Part):
    def load(self):
        import numpy as np

        from burnish.data import Classes, Dataset, Labels, content_id
        from burnish.testing.data import Rows as Reader

        self.called("load")
        rng = np.random.default_rng(0)
        y = (np.arange(ITEMS) % CLASSES).astype(np.int64)
        x = np.round(np.eye(CLASSES, DIM)[y] * 3 + rng.normal(size=(ITEMS, DIM)), 3)
        texts = [" ".join(map(str, row)) for row in x]
        return Dataset.build(
            name="rows",
            modality="text",
            ids=[content_id("text", text) for text in texts],
            classes=Classes.of("abc"),
            supervision=Labels(y=y),
            reader=Reader(texts),
            origins=[f"row {number}" for number in range(ITEMS)],
        )


class Numbers(Part):
    modality, views, dim = "text", False, DIM

    def prepare(self, items, view, ids):
        import numpy as np

        self.called("prepare")
        return {"x": np.array([list(map(float, item.payload.split())) for item in items], dtype=np.float32)}

    def encode(self, inputs):
        import torch

        self.called("encode")
        return torch.from_numpy(inputs["x"])


class Shift(Part):
    roles = frozenset({"train", "validation"})

    def corrupt(self, clean):
        import numpy as np

        from burnish.contracts.noise import Corruption

        self.called("corrupt")
        y = clean.supervision.y.copy()
        hit = clean.index[clean.uniforms(1)[:, 0] < 0.3]
        y[hit] = (y[hit] + 1) % CLASSES
        changed = np.zeros(len(y), dtype=bool)
        changed[hit] = True
        return Corruption(type(clean.supervision)(y=y), clean.index, changed)


class Doubt(Part):
    def assess(self, evidence):
        import numpy as np

        from burnish.contracts.evaluator import Table
        from burnish.contracts.noise import Assessment

        self.called("assess")
        keep = np.arange(len(evidence.index)) % 5 > 0
        table = Table("doubts", "", {"class": ["a", "b"], "doubt": [0.25, 0.5]})
        probability = np.where(keep, 0.875, 0.25).astype(np.float32)
        return Assessment(evidence.index, probability, keep=keep, tables={"doubts": table})


class Means(Part):
    """Nearest class mean, written as a tuner that trains by itself."""

    def fit(self, task):
        import numpy as np

        self.called("fit")
        x, y = task.features("train")[:, 0], task.supervision.take(task.splits["train"].index).y
        means = np.stack([x[y == c].mean(axis=0) for c in range(len(task.classes))])
        return Nearest(self, means, task.classes)

    def restore(self, state, info, classes):
        self.called("restore")
        return Nearest(self, state["means"].numpy(), classes)


class Nearest:
    def __init__(self, tuner, means, classes):
        self.tuner, self.means, self.classes = tuner, means, classes

    def predict(self, features):
        import numpy as np

        from burnish.contracts.scores import Scores

        self.tuner.called("predict")
        distance = ((features[:, None] - self.means[None]) ** 2).sum(axis=2)
        return Scores("logits", (-distance).astype(np.float32), self.classes)

    def embed(self, features):
        self.tuner.called("embed")

    def state(self):
        import torch

        self.tuner.called("state")
        return {"means": torch.from_numpy(self.means)}

    def info(self):
        self.tuner.called("info")
        return {}


class Right(Part):
    def measure(self, outcome):
        from burnish.contracts.evaluator import Measure, Measures

        self.called("measure")
        found = []
        for split in outcome.splits:
            top, y = outcome.scores(split).top(), outcome.targets(split).y
            found.append(Measure(f"right{self.config.name}", split, float((top == y).mean()), n=len(y)))
            outcome.embeddings(split)
        return Measures(tuple(found))


def _named(kind, name, target, **further):
    return kind(name=name, summary=f"{target}.", target=f"{__name__}:{target}", config=RaiseConfig, **further)


@burnish.hookimpl
def burnish_sources():
    return [_named(burnish.Source, "rows", "Rows", provides=frozenset({"text", "labels"}))]


@burnish.hookimpl
def burnish_backbones():
    words = {"needs": frozenset({"text"}), "provides": frozenset({"features"})}
    return [_named(burnish.Backbone, "numbers", "Numbers", **words)]


@burnish.hookimpl
def burnish_noise_models():
    shift, doubt = f"{__name__}:Shift", f"{__name__}:Doubt"
    return [
        burnish.NoiseModel(name="shift", summary="Shift.", corrupt=shift, corrupt_config=RaiseConfig),
        burnish.NoiseModel(name="doubt", summary="Doubt.", assess=doubt, assess_config=RaiseConfig),
    ]


@burnish.hookimpl
def burnish_tuners():
    own = {"needs": frozenset({"features"}), "provides": frozenset({"own-loss"})}
    return [_named(burnish.Tuner, "means", "Means", **own)]


@burnish.hookimpl
def burnish_evaluators():
    return [_named(burnish.Evaluator, "right", "Right", needs=frozenset({"truth"}))]
