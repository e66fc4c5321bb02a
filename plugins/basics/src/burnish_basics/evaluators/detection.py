"""How well an assessor finds wrong labels."""

from __future__ import annotations

import numpy as np

from burnish import NoConfig
from burnish.contracts.evaluator import Measure, Measures, Outcome
from burnish_basics.evaluators.ranking import auroc


class Detection:
    """Precision, recall and F1 of the items not kept or corrected, and AUROC by clean probability.

    All are measured against the items whose label is wrong.

    Items whose label or truth is unknown are left out of all counts.
    """

    def __init__(self, config: NoConfig) -> None:
        del config

    def measure(self, outcome: Outcome) -> Measures:
        """Return ``detection-precision``, ``-recall``, ``-f1`` and ``-auroc``; none where nothing assessed.

        They belong to no split.
        """
        assessment = outcome.assessment
        if assessment is None:
            return Measures()
        judged = np.asarray(outcome.judged(), dtype=bool)
        wrong = np.asarray(outcome.wrong(), dtype=bool)[judged]
        flags = outcome.flagged()
        flagged = None if flags is None else np.asarray(flags, dtype=bool)[judged]
        what = "dropped" if assessment.corrected is None else "dropped or corrected"
        suspicion = (
            None
            if assessment.clean_probability is None
            else -np.asarray(assessment.clean_probability, dtype=np.float64)[judged]
        )
        hidden = int((~judged).sum())
        note = f"; label or truth of {hidden} items is unknown" if hidden else ""
        return Measures((*_counted(flagged, wrong, what, note), _ranked(suspicion, wrong, note)))


def _counted(flagged: np.ndarray | None, wrong: np.ndarray, what: str, note: str) -> list[Measure]:
    names = ("precision", "recall", "f1")
    if flagged is None:
        return [
            Measure(
                f"detection-{name}",
                "",
                float("nan"),
                n=len(wrong),
                how="the assessor keeps or drops no item",
            )
            for name in names
        ]
    found, dropped, all_wrong = int((flagged & wrong).sum()), int(flagged.sum()), int(wrong.sum())
    parts = zip(names, (found, found, 2 * found), (dropped, all_wrong, dropped + all_wrong), strict=True)
    how = f"{dropped} items {what}, {all_wrong} labels wrong{note}"
    return [
        Measure(f"detection-{name}", "", top / bottom if bottom else float("nan"), n=len(wrong), how=how)
        for name, top, bottom in parts
    ]


def _ranked(suspicion: np.ndarray | None, wrong: np.ndarray, note: str) -> Measure:
    if suspicion is None:
        return Measure(
            "detection-auroc", "", float("nan"), n=len(wrong), how="the assessor gives no clean probability"
        )
    how = f"{int(wrong.sum())} of {len(wrong)} labels wrong{note}"
    return Measure("detection-auroc", "", auroc(suspicion, wrong), n=len(wrong), how=how)
