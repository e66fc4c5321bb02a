"""Evaluators and measures.

Every number says what it is, of how many, in which direction, and how its interval was made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from burnish.contracts.noise import Assessment
    from burnish.contracts.scores import Scores
    from burnish.data import Classes, Supervision

Unit = Literal["fraction", "nats", "count", "s", "B", "1"]
Direction = Literal["up", "down", "none"]


@dataclass(frozen=True, eq=False)
class Terms:
    """A measure taken apart by resampling unit, so that intervals can resample test groups.

    Value = sum(numerator) / sum(denominator).

    Attributes:
        units: (G,) int64 group of each term; the same number is the same group in every trial of a study.
        numerator: (G,) float64.
        denominator: (G,) float64.
    """

    units: NDArray[np.int64]
    numerator: NDArray[Any]
    denominator: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Measure:
    """One number of one trial.

    Attributes:
        name: such as ``"accuracy"`` or ``"worst-1"``.
        split: the split it was measured on; empty where it belongs to none.
        value: may be NaN where it is not defined; `how` then says why.
        unit: a fraction is in [0, 1], a share of entropy is in nats.
        better: direction.
        n: items it was measured on.
        how: how it was made where that is not plain from the name.
        terms: where the measure is a ratio of sums over test groups.
    """

    name: str
    split: str
    value: float
    unit: Unit = "fraction"
    better: Direction = "up"
    n: int = 0
    how: str = ""
    terms: Terms | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length: numbers or text.

    Attributes:
        name: such as ``"per-class"``.
        split: the split it belongs to, or empty.
        columns: by name, in order.
    """

    name: str
    split: str
    columns: Mapping[str, Sequence[float | int | str]]


@dataclass(frozen=True, eq=False)
class Curve:
    """A line to draw, such as a singular-value spectrum.

    Attributes:
        name: what it shows.
        split: the split it belongs to, or empty.
        x: positions.
        y: values.
    """

    name: str
    split: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a language model answered the items of a split.

    Attributes:
        names: P names of what was asked (`burnish.contracts.tuner.Prompted`).
        texts: (M, P) object array of str.
    """

    names: tuple[str, ...]
    texts: NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Measures:
    """What an evaluator returns for one trial."""

    scalars: tuple[Measure, ...] = ()
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()


class Outcome(Protocol):
    """What an evaluator sees of one trial.

    Truth is there only for evaluators whose descriptor declares ``needs={"truth"}``. When the engine selects
    hyper-parameters it shows an outcome of the validation split in which `targets` are the labels as
    observed, noise and all.
    """

    classes: Classes

    @property
    def splits(self) -> Sequence[str]:
        """The splits to measure: the test sets, or ``validation`` while selecting."""

    train_counts: NDArray[np.float64]
    """(C,) float64 training items per class as observed."""

    assessment: Assessment | None

    def scores(self, split: str) -> Scores:
        """Return scores of the split's items."""

    def targets(self, split: str) -> Supervision:
        """Return the targets of the split's items.

        The truth on test sets, the observed labels on validation.
        """

    def units(self, split: str) -> NDArray[np.int64]:
        """Return (M,) int64 the resampling unit of each item: its group, or the item itself."""

    def features(self, split: str) -> NDArray[np.float32]:
        """Return (M, D) float32 features of the backbone."""

    def embeddings(self, split: str) -> NDArray[np.float32] | None:
        """Return (M, E) float32 what the tuner's last layer reads; None where it has no such thing."""

    def answers(self, split: str) -> Answers | None:
        """Return what a language model answered, as it came; None where the tuner asked none."""

    def class_embeddings(self, templates: Sequence[str]) -> NDArray[np.float32]:
        """Return (P, C, D) float32 text features of every class name in P templates.

        They are as `burnish.contracts.Task` has them. Needs ``text-tower``.
        """

    def wrong(self) -> NDArray[np.bool_]:
        """Return (K,) bool for the assessment's items: the observed target differs from the truth.

        Needs ``truth``.
        """

    def flagged(self) -> NDArray[Any] | None:
        """Return (K,) bool for the assessment's items: it is not kept, or its target was corrected.

        None where the assessor neither keeps nor corrects.
        """

    def judged(self) -> NDArray[Any]:
        """Return (K,) bool for the assessment's items: whether target and truth are both known.

        The others count nowhere. Needs ``truth``.
        """


class Evaluator(Protocol):
    """Measures a trial."""

    def measure(self, outcome: Outcome) -> Measures:
        """Return measures of every split in `outcome.splits` (or of the assessment)."""
