"""What losses share."""

import pytest
import torch

from burnish.blocks import PerExample, log_likelihood
from burnish.contracts.loss import LossInput, Targets

LOGITS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def given(**targets):
    return LossInput(LOGITS, Targets(**targets), None, torch.ones(3), torch.arange(5), torch.tensor(0.0))


class AbsoluteError(PerExample):
    def values(self, x):
        return 1 - log_likelihood(x).exp()


def test_an_author_writes_values_alone():
    hard = torch.tensor([0, 2, 1, 1, 0])
    loss, seen = AbsoluteError(), {"rows": torch.zeros(5)}
    value, rows = loss(given(hard=hard), seen)
    expected = [1 - LOGITS[i].exp()[y] / LOGITS[i].exp().sum() for i, y in enumerate(hard.tolist())]
    assert value.values.tolist() == pytest.approx([float(e) for e in expected])
    assert (value.per, rows, dict(loss.memory(5, 3))) == ("example", seen, {})
    assert loss.accepts == {"hard"}


def test_soft_targets_of_one_class_are_hard_ones():
    hard = torch.tensor([0, 2, 1, 1, 0])
    soft = torch.eye(3, dtype=torch.float64)[hard]
    assert torch.equal(log_likelihood(given(soft=soft)), log_likelihood(given(hard=hard)))
    with pytest.raises(TypeError, match="multi-labels are not one label"):
        log_likelihood(given(multi=torch.zeros(5, 3)))


def test_a_loss_without_values_is_none():
    with pytest.raises(TypeError, match="values"):
        type("Empty", (PerExample,), {})()
