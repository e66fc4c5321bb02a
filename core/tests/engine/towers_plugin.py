"""A plugin for the tests of methods that work inside a backbone, or with its text tower.

Pictures, the practice backbone, and tuners.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field

import burnish

BURNISH_API = 1

COLOURS = {"black": (0, 0, 0), "red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
ENCODED: list[str] = []
"""What the text tower was asked to encode: with the cache, each prompt once."""


class Pictures:
    """Squares of four colours.

    Of the last one there are test items alone, and the source says that it is new.
    """

    def __init__(self, config):
        del config

    def load(self):
        import numpy as np

        from burnish.data import Classes, Dataset, Labels, content_id
        from burnish.testing.data import Rows

        rng = np.random.default_rng(0)
        y = np.arange(96) % 4
        fill = np.array(list(COLOURS.values()))[y][:, None, None, :]
        pixels = np.clip(0.6 * fill + 40 + rng.normal(scale=20, size=(96, 16, 16, 3)), 0, 255).astype(
            np.uint8
        )
        splits = np.where((y == 3) | (np.arange(96) >= 64), "test", "train")
        classes = Classes(tuple(COLOURS), tuple(COLOURS), np.array([True, True, True, False]))
        return Dataset.build(
            name="pictures",
            modality="image",
            ids=[content_id("image", p.tobytes()) for p in pixels],
            classes=classes,
            supervision=Labels(y=y.astype(np.int64)),
            reader=Rows(pixels),
            splits=list(splits),
        )


def make_towers(config, runtime):
    from burnish.testing.towers import PracticeText, PracticeTowers

    class Counting(PracticeText):
        def prepare(self, items, view, ids):
            ENCODED.extend(item.payload for item in items)
            return super().prepare(items, view, ids)

    towers = PracticeTowers()
    towers.text_tower = Counting(towers)
    return towers


@dataclass(frozen=True)
class ShiftConfig:
    how: str = field(default="lease", metadata={"help": "lease, vandal or stop"})


class Shift:
    """Turns the colours around inside the backbone: a part that swaps two features, fitted in a lease."""

    def __init__(self, config):
        self.config = config

    def fit(self, task):
        import numpy as np
        import torch

        from burnish.blocks.lease import Lease
        from burnish.errors import FitError

        towers, items = task.backbone(), task.inputs("train")
        if not len(items):
            raise FitError("nothing to train on")
        if self.config.how == "vandal":
            with torch.no_grad():
                towers.module.get_parameter("first").add_(1e-3)
        with Lease(towers.module) as lease:
            part = torch.nn.LayerNorm(towers.sites.width)
            lease.after("norm", towers.sites.blocks[-1].name, part)
            x = towers.forward(items.prepared(np.arange(len(items)), draw=0)).detach().numpy()
            if self.config.how == "stop":
                raise FitError("it stopped in the middle")
            state = lease.state()
        y = task.supervision.take(task.splits["train"].index).y
        means = np.stack(
            [
                x[y == c].mean(axis=0) if (y == c).any() else np.full(x.shape[1], 1e3)
                for c in range(len(task.classes))
            ]
        )
        return _predictor(state | {"means": torch.from_numpy(means.astype(np.float32))}, task.classes)

    def restore(self, state, info, classes):
        return _predictor(state, classes)


def _predictor(state, classes):
    from burnish.blocks.lease import Lease
    from burnish.contracts.scores import Scores
    from burnish.contracts.tuner import Adapted

    class Shifted(Adapted):
        def __init__(self):
            self.classes = classes

        @contextlib.contextmanager
        def adapt(self, backbone):
            import torch

            with Lease(backbone.module) as lease:
                lease.after("norm", backbone.sites.blocks[-1].name, torch.nn.LayerNorm(backbone.sites.width))
                lease.load({name: tensor for name, tensor in state.items() if name != "means"})
                yield backbone

        def predict(self, features):
            import numpy as np

            distance = ((features[:, None] - state["means"].numpy()[None]) ** 2).sum(axis=-1)
            return Scores("logits", -distance.astype(np.float32), classes)

        def embed(self, features):
            return None

        def state(self):
            return state

        def info(self):
            return {}

    return Shifted()


class Texts:
    """Asks for text features, and predicts by them."""

    def __init__(self, config):
        del config

    def fit(self, task):
        from burnish.blocks.text_classifier import TextClassifier, ensemble

        assert task.logit_scale() == task.backbone().logit_scale
        return TextClassifier(
            ensemble(task.class_embeddings(("a {}", "{} {}"))), task.backbone().logit_scale, task.classes
        )

    def restore(self, state, info, classes):
        from burnish.blocks.text_classifier import TextClassifier

        return TextClassifier.restore(state, info, classes, "tuner texts")


class Training:
    """An assessor that is given a task, and uses its backbone."""

    def __init__(self, config):
        del config

    def assess(self, evidence):
        import numpy as np

        from burnish.contracts.noise import Assessment

        task = evidence.task
        assert "test" not in task.splits
        x = task.backbone().forward(task.inputs("train").prepared(np.arange(3)))
        assert x.shape == (3, task.backbone().dim)
        task.run.progress(1, 4)
        return Assessment(evidence.index, keep=np.ones(len(evidence.index), dtype=bool))


FAILED = []


class Fickle:
    """An assessor that differs from replicate to replicate.

    It keeps nothing in the first, cannot be trained in the second, and keeps all in the others.
    """

    def __init__(self, config):
        del config
        self.replicate = -1

    def assess(self, evidence):
        import numpy as np

        from burnish.contracts.noise import Assessment
        from burnish.data import seeds
        from burnish.errors import FitError

        replicate = next(r for r in range(9) if seeds.seed("init", r) == evidence.task.seed)
        if replicate == 1:
            FAILED.append(replicate)
            raise FitError("it diverged", where="fickle")
        return Assessment(evidence.index, keep=np.full(len(evidence.index), replicate > 1))


class Known:
    """Measures how many classes are known."""

    def __init__(self, config):
        del config

    def measure(self, outcome):
        from burnish.contracts.evaluator import Measure, Measures

        right = [
            Measure(
                "accuracy",
                split,
                float((outcome.scores(split).top() == outcome.targets(split).y).mean()),
                n=len(outcome.scores(split)),
            )
            for split in outcome.splits
        ]
        return Measures(
            (
                *right,
                *(
                    Measure("known", split, float(outcome.classes.known.sum()), "count")
                    for split in outcome.splits
                ),
            )
        )


_ALL = frozenset({"features", "text-tower", "projects", "compose-text", "module"})


@burnish.hookimpl
def burnish_sources():
    fingerprint = "towers_plugin:always"
    return [
        burnish.Source(
            name="pictures",
            target="towers_plugin:Pictures",
            summary="x",
            fingerprint=fingerprint,
            provides={"image", "labels"},
        )
    ]


@burnish.hookimpl
def burnish_backbones():
    name, target = "towers", "towers_plugin:make_towers"
    return [
        burnish.Backbone(
            name=name,
            target=target,
            summary="x",
            fingerprint="towers_plugin:always",
            needs={"image"},
            provides=_ALL,
        )
    ]


def always(config):
    return "always the same"


@burnish.hookimpl
def burnish_tuners():
    own = {"own-loss", "control"}
    return [
        burnish.Tuner(
            name="shift",
            target="towers_plugin:Shift",
            config=ShiftConfig,
            summary="x",
            needs={"image", "module"},
            provides=own,
        ),
        burnish.Tuner(
            name="texts",
            target="towers_plugin:Texts",
            summary="x",
            needs={"features", "text-tower"},
            provides=own,
        ),
    ]


@burnish.hookimpl
def burnish_noise_models():
    return [
        burnish.NoiseModel(name="training", assess="towers_plugin:Training", summary="x", needs={"module"}),
        burnish.NoiseModel(name="fickle", assess="towers_plugin:Fickle", summary="x"),
    ]


@burnish.hookimpl
def burnish_evaluators():
    return [burnish.Evaluator(name="known", target="towers_plugin:Known", summary="x", needs={"truth"})]
