"""The corrupt job.

Each role by itself, test sets never touched, and nothing of the truth in what a tuner is shown.
"""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from burnish.contracts.noise import Corruption
from burnish.data import Classes, Dataset, Labels, MultiLabels, Split, content_id
from burnish.engine.jobs.corrupt import corrupt
from burnish.engine.jobs.splits import Splits, draw
from burnish.errors import DataError, PluginError
from burnish.plan import SplitSpec

N = 400


@pytest.fixture
def dataset():
    ids = [content_id("features", np.array([i], dtype=np.float32)) for i in range(N)]
    labels = Labels(y=np.arange(N, dtype=np.int64) % 4)
    return Dataset.build(
        name="made", modality="features", ids=ids, classes=Classes.of("abcd"), supervision=labels, reader=None
    )


class Flip:
    """Flips the share `rate` of items with the smallest draws to the next class."""

    roles = frozenset({"train", "validation"})

    def __init__(self, rate):
        self.rate = rate

    def corrupt(self, clean):
        chosen = clean.index[
            np.argsort(clean.uniforms(1)[:, 0], kind="stable")[: int(np.ceil(self.rate * len(clean.index)))]
        ]
        y = clean.supervision.y.copy()
        y[chosen] = (y[chosen] + 1) % len(clean.classes)
        changed = np.zeros(len(y), dtype=bool)
        changed[chosen] = True
        return Corruption(replace(clean.supervision, y=y), clean.index, changed)


class Halve:
    """Keeps every second item."""

    roles = frozenset({"train"})

    def corrupt(self, clean):
        return Corruption(clean.supervision, clean.index[::2], np.zeros(len(clean.supervision), dtype=bool))


def test_each_role_has_its_own_rate_and_test_sets_are_untouched(dataset):
    splits = draw(dataset, SplitSpec(), 0)
    result = corrupt(dataset, splits, [("flip", Flip(0.3))], 0)
    for role in ("train", "validation"):
        index = result.splits.splits[role].index
        wrong = result.supervision.y[index] != result.truth.y[index]
        assert wrong.sum() == np.ceil(0.3 * len(index))
        assert result.rates[role] == pytest.approx(wrong.mean())
        assert np.array_equal(wrong, result.changed[index])
    test = result.splits.splits["test"].index
    assert (result.supervision.y[test] == -1).all()
    assert np.array_equal(result.truth.y, dataset.supervision.y)
    assert "test" not in result.rates


def test_draws_are_nested_in_the_rate_and_belong_to_the_replicate(dataset):
    splits = draw(dataset, SplitSpec(), 0)
    low, high = (corrupt(dataset, splits, [("flip", Flip(rate))], 0).changed for rate in (0.2, 0.4))
    assert (high | ~low).all()
    other = corrupt(dataset, splits, [("flip", Flip(0.2))], 1).changed
    assert not np.array_equal(low, other)


def test_corruptors_apply_in_order(dataset):
    splits = draw(dataset, SplitSpec(), 0)
    before = len(splits.splits["train"])
    result = corrupt(dataset, splits, [("halve", Halve()), ("flip", Flip(0.5))], 0)
    after = result.splits.splits["train"].index
    assert len(after) == (before + 1) // 2
    assert result.changed[after].sum() == np.ceil(0.5 * len(after))
    assert result.changed[np.setdiff1d(splits.splits["train"].index, after)].sum() == 0


def test_a_corruptor_that_reaches_too_far_is_refused(dataset):
    class Reaches(Flip):
        def corrupt(self, clean):
            y = (clean.supervision.y + 1) % len(clean.classes)
            return Corruption(replace(clean.supervision, y=y), clean.index, np.ones(len(y), dtype=bool))

    with pytest.raises(
        DataError, match=r"noise reaches: touched items outside the role '(train|validation)'"
    ):
        corrupt(dataset, draw(dataset, SplitSpec(), 0), [("reaches", Reaches(0.1))], 0)


def test_a_corruptor_that_hides_what_it_changed_is_refused(dataset):
    class Hides(Flip):
        def corrupt(self, clean):
            honest = super().corrupt(clean)
            return Corruption(honest.supervision, honest.index, np.zeros_like(honest.changed))

    with pytest.raises(DataError, match="noise hides: says that it changed other items than it did"):
        corrupt(dataset, draw(dataset, SplitSpec(), 0), [("hides", Hides(0.1))], 0)


def test_the_second_corruptor_of_a_kind_draws_anew_and_the_realised_rate_counts_what_is_wrong_in_the_end(
    dataset,
):
    splits = draw(dataset, SplitSpec(), 0)
    once = corrupt(dataset, splits, [("flip", Flip(0.2))], 0)
    twice = corrupt(dataset, splits, [("flip", Flip(0.2)), ("flip", Flip(0.2))], 0)
    train = splits.splits["train"].index
    wrong = twice.supervision.y[train] != twice.truth.y[train]
    assert wrong.sum() > 1.4 * once.changed[train].sum()
    assert twice.rates["train"] == pytest.approx(wrong.mean())


def test_labels_of_the_pool_are_hidden(dataset):
    splits = draw(dataset, SplitSpec(), 0).splits
    pool = Splits(
        {
            **splits,
            "pool": Split("pool", splits["train"].index[:50]),
            "train": Split("train", splits["train"].index[50:]),
        }
    )
    result = corrupt(dataset, pool, [], 0)
    assert (result.supervision.y[pool.splits["pool"].index] == -1).all()
    assert (result.supervision.y[pool.splits["train"].index] >= 0).all()


def test_where_the_truth_is_unknown_the_label_stands_for_it_and_nothing_is_judged(dataset):
    truth = dataset.supervision.y.copy()
    truth[::3] = -1
    partly = replace(dataset, truth=Labels(y=truth))
    result = corrupt(partly, draw(partly, SplitSpec(), 0), [], 0)
    assert np.array_equal(result.truth.y, dataset.supervision.y)
    assert np.array_equal(result.judged, truth >= 0)


def test_hidden_entries_of_multi_labels_are_unobserved():
    positive = sp.csr_array(np.array([[1, 0], [1, 1], [0, 1]], dtype=bool))
    hidden = MultiLabels(positive=positive).hide(np.array([1]))
    assert hidden.known.tolist() == [True, False, True]
    assert hidden.positive.toarray().tolist() == [[True, False], [False, False], [False, True]]


def test_a_record_that_hides_nothing_is_refused(dataset):
    class Open(Labels):
        def hide(self, positions):
            return self

    leaky = replace(dataset, supervision=Open(y=dataset.supervision.y))
    with pytest.raises(PluginError, match=r"Open\.hide leaves targets known"):
        corrupt(leaky, draw(leaky, SplitSpec(), 0), [], 0)
