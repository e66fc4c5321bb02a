"""What a component that trains by itself is given.

A task without a test set, without truth, and with the backbone where it asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.contracts.backbone import Encodes, Prepared, View
from burnish.contracts.tuner import Run, Task, Tell, untold
from burnish.data import Classes, Dataset, Labels, Split, Supervision, content_id
from burnish.engine import seeds
from burnish.engine.answers.answers import item_seeds
from burnish.engine.features.cache import FeatureCache, FeatureSpec
from burnish.engine.features.extract import ExtractRun, extract
from burnish.engine.jobs.corrupt import hide
from burnish.errors import BurnishError, ConfigError, DataError, PluginError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.contracts.language import Decoding
    from burnish.contracts.loss import Loss
    from burnish.contracts.noise import Assessment
    from burnish.contracts.tuner import SplitInputs

NAME, DESCRIPTION = "{}", "{description}"
"""What stands in a template for the name of a class, and for the first of its descriptions."""


@dataclass(frozen=True, eq=False)
class TaskSource:
    """Where the tasks of one replicate of a row come from.

    Attributes:
        dataset: the items.
        splits: all splits, test sets too, which no task shows.
        supervision: as observed.
        classes: the classes, known or new as observed.
        features: gives (N, V, D) features of the training views and (N, D) of the evaluation view.
        backbone: gives the live backbone.
        embed_classes: ``embed_classes(classes, templates) -> (P, C, D)``.
        replicate: whose randomness.
        device: torch device.
        ask: ``ask(prompts, decoding, seeds) -> (M, P)`` answers of the backbone.
    """

    dataset: Dataset
    splits: Mapping[str, Split]
    supervision: Supervision
    classes: Classes
    features: Callable[[], tuple[NDArray[Any], NDArray[np.float32]]]
    backbone: Callable[[], Any]
    embed_classes: Callable[[Classes, Sequence[str]], NDArray[np.float32]]
    logit_scale: Callable[[], float | None]
    replicate: int
    device: str
    ask: Callable[[Sequence[Sequence[str]], Decoding, Sequence[int]], NDArray[Any]]

    def task(
        self, role: str, assessment: Assessment | None = None, loss: Loss | None = None, tell: Tell = untold
    ) -> Task:
        """Return a task.

        Args:
            role: who is asking, ``"fit"`` or ``"assess"``: its randomness is its own.
            assessment: the assessment that is applied already.
            loss: the recipe's loss.
            tell: is told how far the fit is.
        """
        shown = {name: split for name, split in self.splits.items() if split.role != "test"}
        tests = [split.index for split in self.splits.values() if split.role == "test"]
        hidden = np.concatenate([*tests, np.empty(0, dtype=np.int64)])

        def split_of(name: str) -> Split:
            if name not in shown:
                raise BurnishError(f"a tuner has no split {name!r}", possible=", ".join(shown))
            return shown[name]

        def features(name: str) -> NDArray[np.float32]:
            index = split_of(name).index
            training, table = self.features()
            return np.asarray(training[index] if name == "train" else table[index][:, None, :])

        def answers(name: str, prompts: Sequence[Sequence[str]], decoding: Decoding) -> NDArray[Any]:
            index = split_of(name).index
            if len(prompts) != len(index):
                raise PluginError(
                    f"prompts for {len(prompts)} items of a split of {len(index)}", where="tuner"
                )
            return self.ask(prompts, decoding, item_seeds(self.dataset.ids[index], seed))

        def class_embeddings(templates: Sequence[str], at: NDArray[Any] | None = None) -> NDArray[np.float32]:
            return self.embed_classes(self.classes if at is None else self.classes.subset(at), templates)

        def inputs(name: str) -> SplitInputs:
            return _SplitItems(self.dataset, split_of(name).index, self.backbone(), self.replicate)

        seed = seeds.seed("init", self.replicate)
        return Task(
            classes=self.classes,
            splits=shown,
            supervision=hide(self.supervision, hidden),
            assessment=assessment,
            loss=loss,
            groups=dict(self.dataset.columns),
            features=features,
            generator=lambda part: seeds.generator(f"{role} {part}", self.replicate),
            seed=seed,
            run=Run(self.device, tell),
            backbone=self.backbone,
            inputs=inputs,
            class_embeddings=class_embeddings,
            ask=answers,
            logit_scale=self.logit_scale,
            texts=lambda name: texts_at(self.dataset, split_of(name).index),
        )


@dataclass(frozen=True, eq=False)
class _SplitItems:
    """The items of a split, read and prepared when asked for (`burnish.contracts.tuner.SplitInputs`)."""

    dataset: Dataset
    index: NDArray[np.int64]
    backbone: Encodes
    replicate: int

    def __len__(self) -> int:
        return len(self.index)

    def prepared(self, rows: NDArray[Any], draw: int | None = None) -> Prepared:
        """Return prepared inputs of items of the split."""
        positions = self.index[rows]
        view = View() if draw is None else View(draw, self.replicate)
        return self.backbone.prepare(list(self.dataset.items(positions)), view, self.dataset.ids[positions])


def texts_at(dataset: Dataset, positions: NDArray[np.int64]) -> list[str]:
    """Return the items at `positions` as texts.

    Raises:
        DataError: the items are no texts, or one cannot be read.
    """
    if dataset.modality != "text":
        raise DataError(
            f"the items are {dataset.modality}, and prompts are made of texts", where=dataset.name
        )
    return [str(item.payload) for item in dataset.items(positions)]


@dataclass(frozen=True, eq=False)
class _Prompts:
    """Reads prompts (`burnish.data.Reader`)."""

    texts: tuple[str, ...]

    def read(self, row: int) -> str:
        """Return one prompt."""
        return self.texts[row]


def prompts_of(classes: Classes, templates: Sequence[str]) -> list[str]:
    """Return P * C prompts, template by template; underscores in names become spaces.

    Raises:
        ConfigError: there is no template, or one without a place for the name or the description.
        DataError: the classes have no names, or one has no description and a template asks for it.
    """
    if not templates:
        raise ConfigError(
            "there is no prompt template", where="templates", possible="such as 'a photo of a {}.'"
        )
    if without := next(
        (template for template in templates if NAME not in template and DESCRIPTION not in template), None
    ):
        raise ConfigError(
            f"the template {without!r} has no place for the class name",
            where="templates",
            todo="Write {} where the name goes",
        )
    if not classes.named or not all(name.strip() for name in classes.names):
        todo = "Name the classes in the data, or take a tuner that needs no text"
        raise DataError(
            "the classes have no names, and prompts are made of them", where="templates", todo=todo
        )
    first = [texts[0] if texts else "" for texts in classes.descriptions or ((),) * len(classes)]
    if any(DESCRIPTION in template for template in templates) and not all(first):
        missing = classes.names[first.index("")]
        raise DataError(
            f"class {missing!r} has no description, and a template asks for it",
            where="templates",
            todo="Describe it in the data",
        )
    described = list(zip(classes.names, first, strict=True))
    return [
        template.replace(DESCRIPTION, text).replace(NAME, name.replace("_", " "))
        for template in templates
        for name, text in described
    ]


def embed_classes(
    classes: Classes,
    templates: Sequence[str],
    spec: FeatureSpec,
    make_backbone: Callable[[], Any],
    cache: FeatureCache,
) -> NDArray[np.float32]:
    """Return what a backbone's text tower makes of every class name in every template, (P, C, D) float32.

    Prompts are cached like any item.

    Args:
        classes: the C classes.
        templates: P templates.
        spec: of the text tower.
        make_backbone: gives the backbone, where something is not in the cache.
        cache: the feature cache.

    Raises:
        ConfigError: a template has no place for the name.
        DataError: the classes have no names, or a prompt is longer than the context of the text tower.
    """
    texts = prompts_of(classes, templates)
    unique = list(dict.fromkeys(texts))
    prompts = Dataset.build(
        name="prompts",
        modality="text",
        ids=[content_id("text", text) for text in unique],
        classes=classes,
        supervision=Labels(y=np.full(len(unique), -1, dtype=np.int64)),
        reader=_Prompts(tuple(unique)),
        origins=[f"prompt {text!r}" for text in unique],
    )
    everything = np.arange(len(unique), dtype=np.int64)
    found = extract(
        prompts, everything, spec, lambda: make_backbone().text_tower, cache, ExtractRun(workers=1)
    ).features
    place = np.empty(len(unique), dtype=np.int64)
    place[prompts.rows] = everything
    number = {text: int(place[row]) for row, text in enumerate(unique)}
    rows = np.array([number[text] for text in texts], dtype=np.int64)
    return np.ascontiguousarray(found[rows]).reshape(len(templates), len(classes), -1)
