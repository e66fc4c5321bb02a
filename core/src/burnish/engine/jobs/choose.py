"""The choose job: the options of the candidate with the best mean validation measure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from burnish.engine.store import Candidate


@dataclass(frozen=True)
class Chosen:
    """What tuning chose.

    Attributes:
        options: the best candidate's, such as ``{"tuner.lr": 1e-3}``.
        tried: a row for each candidate: options, mean value, trials, error.
        error: why nothing could be chosen.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    tried: Sequence[Mapping[str, Any]] = ()
    error: str = ""


def choose(candidates: Sequence[tuple[Mapping[str, Any], Sequence[Candidate]]]) -> Chosen:
    """Return the best candidate; the first one where several are equal.

    A trial that no candidate could be trained in, such as one whose assessor kept nothing, says nothing about
    any of them.

    Args:
        candidates: options with what each of their trials reached, in the same order for all.
    """
    columns = zip(*(reached for _, reached in candidates), strict=True)
    says = [any(math.isfinite(one.value) for one in column) for column in columns]
    counted = [
        [one for one, kept in zip(reached, says, strict=True) if kept or not any(says)]
        for _, reached in candidates
    ]
    tried = [_row(options, found) for (options, _), found in zip(candidates, counted, strict=True)]
    usable = [row for row in tried if math.isfinite(row["value"])]
    if not usable:
        reasons = "; ".join(sorted({str(row["error"]) for row in tried}))
        return Chosen(tried=tried, error=f"no setting could be tuned: {reasons}")
    directions = {one.better for found in counted for one in found if one.better}
    sign = -1.0 if directions == {"down"} else 1.0
    best = max(usable, key=lambda row: sign * row["value"])
    return Chosen(best["options"], tried)


def _row(options: Mapping[str, Any], found: Sequence[Candidate]) -> dict[str, Any]:
    mean = sum(one.value for one in found) / len(found)
    error = next((one.error for one in found if one.error), "")
    return {"options": dict(options), "value": mean, "trials": len(found), "error": error}
