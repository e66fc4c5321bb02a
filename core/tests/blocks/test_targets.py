"""From supervision to arrays and tensors."""

import numpy as np
import pytest
import torch

from burnish.data import Labels, MultiLabels
from burnish.errors import FitError
from burnish.heads.targets import as_targets, class_prior, target_arrays, target_kind, target_tensors


def test_labels_with_unknowns_and_weights():
    weights = np.array([1, 2, 3, 0.5], dtype=np.float32)
    targets, counted = target_arrays(Labels(y=np.array([2, -1, 0, 2]), weights=weights), 3)
    assert targets["hard"].tolist() == [2, -1, 0, 2]
    assert counted.tolist() == [1, 0, 3, 0.5]
    assert counted.dtype == np.float32
    assert class_prior(targets, counted, 4).tolist() == [3, 0, 1.5, 0]
    tensors = target_tensors(targets)
    assert tensors["hard"].tolist() == [2, 0, 0, 2]
    assert as_targets(tensors).hard.dtype == torch.int64


def test_multi_labels_with_unknown_entries():
    positive = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]], dtype=bool)
    observed = np.array([[1, 1, 0], [1, 1, 1], [0, 0, 0]], dtype=bool)
    targets, weights = target_arrays(MultiLabels(positive=positive, observed=observed), 3)
    assert targets["multi"].tolist() == positive.astype(float).tolist()
    assert targets["observed"].tolist() == observed.astype(float).tolist()
    assert weights.tolist() == [1, 1, 0]
    assert class_prior(targets, weights, 3).tolist() == [1, 1, 1]
    assert as_targets(target_tensors(targets)).observed.dtype == torch.float32
    assert target_arrays(MultiLabels(positive=positive), 3)[0]["observed"].min() == 1


def test_soft_targets_count_by_share():
    targets = {"soft": np.array([[0.5, 0.5], [1, 0]], dtype=np.float64)}
    assert class_prior(targets, np.array([2, 1], dtype=np.float32), 2).tolist() == [2, 1]
    assert target_tensors(targets)["soft"].dtype == torch.float32


def test_a_label_outside_the_classes_is_refused():
    with pytest.raises(FitError) as caught:
        target_arrays(Labels(y=np.array([0, 5, 1])), 3)
    assert (
        str(caught.value)
        == "label 5 of training item 1 is out of range. Possible: 0 to 2, or -1 for unknown."
    )
    with pytest.raises(FitError, match="3 columns for 4 classes"):
        target_arrays(MultiLabels(positive=np.zeros((2, 3), dtype=bool)), 4)


@pytest.mark.parametrize("names", [(), ("multi",), ("hard", "soft"), ("votes",)])
def test_other_forms_are_refused(names):
    with pytest.raises(FitError, match="targets named"):
        target_kind(dict.fromkeys(names, np.zeros(1)))
