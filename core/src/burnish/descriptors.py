"""The light records with which a plugin announces what it offers.

A descriptor names its heavy target by a string, ``"package.module:object"``, which is imported on first use.
Importing this module, or a plugin's entry-point module, must never import torch or numpy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Final

from burnish.errors import PluginError, suggestion

WORDS: Final[dict[str, str]] = {
    "image": "items are images",
    "text": "items are texts",
    "features": "there is a vector for each item",
    "module": "the backbone lends its module, to put parts into (`Attachable`)",
    "text-tower": "the backbone encodes texts into the space of its features (`HasTextTower`)",
    "compose-text": "the text tower takes token embeddings, so that prompts can be learnt (`ComposesText`)",
    "projects": "the backbone has a projection, and a scale for cosine similarities (`Projects`)",
    "generate": "the backbone answers prompts (`Generates`)",
    "score-text": "the backbone tells how likely an answer is (`ScoresText`)",
    "groups": "items have groups, which stay on one side of a split",
    "pool": "there is a split of role pool: items without labels",
    "reference": "there is a split of role reference",
    "labels": "targets are one class an item",
    "multi-labels": "targets are any number of classes an item",
    "texts": "targets are texts",
    "truth": "an evaluator sees the hidden clean targets",
    "assessment": "an evaluator measures what an assessor said; without one it does not apply",
    "open-vocabulary": "a tuner scores classes that no training item has",
    "transductive": "a predictor's scores of an item depend on the items beside it",
    "own-loss": "a tuner leaves the recipe's loss aside",
    "control": "a tuner does nothing with the features: its row shows what the others are worth",
    "not-reproducible": "a backbone may answer otherwise tomorrow: a service that others run",
}
"""What each word of `needs` and `provides` means."""

NEEDS_AND_PROVIDES: Final = frozenset(WORDS)
"""The closed vocabulary of `needs` and `provides`: planning refuses what does not meet."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class NoConfig:
    """The config of a component without options."""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """What every kind has in common.

    Attributes:
        name: kebab case, unique within the kind and plugin; ``plugin/name`` is always valid in a recipe.
        summary: one line for `burnish list`.
        paper: where the method is from, such as ``"arXiv:1805.07836"``.
        needs: what it needs from data and backbone (words of `NEEDS_AND_PROVIDES`).
        provides: what it offers: a set of words, or the target string of a light function ``config -> set``.
        revision: raise it when a release changes what the component computes. It stands for the code of an
            installed wheel in keys, so that a release that changes no number keeps its trials.
        example: options in short notation that `burnish show` puts into its example, such as
            ``"weights=DIR"``; by default those that are required.
    """

    kind: ClassVar[str] = ""
    name: str
    summary: str
    paper: str = ""
    needs: frozenset[str] = frozenset()
    provides: frozenset[str] | str = frozenset()
    example: str = ""
    revision: int = 1

    def __post_init__(self) -> None:
        where = f"{type(self).__name__} {self.name!r}"
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise PluginError(
                "the name is not kebab case",
                where=where,
                possible="lower-case letters, digits and single dashes",
            )
        if not isinstance(self.summary, str) or not self.summary.strip() or "\n" in self.summary:
            raise PluginError("the summary is not one line of text", where=where)
        if isinstance(self.revision, bool) or not isinstance(self.revision, int) or self.revision < 1:
            raise PluginError(f"the revision {self.revision!r} is no whole number from 1 on", where=where)
        object.__setattr__(self, "needs", _words(self.needs, where))
        if isinstance(self.provides, str):
            _check_target(self.provides, where, "provides")
        else:
            object.__setattr__(self, "provides", _words(self.provides, where))
        for item in fields(self):
            value = getattr(self, item.name)
            if item.metadata.get("target") and value:
                _check_target(value, where, item.name)
            if item.metadata.get("config") and not (isinstance(value, type) and is_dataclass(value)):
                raise PluginError(f"{item.name} is not a dataclass", where=where)

    def configs(self) -> dict[str, type[Any]]:
        """Return the config classes by the recipe key they are used under."""
        return {self.kind: getattr(self, "config", NoConfig)}


def _words(words: object, where: str) -> frozenset[str]:
    if isinstance(words, str):
        raise PluginError(f"needs or provides is the text {words!r}, not a set of words", where=where)
    given: frozenset[str] = frozenset(words)  # type: ignore[call-overload]
    for word in sorted(given - NEEDS_AND_PROVIDES):
        hint = suggestion(word, NEEDS_AND_PROVIDES)
        raise PluginError(
            f"{word!r} is no word of needs and provides. {hint}".strip(),
            where=where,
            possible=", ".join(sorted(NEEDS_AND_PROVIDES)),
        )
    return given


def _names(names: object, where: str) -> tuple[str, ...]:
    given = tuple(names) if isinstance(names, tuple | list | set | frozenset) else (names,)
    if not all(isinstance(name, str) and name for name in given):
        raise PluginError(f"measures are {given!r}, not names", where=where)
    return given


def _check_target(target: object, where: str, name: str) -> None:
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise PluginError(f"{name} {target!r} is not of the form 'package.module:object'", where=where)


def _target(default: str | None = None) -> Any:
    return (
        field(metadata={"target": True})
        if default is None
        else field(default=default, metadata={"target": True})
    )


_CONFIG: Final = {"config": True}


