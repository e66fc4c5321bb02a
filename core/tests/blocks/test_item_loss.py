"""The recipe's loss in a tuner's own loop: weights, unknown labels and memory count as they do for heads."""

import numpy as np
import pytest
import torch

from burnish.contracts.loss import LossValue
from burnish.data import Labels, MultiLabels
from burnish.errors import FitError
from burnish.heads.item_loss import ItemLoss
from burnish.testing.stand_ins import CrossEntropy

Y = np.array([0, 2, -1, 1, 1])
WEIGHTS = np.array([1.0, 2.0, 1.0, 0.0, 0.5], dtype=np.float32)
LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 2.0, 0.0], [0.0, 0.0, 3.0]])


class Counting(CrossEntropy):
    """Remembers how often each item was seen, and adds it to its value."""

    def memory(self, n, classes):
        return {"seen": torch.zeros(n)}

    def __call__(self, x, rows):
        value, _ = super().__call__(x, rows)
        return LossValue(value.values + rows["seen"]), {"seen": rows["seen"] + 1}


def of(loss, supervision=None, classes=3):
    return ItemLoss(loss, supervision or Labels(y=Y, weights=WEIGHTS), classes, "cpu", "tests")


def test_items_without_label_or_weight_are_left_out():
    loss = of(CrossEntropy())
    assert loss.rows.tolist() == [0, 1, 4]
    assert loss.prior.tolist() == [1.0, 0.5, 2.0]
    assert loss.activation == "softmax"


def test_the_mean_is_weighted():
    value = of(CrossEntropy())(LOGITS, np.array([0, 1, 4]), 0.0)
    log_p = np.log(np.exp(LOGITS.numpy()) / np.exp(LOGITS.numpy()).sum(axis=1, keepdims=True))
    assert value.item() == pytest.approx((-log_p[0, 0] - 2 * log_p[1, 2] - 0.5 * log_p[2, 1]) / 3.5, rel=1e-6)


def test_memory_is_kept_by_item():
    loss, plain = of(Counting()), of(CrossEntropy())
    rows, other = np.array([4, 0, 1]), np.array([0, 1, 4])
    before = plain(LOGITS, other, 0.0).item()
    assert loss(LOGITS, rows, 0.0).item() == pytest.approx(plain(LOGITS, rows, 0.0).item())
    loss(LOGITS[:1], np.array([1]), 0.0)
    assert loss(LOGITS, other, 0.5).item() == pytest.approx(before + (1 + 2 * 2 + 0.5) / 3.5)


def test_what_cannot_be_trained_on_is_refused():
    multi = MultiLabels(positive=np.eye(3, dtype=bool))
    assert of(CrossEntropy(), multi).activation == "sigmoid"

    class Hard(CrossEntropy):
        accepts = frozenset({"hard"})

    for loss, supervision, message in (
        (CrossEntropy(), Labels(y=np.full(4, -1)), "no training item"),
        (None, None, "has no loss"),
        (Hard(), multi, "does not take multi"),
    ):
        with pytest.raises(FitError, match=message):
            of(loss, supervision)
