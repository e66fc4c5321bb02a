"""Summaries of studies: options and descriptors. Light: no torch, no numpy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import burnish


@dataclass(frozen=True)
class RankConfig:
    """Options of `rank`."""

    of: Literal["data", "backbone", "noise", "assess", "tuner", "loss"] = field(
        default="tuner", metadata={"help": "the axis whose values are ranked"}
    )
    measure: str = field(
        default="", metadata={"help": "by which measure; empty for that of the study's table"}
    )


SUMMARIES: Final = (
    burnish.Summary(
        name="rank",
        target="burnish_basics.summaries:Rank",
        config=RankConfig,
        summary="Mean rank of the tuners over everything else that the study varies",
    ),
)
