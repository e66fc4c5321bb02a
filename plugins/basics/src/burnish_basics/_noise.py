"""Corruptors and assessors: options and descriptors. Light: no torch, no numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import burnish
from burnish.errors import ConfigError

# Rates, ratios and shots have no default: a study states its noise, and so do the labels of its rows.
_RATE = {"help": "share of the labelled items of each role, as a fraction", "range": (0, 1)}


@dataclass(frozen=True)
class SymmetricConfig:
    """Options of `symmetric`."""

    rate: float = field(metadata=_RATE)
    exclude_true: bool = field(
        default=True,
        metadata={"help": "flip to another class; false draws among all classes, so fewer labels are wrong"},
    )


@dataclass(frozen=True)
class PairConfig:
    """Options of `pair`."""

    rate: float = field(metadata=_RATE)


@dataclass(frozen=True)
class AsymmetricConfig:
    """Options of `asymmetric`."""

    transitions: tuple[str, ...] = field(
        default=(),
        metadata={"help": "which class is taken for which: 'cat>dog=0.4', or 'cat>dog' for `rate`"},
    )
    matrix: Path | None = field(
        default=None,
        metadata={
            "help": (
                "CSV or JSON file instead: row = true class, column = observed class, rows sum to 1; JSON may"
                " be {cat: {dog: 0.4}}"
            )
        },
    )
    rate: float | None = field(
        default=None, metadata={"help": "probability of transitions that state none", "range": (0, 1)}
    )

    def __post_init__(self) -> None:
        if bool(self.transitions) == (self.matrix is not None):
            what = (
                "transitions and matrix are both given"
                if self.transitions
                else "neither transitions nor matrix is given"
            )
            raise ConfigError(
                what,
                where="noise asymmetric",
                todo="Give one of them: transitions: [cat>dog=0.4], or matrix: FILE",
            )
        self.moves()

    def moves(self) -> dict[tuple[str, str], float]:
        """Return the probability of each transition by true and observed class.

        Raises:
            ConfigError: a transition is malformed, stated twice or without a probability.
        """
        moves: dict[tuple[str, str], float] = {}
        for text in self.transitions:
            pair, equals, number = text.rpartition("=")
            source, _, target = (pair if equals else text).partition(">")
            key = source.strip(), target.strip()
            if not all(key):
                raise ConfigError(
                    f"{text!r} is no transition",
                    where="noise asymmetric",
                    possible="'cat>dog=0.4' or 'cat>dog'",
                )
            if key in moves:
                raise ConfigError(f"the transition {key[0]}>{key[1]} stands twice", where="noise asymmetric")
            moves[key] = self._probability(text, number if equals else self.rate)
        return moves

    @staticmethod
    def _probability(text: str, number: str | float | None) -> float:
        if number is None:
            raise ConfigError(
                f"the transition {text!r} states no probability",
                where="noise asymmetric",
                todo="Write cat>dog=0.4, or give rate",
            )
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise ConfigError(
                f"{number!r} is no probability", where="noise asymmetric", possible="a number from 0 to 1"
            )
        return value


@dataclass(frozen=True)
class InstanceDependentConfig:
    """Options of `instance-dependent`."""

    rate: float = field(
        metadata={"help": "expected share of labelled items that flip, as a fraction", "range": (0, 1)}
    )
    spread: float = field(
        default=0.1,
        metadata={
            "help": "how much flip probabilities differ between items: standard deviation",
            "range": (0.001, 1),
        },
    )
    side: int = field(
        default=8,
        metadata={
            "help": "images are shrunk to this many pixels a side before they are projected",
            "range": (1, 256),
        },
    )
    seed: int = field(
        default=1,
        metadata={
            "help": "of the projection that says which class an item is taken for",
            "range": (0, 2**31),
        },
    )


@dataclass(frozen=True)
class MissingConfig:
    """Options of `missing`."""

    rate: float = field(
        metadata={
            "help": (
                "share of the labelled items, or of the known entries of multi-labels, that become unknown"
            ),
            "range": (0, 1),
        }
    )


@dataclass(frozen=True)
class LongTailConfig:
    """Options of `long-tail`."""

    ratio: float = field(
        metadata={"help": "items of the first class over items of the last", "range": (1, 1_000_000)}
    )


@dataclass(frozen=True)
class FewShotConfig:
    """Options of `few-shot`."""

    shots: int = field(metadata={"help": "labelled items kept of each class", "range": (1, 1_000_000)})


@dataclass(frozen=True)
class NewClassesConfig:
    """Options of `new-classes`."""

    share: float = field(
        default=0.5,
        metadata={
            "help": "share of the classes, the last ones in their order, that lose their items",
            "range": (0, 1),
        },
    )


@dataclass(frozen=True)
class ConfidentJointConfig:
    """Options of the assessor `confident-joint`."""

    filter: Literal["prune-by-noise-rate", "prune-by-class", "both", "confident-learning"] = field(
        default="prune-by-noise-rate", metadata={"help": "which items count as label issues"}
    )
    score: Literal["self-confidence", "normalized-margin"] = field(
        default="self-confidence",
        metadata={
            "help": "how likely a label is right: its probability, or its lead over the best other class"
        },
    )


_LABELS = frozenset({"labels"})

NOISE_MODELS: Final = (
    burnish.NoiseModel(
        name="none", corrupt="burnish_basics.corruptors:Nothing", summary="Leave the labels as they are"
    ),
    burnish.NoiseModel(
        name="symmetric",
        corrupt="burnish_basics.corruptors:Symmetric",
        corrupt_config=SymmetricConfig,
        needs=_LABELS,
        summary="Flip labels to any other class, all equally likely",
    ),
    burnish.NoiseModel(
        name="pair",
        corrupt="burnish_basics.corruptors:Pair",
        corrupt_config=PairConfig,
        needs=_LABELS,
        summary="Flip labels to the next class",
        paper="arXiv:1804.06872",
    ),
    burnish.NoiseModel(
        name="asymmetric",
        corrupt="burnish_basics.corruptors:Asymmetric",
        corrupt_config=AsymmetricConfig,
        needs=_LABELS,
        summary="Flip labels as a given transition matrix says",
        paper="arXiv:1609.03683",
    ),
    burnish.NoiseModel(
        name="instance-dependent",
        corrupt="burnish_basics.corruptors:InstanceDependent",
        corrupt_config=InstanceDependentConfig,
        needs=_LABELS,
        summary="Flip labels with a probability and to a class that depend on the item",
        paper="arXiv:2006.07836",
    ),
    burnish.NoiseModel(
        name="missing",
        corrupt="burnish_basics.corruptors:Missing",
        corrupt_config=MissingConfig,
        summary="Labels become unknown",
    ),
    burnish.NoiseModel(
        name="long-tail",
        corrupt="burnish_basics.corruptors:LongTail",
        corrupt_config=LongTailConfig,
        needs=_LABELS,
        summary="Keep exponentially fewer training items of each further class",
        paper="arXiv:1901.05555",
    ),
    burnish.NoiseModel(
        name="few-shot",
        corrupt="burnish_basics.corruptors:FewShot",
        corrupt_config=FewShotConfig,
        needs=_LABELS,
        summary="Keep k labelled training items of each class",
    ),
    burnish.NoiseModel(
        name="new-classes",
        corrupt="burnish_basics.corruptors:NewClasses",
        corrupt_config=NewClassesConfig,
        needs=_LABELS,
        summary="Take the labelled items of some classes away: they are new at test (base to new)",
        paper="arXiv:2203.05557",
    ),
    burnish.NoiseModel(
        name="confident-joint",
        assess="burnish_basics.confident_joint:ConfidentJoint",
        assess_config=ConfidentJointConfig,
        needs=_LABELS,
        summary="Confident learning: find label errors from out-of-fold probabilities",
        paper="arXiv:1911.00068",
    ),
)
