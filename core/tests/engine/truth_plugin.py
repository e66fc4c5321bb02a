"""A plugin for the tests of what an assessor can find out.

Data without any signal, symmetric noise, and an assessor that cheats.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import burnish

BURNISH_API = 1

ITEMS, CLASSES = 4000, 4


@dataclass(frozen=True)
class FlipConfig:
    rate: float = field(default=0.3, metadata={"help": "share of wrong labels", "range": (0, 1)})


class Data:
    """Rows of noise; labels that have nothing to do with them; sorted by class, as folders are."""

    def __init__(self, config):
        del config

    def load(self):
        import numpy as np

        from burnish.data import Classes, Dataset, Labels, content_id
        from burnish.testing.data import Rows

        x = np.random.default_rng(0).normal(size=(ITEMS, 4)).astype(np.float32)
        y = np.sort(np.arange(ITEMS) % CLASSES).astype(np.int64)
        ids = [content_id("features", row) for row in x]
        return Dataset.build(
            name="made",
            modality="features",
            ids=ids,
            classes=Classes.of("abcd"),
            supervision=Labels(y=y),
            reader=Rows(x),
            origins=[f"{'abcd'[label]}/{row}" for row, label in enumerate(y)],
        )


class Backbone:
    """Passes features through: an assessor sees the items themselves."""

    modality, views, dim = "features", False, 4

    def __init__(self, config, runtime):
        del config, runtime

    def prepare(self, items, view, ids):
        import numpy as np

        return {"x": np.stack([item.payload for item in items])}

    def encode(self, inputs):
        import torch

        return torch.from_numpy(inputs["x"])


class Flip:
    roles = frozenset({"train", "validation"})

    def __init__(self, config):
        self.rate = config.rate

    def corrupt(self, clean):
        import numpy as np

        from burnish.contracts.noise import Corruption

        u = clean.uniforms(2)
        hit = np.argsort(u[:, 0], kind="stable")[: round(self.rate * len(u))]
        y = clean.supervision.y.copy()
        y[clean.index[hit]] = (
            y[clean.index[hit]] + 1 + np.floor(u[hit, 1] * (CLASSES - 1)).astype(int)
        ) % CLASSES
        return Corruption(replace(clean.supervision, y=y), clean.index, y != clean.supervision.y)


class Cheat:
    """Tries every way of cheating at once; a column of suspicion for each."""

    def __init__(self, config):
        del config

    def assess(self, evidence):
        import numpy as np
        from cheats import STRATEGIES

        from burnish.contracts.evaluator import Table
        from burnish.contracts.noise import Assessment

        found = {name: strategy(evidence) for name, strategy in STRATEGIES.items()}
        tables = {
            name: Table(name, "", {"suspicion": suspicion.tolist()}) for name, suspicion in found.items()
        }
        return Assessment(
            evidence.index,
            clean_probability=np.full(len(evidence.index), 0.5, dtype=np.float32),
            tables=tables,
        )


class Never:
    def __init__(self, config):
        raise AssertionError("these tests train and measure nothing")


@burnish.hookimpl
def burnish_sources():
    return [
        burnish.Source(
            name="made", target="truth_plugin:Data", summary="Noise", provides={"features", "labels"}
        )
    ]


@burnish.hookimpl
def burnish_backbones():
    return [
        burnish.Backbone(
            name="pass",
            target="truth_plugin:Backbone",
            summary="Passes",
            needs={"features"},
            provides={"features"},
        )
    ]


@burnish.hookimpl
def burnish_noise_models():
    return [
        burnish.NoiseModel(
            name="flip",
            corrupt="truth_plugin:Flip",
            assess="truth_plugin:Cheat",
            corrupt_config=FlipConfig,
            summary="Flips, and cheats",
        )
    ]


@burnish.hookimpl
def burnish_tuners():
    return [
        burnish.Tuner(
            name="never",
            target="truth_plugin:Never",
            summary="Never fitted",
            needs={"features"},
            provides={"own-loss"},
        )
    ]


@burnish.hookimpl
def burnish_evaluators():
    return [burnish.Evaluator(name="never", target="truth_plugin:Never", summary="Never measured")]