@dataclass(frozen=True, kw_only=True)
class Backbone(Descriptor):
    """A frozen pre-trained model.

    Attributes:
        target: ``target(config, runtime)`` gives an object of the protocols in `burnish.contracts.backbone`.
        fingerprint: light function ``config -> str`` that changes whenever the features would: hash of
            weights and preprocessing. Without one, files named by `Path` options are hashed. It must not
            import torch.
        pretrain: target of a `burnish.contracts.backbone.Pretrainer`, for `burnish pretrain`; its options are
            `pretrain_config`.
        views: whether it makes augmented views; planning refuses a row with several views where it does not.
    """

    kind: ClassVar[str] = "backbone"
    target: str = _target()
    config: type[Any] = field(default=NoConfig, metadata=_CONFIG)
    fingerprint: str = _target("")
    pretrain: str = _target("")
    pretrain_config: type[Any] = field(default=NoConfig, metadata=_CONFIG)
    views: bool = False


@dataclass(frozen=True, kw_only=True)
class NoiseModel(Descriptor):
    """How labels go wrong (`corrupt`), or which ones did (`assess`); at least one of the two.

    The two are separate targets with separate instances, so that nothing that has seen the truth reaches an
    assessor.

    Attributes:
        corrupt: target of a `burnish.contracts.noise.Corruptor`, used under ``noise:``.
        assess: target of a `burnish.contracts.noise.Assessor`, used under ``assess:``.
    """

    kind: ClassVar[str] = "noise"
    corrupt: str = _target("")
    assess: str = _target("")
    corrupt_config: type[Any] = field(default=NoConfig, metadata=_CONFIG)
    assess_config: type[Any] = field(default=NoConfig, metadata=_CONFIG)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.corrupt or self.assess):
            raise PluginError("neither corrupt nor assess is given", where=f"NoiseModel {self.name!r}")

    def configs(self) -> dict[str, type[Any]]:
        """Return the config classes by the recipe key they are used under."""
        return ({"noise": self.corrupt_config} if self.corrupt else {}) | (
            {"assess": self.assess_config} if self.assess else {}
        )


@dataclass(frozen=True, kw_only=True)
class Tuner(Descriptor):
    """A way to adapt: ``target(config)`` gives a `burnish.contracts.tuner.Tuner`.

    Mostly that is a `burnish.blocks.HeadTuner`.

    Attributes:
        views: light function ``config -> int``: fixed augmented views of each training item it wants; without
            one, the evaluation view alone.
    """

    kind: ClassVar[str] = "tuner"
    target: str = _target()
    config: type[Any] = field(default=NoConfig, metadata=_CONFIG)
    views: str = _target("")


@dataclass(frozen=True, kw_only=True)
class Loss(Descriptor):
    """A loss or penalty: ``target(config)`` gives a `burnish.contracts.loss.Loss`."""

    kind: ClassVar[str] = "loss"
    target: str = _target()
    config: type[Any] = field(default=NoConfig, metadata=_CONFIG)


@dataclass(frozen=True, kw_only=True)
class Evaluator(Descriptor):
    """Measures of a trial: ``target(config)`` gives a `burnish.contracts.evaluator.Evaluator`.

    Attributes:
        measures: names of all measures that it may give, such as ``("accuracy",)``, or the target string of a
            light function ``config -> names``; None where that is not told. With them a recipe that selects
            or shows another measure is refused before anything is trained.
    """

    kind: ClassVar[str] = "evaluator"
    target: str = _target()
    config: type[Any] = field(default=NoConfig, metadata=_CONFIG)
    measures: tuple[str, ...] | str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"Evaluator {self.name!r}"
        if isinstance(self.measures, str):
            _check_target(self.measures, where, "measures")
        elif self.measures is not None:
            object.__setattr__(self, "measures", _names(self.measures, where))


@dataclass(frozen=True, kw_only=True)
class Summary(Descriptor):
    """Tables and curves of a whole study: ``target(config)`` gives a `burnish.contracts.study.Summary`."""

    kind: ClassVar[str] = "summary"
    target: str = _target()
    config: type[Any] = field(default=NoConfig, metadata=_CONFIG)


@dataclass(frozen=True, kw_only=True)
class Source(Descriptor):
    """Where data comes from.

    Attributes:
        target: ``target(config).load()`` gives a `burnish.data.Dataset`. With ``items`` (see
            `burnish.contracts.GivesItems`) new data is read as training data is, without labels.
        fingerprint: light function ``config -> str`` that changes whenever the data does. Without one, the
            files and folders named by `Path` options are hashed. It must not import torch or numpy.
        guess: light function ``path -> dict | None``: the options with which this source would read what
            ``--data PATH`` names, None where it is not for it.
    """

    kind: ClassVar[str] = "source"
    target: str = _target()
    config: type[Any] = field(default=NoConfig, metadata=_CONFIG)
    fingerprint: str = _target("")
    guess: str = _target("")


@dataclass(frozen=True, kw_only=True)
class Command(Descriptor):
    """A command of the command line: the target is a `click.Command`, imported when it is called."""

    kind: ClassVar[str] = "command"
    target: str = _target()


@dataclass(frozen=True, kw_only=True)
class RecipeFile(Descriptor):
    """A recipe that `burnish run NAME` finds.

    `file` lies in `package`, such as ``recipes/noisy-pretraining.yaml``.
    """

    kind: ClassVar[str] = "recipe"
    package: str
    file: str


KINDS: Final[dict[str, type[Descriptor]]] = {
    kind.kind: kind
    for kind in (Backbone, NoiseModel, Tuner, Loss, Evaluator, Summary, Source, Command, RecipeFile)
}
"""Every kind of descriptor by its word."""
