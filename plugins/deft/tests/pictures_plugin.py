"""A plugin for the tests.

Pictures whose colour is their class, some of them labelled wrongly, and a backbone that knows the names of
the classes.
"""

from __future__ import annotations

import burnish

BURNISH_API = 1

N, WRONG = 240, 0.2


class Pictures:
    """Pictures of the practice task; the source has the truth beside its labels."""

    def __init__(self, config):
        del config

    def load(self):
        import numpy as np
        from pretrained import CLASSES

        from burnish.data import Dataset, Labels
        from burnish.testing.data import practice_on_pictures

        task = practice_on_pictures(CLASSES, n=N).task
        inner = task.inputs("train")
        y = np.random.default_rng(0).permutation(np.arange(N) % CLASSES)  # as the practice task draws them
        rng = np.random.default_rng(1)
        splits = np.where(np.arange(N) < 60, "test", "train")
        noisy = np.where((rng.random(N) < WRONG) & (splits == "train"), (y + 1) % CLASSES, y)
        labels, truth = (Labels(y=part.astype(np.int64)) for part in (noisy, y))
        return Dataset.build(
            name="pictures",
            modality="image",
            ids=list(inner.ids),
            classes=task.classes,
            supervision=labels,
            truth=truth,
            reader=_Items(inner.items),
            splits=splits.tolist(),
        )


class _Items:
    def __init__(self, items):
        self.items = items

    def read(self, row):
        return self.items[row].payload


def backbone(config, runtime):
    from pretrained import pretrained

    return pretrained()


class Found:
    """Accuracy, and how many of the items that the assessor dropped are labelled wrongly."""

    def __init__(self, config):
        del config

    def measure(self, outcome):
        import numpy as np

        from burnish.contracts.evaluator import Measure, Measures

        right = [
            Measure("accuracy", s, float((outcome.scores(s).top() == outcome.targets(s).y).mean()), n=1)
            for s in outcome.splits
        ]
        dropped, wrong = ~outcome.assessment.keep, np.asarray(outcome.wrong(), dtype=bool)
        shares = {"wrong dropped": dropped[wrong].mean(), "right dropped": dropped[~wrong].mean()}
        return Measures((*right, *(Measure(name, "", float(share)) for name, share in shares.items())))


def always(config):
    return "always the same"


@burnish.hookimpl
def burnish_sources():
    words = {"image", "labels"}
    return [
        burnish.Source(
            name="pictures",
            target="pictures_plugin:Pictures",
            summary="x",
            fingerprint="pictures_plugin:always",
            provides=words,
        )
    ]


@burnish.hookimpl
def burnish_backbones():
    words = {"features", "projects", "text-tower", "compose-text", "module"}
    target, print_ = "pictures_plugin:backbone", "pictures_plugin:always"
    return [
        burnish.Backbone(
            name="knowing",
            target=target,
            summary="x",
            fingerprint=print_,
            needs={"image"},
            provides=words,
            views=True,
        )
    ]


@burnish.hookimpl
def burnish_evaluators():
    return [
        burnish.Evaluator(
            name="found", target="pictures_plugin:Found", summary="x", needs={"truth", "assessment"}
        )
    ]


@burnish.hookimpl
def burnish_losses():
    return [burnish.Loss(name="ce", target="pictures_plugin:make_loss", summary="x", needs={"labels"})]


def make_loss(config):
    from burnish.testing.stand_ins import CrossEntropy

    return CrossEntropy()
