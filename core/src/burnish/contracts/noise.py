"""Noise models: corruptors make labels wrong for a study, assessors give an assessment on which labels are.

The two are separate objects. A corruptor sees the clean targets; an assessor and a tuner see what it left.
This guards against accidents, not against malice: plugins run in the same process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from burnish.contracts.evaluator import Table
    from burnish.contracts.tuner import Task
    from burnish.data import Classes, Supervision


@dataclass(frozen=True, eq=False)
class CorruptionInput:
    """What a corruptor is given. N items of the data set, of which `index` may change.

    Attributes:
        supervision: the clean targets of all N items.
        index: (M,) int64 positions of one role, ascending. The engine calls once per role, so that rates hold
            within each.
        role: the role these items play: ``"train"``, ``"validation"`` ...
        classes: the classes.
        uniforms: ``uniforms(k) -> (M, k) float64`` numbers in [0, 1) that belong to the items at `index`,
            drawn from the data set's items, replicate, component and content id: never from labels, and the
            same at every rate, so that what flips at 20 % is flipped at 40 %.
        pixels: ``pixels(side) -> (M, side, side, 3) uint8``, the items at `index` shrunk, for noise that
            depends on the instance; raises `burnish.errors.DataError` where the items are no images.
        rows: ``rows() -> (M, D) float32`` for items that are features; raises where they are not.
    """

    supervision: Supervision
    index: NDArray[np.int64]
    role: str
    classes: Classes
    uniforms: Callable[[int], NDArray[np.float64]]
    pixels: Callable[[int], NDArray[np.uint8]]
    rows: Callable[[], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Corruption:
    """What a corruptor returns.

    Attributes:
        supervision: targets of all N items; only items in the given index may differ.
        index: (K,) int64 the positions kept, a subset of the given index (long tail, few-shot); the rest
            leave the role.
        changed: (N,) bool, True where the target differs from the clean one.
    """

    supervision: Supervision
    index: NDArray[np.int64]
    changed: NDArray[np.bool_]


class Corruptor(Protocol):
    """Makes supervision imperfect, for studies."""

    roles: frozenset[str]
    """Roles it applies to. Label noise: all but test.

    Sampling noise (long tail, few-shot): train and pool.
    """

    def corrupt(self, clean: CorruptionInput) -> Corruption:
        """Return the imperfect supervision; the input is not modified.

        Raises:
            burnish.errors.DataError: this noise does not fit these targets.
        """


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known, before a fit, of the M items in `index`: train, pool and reference.

    Never validation or test.

    Attributes:
        index: (M,) int64 positions, ascending.
        supervision: of these M items, as observed.
        classes: the classes.
        features: (M, D) float32 of the evaluation view.
        out_of_fold: makes `probabilities`, which take a while and which not every assessor asks for.
        rng: a numpy Generator that belongs to the replicate and this role.
        task: what a tuner would be given without an assessment, for assessors that train something
            themselves. Its validation split is for stopping and choosing alone. None in tests of an assessor
            alone.
    """

    index: NDArray[np.int64]
    supervision: Supervision
    classes: Classes
    features: NDArray[np.float32]
    out_of_fold: Callable[[], NDArray[np.float32]]
    rng: np.random.Generator
    task: Task | None = None

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """(M, C) float32 out-of-fold probabilities.

        Each item's are from a probe that was not trained on it, its duplicates or its group.

        Raises:
            burnish.errors.FitError: no such probe can be trained.
        """
        return self.out_of_fold()


@dataclass(frozen=True, eq=False)
class Assessment:
    """Thoughts on M items, applied in this order: corrected, keep, weight. What is missing is not said.

    Attributes:
        index: (M,) int64 the positions it speaks of.
        clean_probability: (M,) float32 how likely the observed target is right; higher is cleaner.
        keep: (M,) bool whether to train on the item.
        weight: (M,) float32 at least 0.
        corrected: supervision of the M items.
        tables: further findings for the report, such as the confident joint (C, C).
    """

    index: NDArray[np.int64]
    clean_probability: NDArray[np.floating[Any]] | None = None
    keep: NDArray[np.bool_] | None = None
    weight: NDArray[np.floating[Any]] | None = None
    corrected: Supervision | None = None
    tables: Mapping[str, Table] = field(default_factory=dict)


class Assessor(Protocol):
    """Says which targets are probably wrong, once, before the fit."""

    def assess(self, evidence: Evidence) -> Assessment:
        """Return the assessment on the items of the evidence."""
