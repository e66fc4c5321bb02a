"""The contract of assessors."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from burnish.blocks.lease import frozen_digest
from burnish.contracts.noise import Assessment, Evidence
from burnish.contracts.tuner import Run
from burnish.data import Labels
from burnish.errors import DataError, FitError
from burnish.testing.checks import expect, global_randomness_untouched, nothing_written
from burnish.testing.contract import PluginContract
from burnish.testing.evidence import evidence, evidence_on_pictures


class AssessorContract(PluginContract):
    """Tests of an assessor on labels of which some are wrong.

    Of features, or, where it needs a module or a text tower, of pictures with a backbone.

    Attributes:
        finds: whether its clean probability ranks wrong labels of an easy data set below right ones.
        least_auroc: how well, if so.
    """

    kind, key = "noise", "assess"
    finds: ClassVar[bool] = True
    least_auroc: ClassVar[float] = 0.8

    def evidence(self, **options: Any) -> tuple[Evidence, NDArray[np.bool_]]:
        """Return evidence, and which labels are wrong; options are those of `burnish.testing.evidence`."""
        if self.component().descriptor.needs & {"module", "text-tower"}:
            return evidence_on_pictures(**options)
        return evidence(**options)

    def assess(self, folder: Path, shown: Evidence) -> Assessment:
        """Return the assessment of a fresh assessor."""
        result: Assessment = self.make(folder).assess(shown)
        return result

    # -- tests -----------------------------------------------------------------------------------------------

    def test_it_speaks_only_of_what_it_was_shown(self, tmp_path: Path) -> None:
        """`index` has positions of the evidence, each once; every array has one finite entry for each."""
        for unknown in (0.0, 0.2):
            shown, _ = self.evidence(unknown=unknown)
            _check(self.assess(tmp_path, shown), shown)

    def test_it_finds_wrong_labels(self, tmp_path: Path) -> None:
        """On an easy data set, wrong labels are less likely to be right than others."""
        shown, wrong = self.evidence(unknown=0.1)
        assessment = self.assess(tmp_path, shown)
        if not self.finds or assessment.clean_probability is None:
            return
        judged = wrong[np.searchsorted(shown.index, assessment.index)]
        found = auroc(-np.asarray(assessment.clean_probability, dtype=np.float64), judged)
        expect(
            found >= self.least_auroc,
            f"wrong labels of an easy data set are ranked with AUROC {found:.3f}, less than"
            f" {self.least_auroc}",
        )

    def test_the_same_evidence_gives_the_same_assessment(self, tmp_path: Path) -> None:
        """A second, fresh assessor agrees bit for bit.

        Randomness comes from the evidence's generator only.
        """
        first = self.assess(tmp_path, self.evidence()[0])
        with global_randomness_untouched(f"assess {self.name}"):
            second = self.assess(tmp_path, self.evidence()[0])
        for what in ("index", "clean_probability", "keep", "weight"):
            one, other = getattr(first, what), getattr(second, what)
            expect(
                (one is None and other is None) or np.array_equal(one, other),
                f"a second call gives another {what}: draw from evidence.rng only",
            )

    def test_the_evidence_is_not_modified_and_nothing_written(self, tmp_path: Path) -> None:
        """Arrays of the evidence are as they were, and no file is written."""
        shown, _ = self.evidence()
        arrays = {name: getattr(shown, name).copy() for name in ("index", "features", "probabilities")}
        before, assessor = shown.supervision.fingerprint(), self.make(tmp_path)
        with nothing_written(f"assess {self.name}"):
            assessor.assess(shown)
        changed = [name for name, array in arrays.items() if not np.array_equal(array, getattr(shown, name))]
        expect(
            not changed and shown.supervision.fingerprint() == before,
            f"it writes to the evidence ({', '.join(changed) or 'supervision'})",
        )

    def test_hard_cases_are_assessed_or_refused(self, tmp_path: Path) -> None:
        """Two classes, one class, no wrong label, few items.

        An assessment, or a DataError or FitError in one line.
        """
        cases: dict[str, dict[str, Any]] = {
            "two classes": {"classes": 2},
            "one class": {"classes": 1},
            "no wrong label": {"wrong": 0.0},
            "12 items": {"n": 12},
            "most labels unknown": {"unknown": 0.9},
        }
        for what, options in cases.items():
            shown, _ = self.evidence(**options)
            try:
                assessment = self.assess(tmp_path, shown)
            except (DataError, FitError):
                continue
            except Exception as error:
                raise AssertionError(
                    f"{what}: {type(error).__name__}: {error}. Give an assessment, or raise"
                    " burnish.errors.FitError"
                ) from error
            _check(assessment, shown)

    def test_the_frozen_weights_stay_what_they_are(self, tmp_path: Path) -> None:
        """A backbone has the same bits after an assessment, and after one that broke off."""
        if "module" not in self.component().descriptor.needs:
            return
        shown, _ = self.evidence(n=30)
        task = shown.task
        assert task is not None  # noqa: S101 - evidence on pictures has one
        module = task.backbone().module
        before = frozen_digest(module)
        self.assess(tmp_path, shown)
        expect(
            frozen_digest(module) == before,
            "an assessment changed the frozen weights: use burnish.blocks.lease",
        )

        def stop(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with contextlib.suppress(KeyboardInterrupt):
            self.assess(tmp_path, replace(shown, task=replace(task, run=Run(progress=stop))))
        expect(
            frozen_digest(module) == before, "an assessment that broke off left the frozen weights changed"
        )
        expect(
            all(not m._forward_hooks and not m._forward_pre_hooks for m in module.modules()),
            "one that broke off left hooks in the module",
        )


def auroc(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the probability that a positive scores above a negative, ties counted half; NaN without both.

    Args:
        score: (M,).
        positive: (M,) bool.
    """
    from scipy.stats import rankdata

    n = int(positive.sum())
    if n in {0, len(positive)}:
        return float("nan")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def _check(assessment: Assessment, shown: Evidence) -> None:
    expect(
        isinstance(assessment, Assessment),
        f"assess returns {type(assessment).__name__}, not burnish.contracts.noise.Assessment",
    )
    index = np.asarray(assessment.index)
    inside = bool(np.isin(index, shown.index).all()) and len(np.unique(index)) == len(index)
    expect(
        inside,
        "the assessment speaks of positions that were not shown, or twice of one: give evidence.index, not"
        " row numbers",
    )
    for what in ("clean_probability", "keep", "weight"):
        array = getattr(assessment, what)
        if array is not None:
            expect(array.shape == index.shape, f"{what} has the shape {array.shape} for {len(index)} items")
            expect(bool(np.isfinite(array).all()), f"{what} has values that are not finite")
    expect(
        assessment.keep is None or assessment.keep.dtype == np.bool_,
        f"keep is {getattr(assessment.keep, 'dtype', '')}, not bool",
    )
    expect(assessment.weight is None or bool((assessment.weight >= 0).all()), "a weight is negative")
    if isinstance(assessment.corrected, Labels):
        y = assessment.corrected.y
        expect(
            len(y) == len(index) and int(y.max(initial=-1)) < len(shown.classes),
            "corrected is not one label in range an item",
        )
    for name, table in assessment.tables.items():
        lengths = {len(column) for column in table.columns.values()}
        expect(len(lengths) <= 1, f"table {name!r} has columns of different lengths")
