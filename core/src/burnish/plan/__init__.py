"""Plans: recipes with every default filled in. Light: no torch, no numpy.

With them come the trials that a recipe asks for, and the graph of shared jobs behind them.
"""

from __future__ import annotations

from burnish.numeric import Numeric
from burnish.plan.build import build_plan
from burnish.plan.graph import Job, JobKind
from burnish.plan.model import (
    FORMAT,
    Choice,
    Part,
    ReportSpec,
    Row,
    SelectSpec,
    SplitSpec,
    Trial,
    TuneSpec,
    merkle,
)
from burnish.plan.normal import to_yaml
from burnish.plan.plan import Plan

__all__ = [
    "FORMAT",
    "Choice",
    "Job",
    "JobKind",
    "Numeric",
    "Part",
    "Plan",
    "ReportSpec",
    "Row",
    "SelectSpec",
    "SplitSpec",
    "Trial",
    "TuneSpec",
    "build_plan",
    "merkle",
    "to_yaml",
]
