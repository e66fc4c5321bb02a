"""Base, new and their harmonic mean, against counting item by item."""

import math
from dataclasses import replace

import numpy as np
import pytest

from burnish.data import Labels, Split
from burnish.errors import DataError
from burnish.testing.outcomes import outcome
from burnish_candle import BaseToNewConfig
from burnish_candle.evaluator import BaseToNew, harmonic_mean, top_among


def shown(*, classes=5, base=3, apart=False, **options):
    """Return a mixed outcome of which the last classes are new; `apart`: their items stand in test:new."""
    made = outcome("mixed", classes=classes, n=80, **options)
    made.classes = made.classes.with_known(np.arange(classes) < base)
    if apart:
        index = made.parts["test"].index
        new = made.shown.y[index] >= base
        made.parts = {"test": Split("test", index[~new]), "test:new": Split("test:new", index[new])}
    return made


def counted(made, split, base, among):
    """Return right and all items of base (or new) classes in a split, one item at a time."""
    right = total = 0
    for row, y in zip(made.scores(split).values, made.targets(split).y, strict=True):
        if bool(made.classes.known[y]) != base:
            continue
        columns = [c for c in range(len(row)) if among == "all" or made.classes.known[c] == base]
        right += max(columns, key=lambda c: row[c]) == y
        total += 1
    return right, total


def values(made, **options):
    return {(m.name, m.split): m for m in BaseToNew(BaseToNewConfig(**options)).measure(made).scalars}


@pytest.mark.parametrize(
    ("scope", "base_among", "new_among"),
    [("own", "own", "own"), ("all", "all", "all"), ("released", "all", "own")],
)
def test_accuracies_and_harmonic_mean(scope, base_among, new_among):
    made = shown()
    found = values(made, scope=scope)
    b, n = counted(made, "test", True, base_among), counted(made, "test", False, new_among)
    base, new, mean = (
        found[f"{name}-{scope}", "test"] for name in ("base-accuracy", "new-accuracy", "base-new-harmonic")
    )
    assert (base.value, base.n) == (pytest.approx(b[0] / b[1]), b[1])
    assert (new.value, new.n) == (pytest.approx(n[0] / n[1]), n[1])
    assert mean.value == pytest.approx(1 / ((b[1] / b[0] + n[1] / n[0]) / 2))
    assert mean.terms is None
    assert "over replicates alone" in mean.how
    assert base.terms.numerator.sum() / base.terms.denominator.sum() == pytest.approx(base.value)


def test_scopes_differ():
    made = shown()
    assert (
        values(made)["new-accuracy-own", "test"].value
        > values(made, scope="all")["new-accuracy-all", "test"].value
    )


def test_new_classes_in_a_split_of_their_own():
    together, apart = shown(), shown(apart=True)
    a, b = values(together), values(apart, new="test:new")
    assert a.keys() == b.keys(), "nothing is reported of the split of new classes by itself"
    assert all(math.isclose(a[key].value, b[key].value) for key in a)
    assert "items of test:new" in b["new-accuracy-own", "test"].how


def test_without_new_items_there_is_no_mean():
    found = values(shown(apart=True))
    assert math.isnan(found["base-new-harmonic-own", "test"].value)
    assert found["base-new-harmonic-own", "test"].how == "no item of a new class here"
    assert found["base-new-harmonic-own", "test:new"].how == "no item of a base class here"
    named = values(shown(base=5), new="test:new")
    assert math.isnan(named["new-accuracy-own", "test"].value)


def test_items_without_a_target_count_nowhere():
    made = shown()
    y = made.shown.y.copy()
    y[made.parts["test"].index[:40]] = -1
    found = values(replace(made, shown=Labels(y=y)))
    assert found["base-accuracy-own", "test"].n + found["new-accuracy-own", "test"].n == 40


def test_multi_labels_are_refused():
    with pytest.raises(DataError, match="multi-labels"):
        BaseToNew(BaseToNewConfig()).measure(outcome("mixed", multi=True))


def test_the_mean_of_zero_is_zero_and_the_first_of_equal_scores_wins():
    assert harmonic_mean(0.0, 0.0) == harmonic_mean(0.8, 0.0) == 0.0
    assert harmonic_mean(0.5, 1.0) == pytest.approx(2 / 3)
    assert top_among(np.zeros((2, 4), dtype=np.float32), np.array([False, True, True, False])).tolist() == [
        1,
        1,
    ]
