from dataclasses import dataclass, replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from burnish.data import ROLES, Classes, Dataset, Labels, MultiLabels, Split, content_id, role_of
from burnish.errors import DataError

CLASSES = Classes.of(["a", "b", "c"])


@dataclass
class ListReader:
    rows: list

    def read(self, row):
        return self.rows[row]


def build(words, **changes):
    """A data set of texts whose label, column and origin can be told from the word."""
    n = len(words)
    values = {
        "name": "words",
        "modality": "text",
        "ids": [content_id("text", word) for word in words],
        "classes": CLASSES,
        "supervision": Labels(y=np.array([len(word) % 3 for word in words], dtype=np.int64).reshape(n)),
        "reader": ListReader(list(words)),
        "columns": {"length": np.array([len(word) for word in words])},
        "origins": [f"line of {word}" for word in words],
    }
    return Dataset.build(**{**values, **changes})


words_lists = st.lists(st.text("abc", max_size=4), min_size=1, max_size=15)


@given(words=words_lists, shuffle=st.randoms(use_true_random=False))
def test_everything_follows_the_canonical_order(words, shuffle):
    data = build(words)
    assert sorted(data.read(k) for k in range(len(data))) == sorted(words)
    for k in range(len(data)):
        word = data.read(k)
        assert data.ids[k].tobytes() == content_id("text", word)
        assert data.supervision.y[k] == len(word) % 3
        assert data.columns["length"][k] == len(word)
        assert data.origin(k) == f"line of {word}"
    assert [row.tobytes() for row in data.ids] == sorted(row.tobytes() for row in data.ids)
    turned = list(words)
    shuffle.shuffle(turned)
    other = build(turned)
    assert [other.read(k) for k in range(len(other))] == [data.read(k) for k in range(len(data))]
    assert other.fingerprint() == data.fingerprint()


def test_items_are_streamed_and_nameless():
    data = build(["x", "yy", "zzz"])
    items = list(data.items(np.array([2, 0])))
    assert [(item.position, item.payload) for item in items] == [(2, data.read(2)), (0, data.read(0))]
    assert set(type(items[0]).__slots__) == {"position", "payload"}


@given(words=st.lists(st.text("abc", max_size=4), min_size=1, max_size=15, unique=True), data=st.data())
def test_given_splits_become_positions(words, data):
    names = data.draw(
        st.lists(
            st.sampled_from(["train", "test", "test:far", "validation"]),
            min_size=len(words),
            max_size=len(words),
        )
    )
    dataset = build(words, splits=names)
    assert set(dataset.assigned) == set(names)
    for name, index in dataset.assigned.items():
        assert sorted(dataset.read(k) for k in index) == sorted(
            word for word, split in zip(words, names, strict=True) if split == name
        )
        assert index.dtype == np.int64
        assert (np.diff(index) > 0).all()


def test_origins_without_names_are_rows():
    data = build(["x", "yy"], origins=[])
    assert {data.origin(0), data.origin(1)} == {"words, row 0", "words, row 1"}


@given(words=st.lists(st.text("abc", max_size=5), min_size=3, max_size=15, unique=True), data=st.data())
def test_bad_items_leave_every_split(words, data):
    splits = data.draw(
        st.none() | st.lists(st.sampled_from(["train", "test"]), min_size=len(words), max_size=len(words))
    )
    dataset = build(words, splits=splits)
    bad = data.draw(st.lists(st.integers(0, len(words) - 1), max_size=3, unique=True))
    left = dataset.without(bad)
    assert len(left) == len(dataset), "they keep their places"
    held = np.concatenate(list(left.assigned.values()))
    assert sorted(held) == sorted(set(range(len(words))) - set(bad))
    for name, index in dataset.assigned.items():
        assert left.assigned[name].tolist() == [k for k in index if k not in bad]


def test_bad_items_leave_what_no_split_names():
    """Only the test set is fixed: all else is trainable, but not what is bad."""
    fixed = np.array([1], dtype=np.int64)
    dataset = replace(build(["a", "bb", "ccc", "aaa"]), assigned={"test": fixed})
    assert {name: index.tolist() for name, index in dataset.without([3]).assigned.items()} == {
        "test": [1],
        "train": [0, 2],
    }


