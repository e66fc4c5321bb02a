from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from burnish.data import Labels, MultiLabels
from burnish.errors import DataError

C = 4
ys = hnp.arrays(np.int64, st.integers(1, 20), elements=st.integers(-1, C - 1))
grids = hnp.arrays(np.int8, st.tuples(st.integers(1, 12), st.just(C)), elements=st.integers(-1, 1))
"""1 present, 0 absent, -1 unknown."""


def weights_for(n, seed=0):
    return np.random.default_rng(seed).random(n).astype(np.float32)


def multi(grid, weights=None):
    return MultiLabels(positive=sp.csr_array(grid == 1), observed=sp.csr_array(grid >= 0), weights=weights)


@given(y=ys, weighted=st.booleans())
def test_labels_count_as_a_loop_does(y, weighted):
    weights = weights_for(len(y)) if weighted else None
    counts = np.zeros(C)
    for row, label in enumerate(y):
        if label >= 0:
            counts[label] += 1 if weights is None else weights[row]
    labels = Labels(y=y.copy(), weights=weights)
    assert labels.counts(C) == pytest.approx(counts)
    assert labels.counts(C).dtype == np.float64
    assert labels.known.tolist() == [label >= 0 for label in y]
    assert len(labels) == len(y)


@given(grid=grids, weighted=st.booleans())
def test_multi_labels_count_as_a_loop_does(grid, weighted):
    weights = weights_for(len(grid)) if weighted else None
    counts = np.zeros(C)
    for row, column in zip(*np.nonzero(grid == 1), strict=True):
        counts[column] += 1 if weights is None else weights[row]
    labels = multi(grid, weights)
    assert labels.counts(C) == pytest.approx(counts)
    assert labels.known.tolist() == [(line >= 0).any() for line in grid]
    assert len(labels) == len(grid)


@given(data=st.data(), y=ys)
def test_taking_labels(data, y):
    index = np.array(data.draw(st.lists(st.integers(0, len(y) - 1), max_size=30)), dtype=np.int64)
    labels = Labels(y=y.copy(), weights=weights_for(len(y)))
    taken = labels.take(index)
    assert taken.y.tolist() == [y[i] for i in index]
    assert taken.weights.tolist() == [labels.weights[i] for i in index]


@given(data=st.data(), grid=grids)
def test_taking_multi_labels(data, grid):
    index = np.array(data.draw(st.lists(st.integers(0, len(grid) - 1), max_size=20)), dtype=np.int64)
    taken = multi(grid, weights_for(len(grid))).take(index)
    assert np.array_equal(taken.positive.toarray(), grid[index] == 1)
    assert np.array_equal(taken.observed.toarray(), grid[index] >= 0)
    assert np.array_equal(taken.weights, weights_for(len(grid))[index])


def test_everything_is_observed_where_nothing_else_is_said():
    labels = MultiLabels(positive=sp.csr_array(np.array([[0, 1], [0, 0]], dtype=bool)))
    assert labels.known.all()
    assert labels.take(np.array([1])).observed is None


# -- fingerprints --------------------------------------------------------------------------------------------


@given(first=ys, second=ys)
def test_fingerprints_of_labels_are_those_of_their_values(first, second):
    assert (Labels(y=first.copy()).fingerprint() == Labels(y=second.copy()).fingerprint()) == (
        first.tolist() == second.tolist()
    )


@given(first=grids, second=grids)
def test_fingerprints_of_multi_labels_are_those_of_their_values(first, second):
    assert (multi(first).fingerprint() == multi(second).fingerprint()) == (first.tolist() == second.tolist())


def test_fingerprints_tell_kinds_weights_and_shapes_apart():
    y = np.array([0, 1], dtype=np.int64)
    grid = np.array([[1, 0], [0, 1]], dtype=np.int8)
    supervisions = [
        Labels(y=y),
        Labels(y=y, weights=np.ones(2, np.float32)),
        Labels(y=y, weights=np.array([1, 2], np.float32)),
        multi(grid),
        MultiLabels(positive=sp.csr_array(grid == 1)),
        multi(np.pad(grid, ((0, 0), (0, 1)))),
        multi(grid, np.ones(2, np.float32)),
    ]
    assert len({supervision.fingerprint() for supervision in supervisions}) == len(supervisions)


def test_fingerprints_do_not_depend_on_how_a_matrix_is_stored():
    dense = np.array([[1, 0, 1], [0, 0, 0]], dtype=bool)
    wide = sp.csr_array(dense)
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    twice = sp.coo_array((np.ones(4, bool), ([0, 0, 0, 1], [2, 0, 2, 1])), shape=(2, 3)).tocsr()
    twice.data[-1] = False
    plain = MultiLabels(positive=sp.csr_array(dense))
    for other in (wide, twice, sp.csc_array(dense), dense):
        assert MultiLabels(positive=other).fingerprint() == plain.fingerprint()


# -- read-only, refused --------------------------------------------------------------------------------------


