"""Training inside a backbone.

The optimiser is torch's, every item is seen once an epoch, and what breaks says so.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.blocks.module_training import orders, prepared_batches, train_module
from burnish.contracts.tuner import Run
from burnish.errors import FitError, ItemError
from burnish.heads.sgd import SGD
from burnish.options import ModuleConfig


class Items:
    """Ten items whose input is their number; remembers what was asked for."""

    def __init__(self):
        self.asked = []

    def __len__(self):
        return 10

    def prepared(self, rows, draw=None):
        self.asked.append((rows.tolist(), draw))
        if 9 in rows:
            raise ItemError(9, "it is broken")
        return {"x": rows.astype(np.float32)}


THREE = ModuleConfig(epochs=3, batch=4)


def train(loss, config=THREE, progress=lambda done, total: None, views=True, parameters=()):
    items = Items()
    train_module(
        parameters,
        items,
        np.arange(9),
        config,
        loss,
        order=7,
        run=Run(progress=progress),
        views=views,
        where="tests",
    )
    return items


# -- the optimiser -------------------------------------------------------------------------------------------


def test_sgd_is_torchs():
    own, theirs = (nn.Parameter(torch.linspace(-1, 1, 6).reshape(2, 3).clone()) for _ in range(2))
    unused = nn.Parameter(torch.ones(2))
    mine = SGD([own, unused], 0.1, momentum=0.9, weight_decay=0.01)
    other = torch.optim.SGD([theirs, nn.Parameter(torch.ones(2))], lr=0.1, momentum=0.9, weight_decay=0.01)
    for step in range(5):
        for parameter, optimiser in ((own, mine), (theirs, other)):
            optimiser.zero_grad()
            (parameter.square() * (step + 1)).sum().backward()
        mine.step(0.5**step)
        other.param_groups[0]["lr"] = 0.1 * 0.5**step
        other.step()
    assert torch.equal(own, theirs)
    assert torch.equal(unused, torch.ones(2))


def test_small_steps_on_bfloat16_are_not_lost():
    parameter = nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    optimiser = SGD([parameter], 1e-4, momentum=0.0)
    for _ in range(100):
        optimiser.zero_grad()
        parameter.sum().backward()
        optimiser.step()
    assert parameter.item() == pytest.approx(0.99, abs=0.005)


# -- order and reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "batch"), [(9, 4), (8, 4), (1, 4), (2, 1), (3, 100)])
def test_every_item_once_an_epoch(n, batch):
    for epoch in range(3):
        found = orders(n, batch, 5, epoch)
        assert sorted(np.concatenate(found)) == list(range(n))
        assert all(len(part) == batch for part in found[:-1])
    assert n < 8 or not np.array_equal(
        np.concatenate(orders(n, batch, 5, 0)), np.concatenate(orders(n, batch, 5, 1))
    )


def test_batches_come_in_order_with_their_items():
    rows = np.arange(9)[::-1].copy()
    batches = orders(9, 2, 0, 0)
    found = list(prepared_batches(Items(), rows, batches, 3))
    assert [at.tolist() for at, _ in found] == [at.tolist() for at in batches]
    assert all(np.array_equal(inputs["x"], rows[at]) for at, inputs in found)


def test_an_item_that_cannot_be_read_ends_it():
    with pytest.raises(ItemError, match="broken"):
        list(prepared_batches(Items(), np.arange(10), orders(10, 2, 0, 0)))


# -- the loop ------------------------------------------------------------------------------------------------


def test_views_are_new_in_every_epoch_unless_there_are_none():
    plain = replace(THREE, augment=False)
    for config, views, draws in ((THREE, True, {0, 1, 2}), (plain, True, {None}), (THREE, False, {None})):
        items = train(lambda batch: torch.zeros(()), config, views=views)
        assert {draw for _, draw in items.asked} == draws


def test_the_learning_rate_is_cosine_over_the_epochs():
    parameter, seen = nn.Parameter(torch.zeros(())), []

    def loss(batch):
        seen.append(parameter.item())
        return parameter * 1.0

    config = ModuleConfig(epochs=4, batch=100, lr=1.0, momentum=0.0, weight_decay=0.0)
    train(loss, config, parameters=[parameter])
    steps = -np.diff([*seen, parameter.item()])
    assert steps == pytest.approx([(1 + math.cos(math.pi * e / 4)) / 2 for e in range(4)])
    assert parameter.grad is None
    train(loss, replace(config, schedule="constant"), parameters=[parameter])
    assert parameter.item() == pytest.approx(-steps.sum() - 4)


def test_progress_is_told_and_a_loss_without_gradient_takes_no_step():
    told, parameter = [], nn.Parameter(torch.ones(()))
    train(
        lambda batch: torch.zeros(()),
        parameters=[parameter],
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(done, 9) for done in range(1, 10)]
    assert parameter.item() == 1


def test_a_loss_that_is_not_finite_is_an_error():
    with pytest.raises(FitError, match="the loss became nan in epoch 2"):
        train(lambda batch: torch.tensor(math.nan if batch.epoch == 1 else 1.0))


def test_too_little_memory_is_an_error_for_people():
    def loss(batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(FitError, match="Give a smaller batch"):
        train(loss)


# -- batches in parts ----------------------------------------------------------------------------------------

WEIGHTS = torch.tensor([1.0, 2.0, 0.0, 0.5, 3.0, 1.0, 1.0, 0.25, 4.0])


def fitted_in_parts(most, at_once=0, memory=100):
    """Fit a regression on nine items with weights; a device that holds `memory` items.

    Return its parameter and what was run at once.
    """
    parameter, sizes = nn.Parameter(torch.tensor([0.3, -0.2])), []

    def loss(batch):
        if len(batch.at) > memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(batch.at))
        x = torch.from_numpy(batch.inputs["x"])
        values = (parameter[0] * x + parameter[1] - x.square()).square()
        return (WEIGHTS[batch.at] * values).sum() / WEIGHTS[batch.at].sum()

    config = replace(THREE, batch=most, lr=1e-4)
    found = train_module(
        [parameter],
        Items(),
        np.arange(9),
        config,
        loss,
        order=7,
        run=Run(),
        views=False,
        where="tests",
        weights=WEIGHTS,
        at_once=at_once,
    )
    return parameter.detach(), found, sizes


def test_a_batch_in_parts_has_the_gradient_of_the_whole():
    whole, found, _ = fitted_in_parts(9)
    assert found == 9
    for at_once in (1, 2, 4, 8):
        parts, found, sizes = fitted_in_parts(9, at_once)
        assert torch.allclose(parts, whole, rtol=1e-5)
        assert found == at_once == max(sizes)


def test_a_batch_that_does_not_fit_is_run_in_parts_from_then_on():
    whole, _, _ = fitted_in_parts(9)
    parts, found, sizes = fitted_in_parts(9, memory=3)
    assert torch.allclose(parts, whole, rtol=1e-5)
    assert found == max(sizes) == 2  # 9, 4, 2
    with pytest.raises(FitError, match="too little memory for a single item"):
        fitted_in_parts(9, memory=0)
