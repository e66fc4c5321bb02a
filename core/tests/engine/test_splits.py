"""Splits.

No group and no copy straddles two of them, test sets stay, and two tuners of one replicate see the same.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data import Classes, Dataset, Labels, content_id
from burnish.engine.jobs.splits import draw, units_of
from burnish.errors import DataError
from burnish.plan import SplitSpec


def make(contents, labels, groups=None, splits=None, classes=3):
    rows = [np.array([c], dtype=np.float32) for c in contents]
    return Dataset.build(
        name="made",
        modality="features",
        ids=[content_id("features", row) for row in rows],
        classes=Classes.of([str(c) for c in range(classes)]),
        supervision=Labels(y=np.array(labels, dtype=np.int64)),
        reader=None,
        columns={} if groups is None else {"group": np.array(groups)},
        splits=splits,
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.integers(0, 8)), min_size=30, max_size=80),
    st.integers(0, 3),
)
def test_groups_and_copies_never_straddle(rows, replicate):
    contents, labels, groups = zip(*rows, strict=True)
    dataset = make(contents, labels, groups)
    units = units_of(dataset)
    if len(set(units)) < 4:
        return
    splits = draw(dataset, SplitSpec(0.25, 0.25), replicate).splits
    everything = np.concatenate([s.index for s in splits.values()])
    assert sorted(everything) == list(range(len(dataset)))
    for first in splits.values():
        for second in splits.values():
            if first.name != second.name:
                assert not set(units[first.index]) & set(units[second.index])


def test_one_large_group_beside_few_items_leaves_something_for_every_split():
    dataset = make([0] * 27 + [1, 2, 3], [0] * 30)
    splits = draw(dataset, SplitSpec(0.25, 0.25), 0).splits
    assert all(len(split) for split in splits.values())


def test_units_join_groups_that_share_a_copy():
    dataset = make([1, 1, 2, 3, 4], [0] * 5, ["a", "b", "b", "c", "d"])
    units = units_of(dataset)
    by_content = {float(c): set() for c in (1, 2, 3, 4)}
    for position, row in enumerate(dataset.rows):
        by_content[[1, 1, 2, 3, 4][row]].add(units[position])
    assert by_content[1] == by_content[2]
    assert len({*by_content[1], *by_content[3], *by_content[4]}) == 3


def test_test_sets_are_the_same_in_every_replicate_and_train_is_not():
    dataset = make(range(300), [i % 3 for i in range(300)])
    first, second = (draw(dataset, SplitSpec(), r).splits for r in (0, 1))
    assert np.array_equal(first["test"].index, second["test"].index)
    assert not np.array_equal(first["validation"].index, second["validation"].index)
    again = draw(dataset, SplitSpec(), 0).splits
    assert all(np.array_equal(first[name].index, again[name].index) for name in first)


def test_without_groups_every_class_is_on_either_side():
    labels = [0] * 200 + [1] * 10 + [2] * 3
    dataset = make(range(213), labels)
    splits = draw(dataset, SplitSpec(), 0).splits
    for split in splits.values():
        assert set(dataset.supervision.y[split.index]) == {0, 1, 2}


def test_where_every_class_has_one_item_something_is_left_to_test_and_select_on():
    splits = draw(make(range(4), range(4), classes=4), SplitSpec(), 0).splits
    assert {name: len(split) for name, split in splits.items()} == {"test": 1, "validation": 1, "train": 2}
    none = draw(make(range(4), range(4), classes=4), SplitSpec(validation=0), 0).splits
    assert {name: len(split) for name, split in none.items()} == {"test": 1, "validation": 0, "train": 3}


def test_trainable_copies_of_test_items_leave_and_are_mentioned():
    dataset = make([0, 0, *range(1, 40)], [0] * 41, splits=["test", "train", *["train"] * 39])
    drawn = draw(dataset, SplitSpec(), 0)
    assert len(drawn.splits["test"]) == 1
    assert "1 trainable items left out" in drawn.notes[0]


def test_one_group_cannot_be_split():
    with pytest.raises(DataError, match="made: all 10 items are in one group: no test split can be cut off"):
        draw(make(range(10), [0] * 10, ["a"] * 10), SplitSpec(), 0)
