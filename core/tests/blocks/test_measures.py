"""A share with all that belongs to it: value, items, terms and the note."""

from types import SimpleNamespace

import numpy as np
import pytest

from burnish.blocks import NO_TARGET, known_labels, ratio_measure
from burnish.contracts.evaluator import Measure, Measures
from burnish.data import Labels, MultiLabels
from burnish.errors import DataError

Y, UNITS = np.array([1, -1, 0, 2, 1]), np.array([7, 7, 3, 3, 9])


def outcome(targets):
    return SimpleNamespace(
        splits=("test",),
        targets=lambda split: targets,
        units=lambda split: UNITS,
        scores=lambda split: SimpleNamespace(top=lambda: np.array([1, 1, 1, 2, 0])),
    )


def test_known_labels_and_where_they_stand():
    known = known_labels(outcome(Labels(y=Y)), "test")
    assert [column.tolist() for column in known] == [[0, 2, 3, 4], [1, 0, 2, 1], [7, 3, 3, 9]]


def test_multi_labels_are_refused():
    targets = MultiLabels(positive=np.eye(5, 3, dtype=bool))
    with pytest.raises(DataError, match=r"multi-labels cannot be measured\. Possible: labels"):
        known_labels(outcome(targets), "test")


def test_a_share_has_its_terms_by_unit():
    measure = ratio_measure("share", "test", UNITS, [True, False, True, True, False])
    assert (measure.value, measure.n, measure.how, measure.unit, measure.better) == (
        0.6,
        5,
        "",
        "fraction",
        "up",
    )
    columns = (measure.terms.units, measure.terms.numerator, measure.terms.denominator)
    assert [column.tolist() for column in columns] == [[3, 7, 9], [2, 1, 0], [2, 2, 1]]


def test_items_may_count_more_or_not_at_all():
    measure = ratio_measure("share", "test", UNITS, [1, 1, 0, 0, 0], [1, 2, 1, 0, 0], how="of two")
    assert (measure.value, measure.n, measure.how) == (0.5, 3, "of two")


def test_where_nothing_counts_it_says_so():
    for measure in (
        ratio_measure("share", "test", UNITS[:0], []),
        ratio_measure("share", "test", UNITS, np.zeros(5), np.zeros(5)),
    ):
        assert np.isnan(measure.value)
        assert (measure.n, measure.how) == (0, NO_TARGET)
    assert ratio_measure("share", "test", UNITS[:0], [], nothing="no item").how == "no item"


def test_an_evaluator_is_ten_lines():
    class Right:
        def measure(self, outcome):
            return Measures(tuple(self.share(outcome, split) for split in outcome.splits))

        def share(self, outcome, split):
            known = known_labels(outcome, split)
            top = outcome.scores(split).top()[known.rows]
            return ratio_measure("right", split, known.units, top == known.y)

    (measure,) = Right().measure(outcome(Labels(y=Y))).scalars
    assert isinstance(measure, Measure)
    assert (measure.name, measure.value, measure.n) == ("right", 0.5, 4)
