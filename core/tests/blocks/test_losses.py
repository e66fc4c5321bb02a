"""The base of losses that are one method."""

import pytest
import torch

from burnish.blocks import PerExample, target_log_p
from burnish.contracts.loss import LossInput, Targets

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])


def given(**targets):
    return LossInput(LOGITS, Targets(**targets), None, torch.ones(3), torch.arange(2), torch.tensor(0.0))


def test_a_loss_is_one_method():
    class Brier(PerExample):
        def values(self, x):
            return (x.logits.softmax(-1) - torch.eye(3)[x.targets.hard]).square().sum(-1)

    loss, rows = Brier(), {"untouched": torch.ones(2)}
    value, after = loss(given(hard=torch.tensor([0, 1])), rows)
    assert (loss.accepts, dict(loss.memory(5, 3)), value.per) == ({"hard"}, {}, "example")
    assert after is rows
    assert value.values.shape == (2,)


def test_without_values_there_is_no_loss():
    with pytest.raises(TypeError, match="values"):
        PerExample()


def test_log_probability_of_hard_and_of_soft_targets():
    p = LOGITS.exp() / LOGITS.exp().sum(1, keepdim=True)
    hard = target_log_p(given(hard=torch.tensor([2, 0])))
    assert hard.tolist() == pytest.approx([float(p[0, 2].log()), float(p[1, 0].log())], abs=1e-6)
    soft = target_log_p(given(soft=torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])))
    first = 0.25 * p[0, 0].log() + 0.75 * p[0, 1].log()
    assert soft.tolist() == pytest.approx([float(first), float(p[1, 2].log())], abs=1e-6)
    with pytest.raises(TypeError, match="hard or soft"):
        target_log_p(given(multi=torch.ones(2, 3)))