def test_arrays_are_read_only():
    labels = Labels(y=np.zeros(3, np.int64), weights=np.ones(3, np.float32))
    tags = multi(np.ones((2, 2), np.int8), np.ones(2, np.float32))
    for array in (
        labels.y,
        labels.weights,
        tags.positive.data,
        tags.positive.indices,
        tags.observed.indptr,
        tags.weights,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_matrix_that_was_given_stays_as_it_was():
    given_ = sp.csr_array(np.ones((2, 2), dtype=bool))
    MultiLabels(positive=given_)
    given_.data[0] = False


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Labels(y=np.array([0, -2, 1])),
            "label -2 of item 1 is out of range. Possible: 0 to C - 1, or -1 for unknown.",
        ),
        (
            lambda: Labels(y=np.zeros((2, 1), np.int64)),
            "labels are an array of shape (2, 1) and dtype int64. Possible: (N,) int64.",
        ),
        (
            lambda: Labels(y=np.zeros(2)),
            "labels are an array of shape (2,) and dtype float64. Possible: (N,) int64.",
        ),
        (
            lambda: Labels(y=np.zeros(2, np.int64), weights=np.ones(3, np.float32)),
            "(3,) weights for 2 items.",
        ),
        (
            lambda: Labels(y=np.zeros(2, np.int64), weights=np.array([1, -1], np.float32)),
            "weight -1.0 of item 1 is not a number of at least 0.",
        ),
        (
            lambda: Labels(y=np.zeros(2, np.int64), weights=np.array([np.nan, 1], np.float32)),
            "weight nan of item 0 is not a number of at least 0.",
        ),
        (
            lambda: MultiLabels(
                positive=sp.csr_array((2, 3), dtype=bool), observed=sp.csr_array((2, 4), dtype=bool)
            ),
            "observed entries (2, 4) do not match labels (2, 3).",
        ),
        (
            lambda: MultiLabels(positive=np.eye(2, dtype=bool), observed=np.zeros((2, 2), bool)),
            "an entry is positive but not observed.",
        ),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(DataError) as caught:
        make()
    assert str(caught.value) == message


def test_other_weights():
    labels = Labels(y=np.zeros(2, np.int64))
    assert labels.with_weights(np.ones(2, np.float32)).weights.tolist() == [1, 1]
    assert labels.weights is None


# -- records that plugins bring ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, kw_only=True)
class Votes(Labels):
    """What a plugin may bring: labels with the votes (N, A) behind them, -1 where nobody voted."""

    votes: np.ndarray

    def take(self, index):
        return replace(super().take(index), votes=self.votes[index])

    def hide(self, positions):
        votes = self.votes.copy()
        votes[positions] = -1
        return replace(super().hide(positions), votes=votes)

    def differs(self, other):
        return super().differs(other) | (self.votes != other.votes).any(axis=1)

    def arrays(self):
        return super().arrays() | {"votes": self.votes}


def voted(n=6):
    votes = np.arange(3 * n).reshape(n, 3) % C
    return Votes(y=votes[:, 0].copy(), votes=votes, weights=weights_for(n))


def take_apart(record):
    """Return everything that can be reached of a record but its weights."""
    return {field.name: getattr(record, field.name) for field in fields(record) if field.name != "weights"}


def test_nothing_of_hidden_items_is_left_in_a_record_of_a_plugin():
    positions = np.array([1, 4])
    hidden = voted().hide(positions)
    assert isinstance(hidden, Votes)
    for name, array in take_apart(hidden.take(positions)).items():
        assert (array == -1).all(), name
    rest = np.array([0, 2, 3, 5])
    assert not hidden.take(rest).differs(voted().take(rest)).any()
    assert hidden.differs(voted()).tolist() == [False, True, False, False, True, False]


def test_a_record_whose_methods_do_not_know_its_field_is_refused():
    with pytest.raises(TypeError, match=r"Leaky adds 'votes' and inherits hide, arrays, .* define them"):

        class Leaky(Labels):
            votes: np.ndarray

            def take(self, index):
                return self

            def differs(self, other):
                return np.zeros(len(self), dtype=bool)


def test_a_record_of_a_plugin_is_of_a_kind_of_its_own():
    with pytest.raises(DataError, match="Labels in the place of Votes"):
        voted(2).differs(Labels(y=np.zeros(2, dtype=np.int64)))


@given(data=st.data(), y=ys)
def test_labels_are_corrected_in_place(data, y):
    index = np.array(sorted(data.draw(st.sets(st.integers(0, len(y) - 1)))), dtype=np.int64)
    better = np.full(len(index), C - 1)
    weights = weights_for(len(y))
    corrected = Labels(y=y.copy(), weights=weights).corrected(Labels(y=better), index)
    assert corrected.y.tolist() == [C - 1 if at in index else label for at, label in enumerate(y)]
    assert corrected.weights is weights


def test_one_kind_cannot_be_corrected_by_another():
    labels, many = Labels(y=np.zeros(1, dtype=np.int64)), multi(np.zeros((1, C), dtype=np.int8))
    for record, other in ((labels, many), (many, labels), (many, many)):
        with pytest.raises(DataError, match=f"{other.word} cannot replace {record.word}"):
            record.corrected(other, np.array([0]))


@given(grid=grids)
def test_multi_labels_differ_where_an_entry_does(grid):
    other = grid.copy()
    other[0, 0] = -1 if grid[0, 0] != -1 else 0
    changed = multi(grid).differs(multi(other))
    assert changed.tolist() == [row == 0 for row in range(len(grid))]