def test_the_fingerprint_is_that_of_all_that_was_said():
    words = ["x", "yy", "zzz"]
    y = Labels(y=np.array([0, 1, 2]))
    others = [
        build(words),
        build([*words, "u"]),
        build(words, supervision=y),
        build(words, truth=y),
        build(words, classes=Classes.of(["a", "b", "d"])),
        build(words, columns={"group": np.arange(3)}),
        build(words, columns={"group": np.array([0, 0, 1])}),
        build(words, splits=["train"] * 3),
        build(words, splits=["train", "train", "test"]),
        build(words, supervision=y.with_weights(np.ones(3, np.float32))),
    ]
    assert len({data.fingerprint() for data in others}) == len(others)
    assert build(words, name="other", origins=[]).fingerprint() == build(words).fingerprint()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": []}, "words: there are no items. Check the path and the columns."),
        ({"supervision": Labels(y=np.zeros(3, np.int64))}, "words: 3 supervision for 2 items."),
        ({"truth": Labels(y=np.zeros(1, np.int64))}, "words: 1 truth for 2 items."),
        ({"splits": ["train"]}, "words: 1 splits for 2 items."),
        ({"columns": {"group": np.zeros(3)}}, "words: 3 group for 2 items."),
        ({"origins": ["x"]}, "words: 1 origins for 2 items."),
        (
            {"supervision": Labels(y=np.array([0, 3]))},
            "line of yy: label 3 is out of range. Possible: 0 to 2, or -1 for unknown.",
        ),
        (
            {"truth": Labels(y=np.array([7, 0])), "origins": []},
            "words, row 0: label 7 is out of range. Possible: 0 to 2, or -1 for unknown.",
        ),
        (
            {"supervision": MultiLabels(positive=sp.csr_array((2, 5), dtype=bool))},
            "words: 5 columns of labels for 3 classes.",
        ),
        (
            {"splits": ["train", "dev"]},
            (
                "'dev' is no split. Possible: train, validation, calibration, pool, reference, test,"
                " test:<name>."
            ),
        ),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(DataError) as caught:
        build(["x", "yy"], **changes)
    assert str(caught.value) == message


# -- splits --------------------------------------------------------------------------------------------------


def test_roles():
    assert [role_of(role) for role in ROLES] == list(ROLES)
    assert role_of("test:blur") == "test"


@pytest.mark.parametrize("name", ["", "Train", "train:a", "tests", ":test", "val"])
def test_no_roles(name):
    with pytest.raises(DataError, match="is no split"):
        role_of(name)


def test_a_split_is_ascending_and_read_only():
    split = Split("test:blur", np.array([0, 3, 9]))
    assert (len(split), split.role) == (3, "test")
    with pytest.raises(ValueError, match="read-only"):
        split.index[0] = 1


@pytest.mark.parametrize(
    "index", [np.array([1, 0]), np.array([0, 0]), np.array([0.0, 1.0]), np.zeros((1, 1), np.int64)]
)
def test_no_splits(index):
    with pytest.raises(DataError, match="split 'train' is not an ascending"):
        Split("train", index)


# -- classes -------------------------------------------------------------------------------------------------


def test_classes_keep_their_ids_in_a_subset():
    classes = Classes.of(["a", "b", "c"], [["x"], ["y", "yy"], []])
    part = classes.subset(np.array([2, 0]))
    assert (part.names, part.ids, part.descriptions, part.known.tolist(), len(part)) == (
        ("c", "a"),
        ("c", "a"),
        ((), ("x",)),
        [True, True],
        2,
    )


def test_names_may_repeat_where_ids_differ():
    assert Classes(("crane", "crane"), ("bird", "machine"), np.ones(2, bool)).names == ("crane", "crane")


def test_fingerprints_of_classes():
    known = np.ones(2, bool)
    several = [
        Classes.of(["a", "b"]),
        Classes.of(["b", "a"]),
        Classes(("a", "b"), ("1", "2"), known),
        Classes(("a", "b"), ("a", "b"), np.array([True, False])),
        Classes.of(["a", "b"], [["x"], []]),
        Classes.of(["a", "b"], [[], ["x"]]),
    ]
    assert len({classes.fingerprint() for classes in several}) == len(several)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Classes.of(["a", "b", "a"]),
            "class 'a' stands twice in the list of classes. Give repeated names distinct ids.",
        ),
        (
            lambda: Classes(("a",), ("a", "b"), np.ones(2, bool)),
            "1 class names, 2 ids and 2 known flags do not match.",
        ),
        (lambda: Classes.of(["a", "b"], [["x"]]), "1 class descriptions for 2 classes."),
    ],
)
def test_no_classes(make, message):
    with pytest.raises(DataError) as caught:
        make()
    assert str(caught.value) == message
