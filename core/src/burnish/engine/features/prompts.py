"""Prompts of class names, and what a text tower makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.data import Classes, Dataset, Labels, content_id
from burnish.engine.features.cache import FeatureCache
from burnish.engine.features.extract import ExtractRun, extract
from burnish.engine.features.spec import FeatureSpec
from burnish.errors import ConfigError, DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NAME, DESCRIPTION = "{}", "{description}"
"""What stands in a template for the name of a class, and for the first of its descriptions."""


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
