"""The contract of evaluators."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np

from burnish.contracts.evaluator import Direction, Measure, Measures, Unit
from burnish.errors import DataError
from burnish.testing.checks import check_columns, expect, global_randomness_untouched, nothing_written
from burnish.testing.contract import PluginContract, manager_of
from burnish.testing.outcomes import outcome

_TOLERANCE = 1e-9


class EvaluatorContract(PluginContract):
    """Tests of an evaluator on outcomes whose answers are known.

    Attributes:
        targets: kinds of supervision it measures: ``"labels"``, ``"multi-labels"``.
        best: value by measure name where every answer is right, such as ``{"accuracy": 1.0}``.
    """

    kind, key = "evaluator", "evaluator"
    targets: ClassVar[tuple[str, ...]] = ("labels",)
    best: ClassVar[dict[str, float]] = {}

    def measure(self, folder: Path, answers: str, **options: Any) -> Measures:
        """Return the measures of an outcome.

        It holds the truth only where the descriptor declares that it is needed.

        Args:
            folder: for files that options name.
            answers: ``"perfect"``, ``"constant"`` or ``"mixed"``.
            options: of `burnish.testing.outcomes.outcome`.
        """
        made = outcome(answers, **options)
        shown = made if "truth" in self.component().descriptor.needs else made.without_truth()
        result: Measures = self.make(folder).measure(shown)
        return result

    def _kinds(self) -> Iterator[bool]:
        for targets in self.targets:
            expect(
                targets in {"labels", "multi-labels"},
                f"targets has {targets!r}. Write 'labels' or 'multi-labels'",
            )
            yield targets == "multi-labels"

    # -- tests -----------------------------------------------------------------------------------------------

    def test_known_answers_give_finite_values(self, tmp_path: Path) -> None:
        """Perfect, constant and mixed answers are measured; a value is NaN only where `how` says why."""
        for multi in self._kinds():
            for answers in ("perfect", "constant", "mixed"):
                for meaning in ("logits", "probabilities"):
                    measures = self.measure(tmp_path, answers, multi=multi, meaning=meaning)
                    expect(
                        bool(measures.scalars or measures.tables or measures.curves),
                        f"nothing is measured of {answers} answers",
                    )
                    _check_values(measures, f"{answers} answers, {meaning}")

    def test_its_measures_are_those_of_its_descriptor(self, tmp_path: Path) -> None:
        """Where the descriptor names measures, it gives no other."""
        told = manager_of(self.plugin).measures(self.component(), self.config(tmp_path))
        for multi in self._kinds() if told is not None else ():
            found = {measure.name for measure in self.measure(tmp_path, "mixed", multi=multi).scalars}
            more = sorted(found - set(told or ()))
            expect(not more, f"it measures {more}, which its descriptor does not name: add them to measures")

    def test_values_are_plain(self, tmp_path: Path) -> None:
        """Values are Python floats, counts ints, names texts.

        Tables and curves hold plain numbers and texts of equal length.
        """
        for multi in self._kinds():
            measures = self.measure(tmp_path, "mixed", multi=multi)
            for measure in measures.scalars:
                _check_plain(measure)
            names = [(measure.name, measure.split) for measure in measures.scalars]
            expect(len(set(names)) == len(names), f"two measures of one split have one name: {sorted(names)}")
            for table in measures.tables:
                check_columns(table.name, table.columns)
            for curve in measures.curves:
                check_columns(curve.name, {"x": curve.x, "y": curve.y})

    def test_the_order_of_items_plays_no_part(self, tmp_path: Path) -> None:
        """The same items in another order give the same measures."""
        for multi in self._kinds():
            one, other = (self.measure(tmp_path, "mixed", multi=multi, order=order) for order in (None, 7))
            for a, b in zip(one.scalars, other.scalars, strict=True):
                close = math.isclose(a.value, b.value, rel_tol=1e-6, abs_tol=_TOLERANCE) or _both_nan(a, b)
                expect(
                    close and (a.name, a.split) == (b.name, b.split),
                    f"{a.name} is {a.value} in one order of the items and {b.value} in another",
                )

    def test_it_is_repeated(self, tmp_path: Path) -> None:
        """A second call gives the same bits, draws nothing from global generators and writes nothing."""
        for multi in self._kinds():
            first = self.measure(tmp_path, "mixed", multi=multi)
            self.make(tmp_path)
            with (
                global_randomness_untouched(f"evaluator {self.name}"),
                nothing_written(f"evaluator {self.name}"),
            ):
                second = self.measure(tmp_path, "mixed", multi=multi)
            for a, b in zip(first.scalars, second.scalars, strict=True):
                expect(
                    a.value == b.value or _both_nan(a, b),
                    f"{a.name} is {a.value} the first time and {b.value} the second",
                )

    def test_right_answers_are_no_worse_than_constant_ones(self, tmp_path: Path) -> None:
        """In its own direction, a measure of perfect answers is at least that of constant ones."""
        for multi in self._kinds():
            perfect = self.measure(tmp_path, "perfect", multi=multi)
            constant = {
                (m.name, m.split): m.value for m in self.measure(tmp_path, "constant", multi=multi).scalars
            }
            for m in perfect.scalars:
                other = constant.get((m.name, m.split), math.nan)
                if m.better == "none" or math.isnan(m.value) or math.isnan(other):
                    continue
                ahead = m.value - other if m.better == "up" else other - m.value
                expect(
                    ahead >= -_TOLERANCE,
                    f"{m.name} is {m.value} for perfect answers and {other} for constant ones, but better is"
                    f" {m.better!r}",
                )

    def test_perfect_answers_give_the_known_values(self, tmp_path: Path) -> None:
        """What `best` says."""
        found = {
            m.name: m.value for m in self.measure(tmp_path, "perfect", multi=next(self._kinds())).scalars
        }
        for name, value in self.best.items():
            expect(name in found, f"there is no measure {name!r}, but: {', '.join(found)}")
            expect(
                math.isclose(found[name], value, abs_tol=1e-6),
                f"{name} of perfect answers is {found[name]}, not {value}",
            )

    def test_terms_sum_to_the_value(self, tmp_path: Path) -> None:
        """Where a measure is taken apart by resampling unit, the parts give the value."""
        for multi in self._kinds():
            for answers in ("perfect", "mixed"):
                for measure in self.measure(tmp_path, answers, multi=multi).scalars:
                    terms = measure.terms
                    if terms is None:
                        continue
                    sizes = {len(terms.units), len(terms.numerator), len(terms.denominator)}
                    expect(len(sizes) == 1, f"{measure.name}: terms of different lengths {sorted(sizes)}")
                    expect(
                        len(np.unique(terms.units)) == len(terms.units),
                        f"{measure.name}: a unit has several terms",
                    )
                    total = float(terms.denominator.sum())
                    value = float(terms.numerator.sum()) / total if total else math.nan
                    same = math.isclose(value, measure.value, rel_tol=1e-9, abs_tol=_TOLERANCE) or (
                        math.isnan(value) and math.isnan(measure.value)
                    )
                    expect(same, f"{measure.name} is {measure.value}, and its terms give {value}")

    def test_it_measures_the_splits_it_is_asked_for(self, tmp_path: Path) -> None:
        """Every number belongs to a split of the outcome, or to none."""
        for multi in self._kinds():
            measures = self.measure(tmp_path, "mixed", multi=multi)
            found = (
                {m.split for m in measures.scalars}
                | {t.split for t in measures.tables}
                | {c.split for c in measures.curves}
            )
            expect(
                found <= {"test", ""},
                f"it measures {sorted(found - {'test', ''})}, which it was not asked for: go through"
                " outcome.splits",
            )

    def test_a_class_without_items_is_measured(self, tmp_path: Path) -> None:
        """Where the test set lacks a class, values are finite, or NaN and `how` says why."""
        for multi in self._kinds():
            _check_values(
                self.measure(tmp_path, "mixed", multi=multi, absent=True), "a class without test items"
            )

    def test_other_targets_are_measured_or_refused(self, tmp_path: Path) -> None:
        """Targets it does not name are measured after all, or a DataError says that they do not fit."""
        for multi in (False, True):
            if ("multi-labels" if multi else "labels") in self.targets:
                continue
            try:
                _check_values(self.measure(tmp_path, "mixed", multi=multi), "other targets")
            except AssertionError:
                raise
            except DataError:
                continue
            except Exception as error:
                if "assessment" in self.component().descriptor.needs:
                    continue  # the outcome itself refuses: wrong labels are defined for one label an item
                raise AssertionError(
                    f"{type(error).__name__}: {error}. Measure these targets, or raise"
                    " burnish.errors.DataError"
                ) from error


def _both_nan(a: Measure, b: Measure) -> bool:
    return math.isnan(a.value) and math.isnan(b.value)


def _check_values(measures: Measures, what: str) -> None:
    for measure in measures.scalars:
        explained = math.isfinite(measure.value) or (math.isnan(measure.value) and bool(measure.how))
        expect(
            explained,
            f"{measure.name} is {measure.value} ({what}). Give a finite value, or NaN and say why in how",
        )
        if measure.unit == "fraction" and math.isfinite(measure.value):
            inside = -_TOLERANCE <= measure.value <= 1 + _TOLERANCE
            expect(inside, f"{measure.name} is {measure.value} ({what}), and its unit is 'fraction'")


def _check_plain(measure: Measure) -> None:
    expect(
        type(measure.value) is float,
        f"the value of {measure.name} is a {type(measure.value).__name__}. Write float(...)",
    )
    expect(type(measure.n) is int, f"n of {measure.name} is a {type(measure.n).__name__}. Write int(...)")
    texts = all(type(text) is str for text in (measure.name, measure.split, measure.how))
    expect(texts and bool(measure.name), f"name, split or how of {measure.name!r} is no text")
    expect(
        measure.unit in get_args(Unit),
        f"the unit of {measure.name} is {measure.unit!r}. Possible: {', '.join(get_args(Unit))}",
    )
    expect(
        measure.better in get_args(Direction),
        f"better of {measure.name} is {measure.better!r}. Possible: {', '.join(get_args(Direction))}",
    )
