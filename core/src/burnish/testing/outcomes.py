"""What corruptors and evaluators are given in tests, made on the spot. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from burnish.contracts.noise import Assessment, CorruptionInput
from burnish.contracts.scores import Scores
from burnish.data import (
    Classes,
    Labels,
    MultiLabels,
    Split,
    Supervision,
    content_id,
    stack_ids,
    uniforms,
)
from burnish.engine.jobs.outcome import TrialOutcome
from burnish.testing.data import class_names, text_features

if TYPE_CHECKING:
    from numpy.typing import NDArray


# -- for noise models ----------------------------------------------------------------------------------------


def corruption_input(
    supervision: Supervision,
    index: NDArray[np.int64],
    features: NDArray[np.float32],
    classes: int,
    replicate: int = 0,
) -> CorruptionInput:
    """Return what a corruptor is given of N items, as the engine gives it.

    The items are features, and pictures where pixels are asked for.

    Args:
        supervision: clean targets of the N items.
        index: (M,) positions that may change.
        features: (N, D).
        classes: C.
        replicate: whose draw.
    """
    ids = stack_ids([content_id("features", row) for row in features[index]])

    def pixels(side: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (len(features), side, side, 3), dtype=np.uint8)[index]

    return CorruptionInput(
        supervision=supervision,
        index=index,
        role="train",
        classes=class_names(classes),
        uniforms=lambda k: uniforms(ids, "noise", replicate, "tested", k=k),
        pixels=pixels,
        rows=lambda: features[index].copy(),
    )


# -- for evaluators ------------------------------------------------------------------------------------------


class Fixed:
    """A predictor that knows its answers.

    The first column of an item's features is its row in a table of logits.
    """

    def __init__(
        self, logits: NDArray[np.float32], classes: Classes, *, meaning: str = "logits", sigmoid: bool = False
    ) -> None:
        self.classes, self._logits = classes, logits
        self._meaning = meaning
        self._activation: Literal["softmax", "sigmoid"] = "sigmoid" if sigmoid else "softmax"

    def predict(self, features: NDArray[Any]) -> Scores:
        """Return the rows' scores."""
        rows = self._logits[features[:, 0].astype(np.int64)]
        logits = Scores("logits", rows, self.classes, self._activation)
        if self._meaning == "logits":
            return logits
        values = logits.probabilities().astype(np.float32)
        return Scores("probabilities", values, self.classes, self._activation)

    def embed(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """Return the rows' logits, as if the last layer read them."""
        return np.asarray(self._logits[features[:, 0].astype(np.int64)], dtype=np.float32)

    def state(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def info(self) -> dict[str, Any]:
        """Return nothing."""
        return {}


def outcome(
    answers: str = "perfect",
    *,
    classes: int = 3,
    n: int = 60,
    order: int | None = None,
    multi: bool = False,
    meaning: str = "logits",
    absent: bool = False,
) -> TrialOutcome:
    """Return the outcome of a trial whose predictions are known.

    Args:
        answers: ``"perfect"``, ``"constant"`` (the same scores for every item) or ``"mixed"`` (right for
            about half of the items).
        classes: C.
        n: items of the test set; as many are for training.
        order: seed of another order of the same items; None for the first one.
        multi: whether targets are multi-labels.
        meaning: of the scores: ``"logits"`` or ``"probabilities"``.
        absent: whether the test set lacks the last class.
    """
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2 * n, 5)).astype(np.float32)
    features[:, 0] = np.arange(2 * n)
    y = rng.integers(0, classes, 2 * n)
    if absent:
        y[n:] = np.where(y[n:] == classes - 1, 0, y[n:])
    positive = np.eye(classes, dtype=bool)[y] | (rng.random((2 * n, classes)) < (0.3 if multi else 0.0))
    noise = rng.normal(size=(2 * n, classes))
    constant = np.broadcast_to(np.linspace(0.5, -0.5, classes), noise.shape)
    logits = {
        "perfect": np.where(positive, 6.0, -6.0) + 0.1 * noise,
        "constant": constant,
        "mixed": positive + noise,
    }[answers]
    observed = np.where(rng.random(2 * n) < 0.2, (y + 1) % classes, y)
    unit = np.concatenate([np.arange(n), n + np.arange(n) // 3])
    place = np.concatenate(
        [np.arange(n), n + (np.arange(n) if order is None else np.random.default_rng(order).permutation(n))]
    )
    truth = _targets(y[place], positive[place], multi)
    assessment = _assessment(answers, (observed != y)[:n])
    return TrialOutcome(
        predictor=Fixed(logits.astype(np.float32), class_names(classes), meaning=meaning, sigmoid=multi),
        classes=class_names(classes),
        parts={"test": Split("test", np.arange(n, 2 * n, dtype=np.int64))},
        table=features[place],
        read=features[place],
        shown=truth,
        unit=unit[place].astype(np.int64),
        train_counts=truth.take(np.arange(n, dtype=np.int64)).counts(classes),
        assessment=assessment,
        truth=truth,
        judged_items=np.ones(2 * n, dtype=bool),
        observed=_targets(observed[place], positive[place], multi),
        embed=lambda templates: text_features(classes, features.shape[1], templates),
    )


def _targets(y: NDArray[np.int64], positive: NDArray[np.bool_], multi: bool) -> Supervision:
    return MultiLabels(positive=positive) if multi else Labels(y=y.astype(np.int64))


def _assessment(answers: str, wrong: NDArray[np.bool_]) -> Assessment:
    rng = np.random.default_rng(1)
    mixed = rng.random(len(wrong)) * 0.6 + 0.4 * ~wrong
    clean = {"perfect": np.where(wrong, 0.1, 0.9), "constant": np.full(len(wrong), 0.5), "mixed": mixed}[
        answers
    ]
    keep = {"perfect": ~wrong, "constant": np.ones(len(wrong), dtype=bool), "mixed": clean > 0.4}[answers]
    return Assessment(
        np.arange(len(wrong), dtype=np.int64), clean_probability=clean.astype(np.float32), keep=keep
    )
