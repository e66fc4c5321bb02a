"""What may share a stack, and how large stacks are."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.heads.stacks import Limits, can_share, signature, stacks
from burnish.options import HeadConfig


def test_numbers_may_differ_and_shapes_and_code_may_not(heads):
    base = heads.jobs(1, heads.Spectral, config=heads.SpectralConfig)[0]

    def tuned(**options):
        return replace(base, tuner=heads.Spectral(heads.SpectralConfig(batch=16, epochs=2, **options)))

    same = [
        tuned(lr=0.5, weight_decay=0.3, weight=7.0),
        replace(base, seed=1, order=2, rows=base.rows[::-1], loss=heads.CrossEntropy()),
        replace(base, features=base.features.copy(), weights=base.weights * 2),
    ]
    other = [
        replace(base, tuner=heads.Spectral(heads.SpectralConfig(batch=16, epochs=3))),
        replace(base, tuner=heads.Spectral(heads.SpectralConfig(batch=17, epochs=2))),
        tuned(schedule="constant"),
        replace(base, tuner=heads.MLP(HeadConfig(batch=16, epochs=2))),
        replace(base, features=base.features[:, :, :8]),
        replace(base, features=np.repeat(base.features, 2, axis=1)),
        replace(
            base, rows=base.rows[:30], weights=base.weights[:30], targets={"hard": base.targets["hard"][:30]}
        ),
        replace(base, targets={"soft": np.eye(4)[base.targets["hard"]]}),
        replace(base, loss=heads.CrossEntropy(scale=2.0)),
        replace(base, loss=None),
    ]
    assert {signature(job) for job in same} == {signature(base)}
    assert signature(base) not in {signature(job) for job in other}
    assert len({signature(job) for job in other}) == len(other)


def test_losses_with_long_arrays_are_told_apart(heads):
    class Weighted(heads.CrossEntropy):
        def __init__(self, last):
            self.weights = torch.ones(5000)
            self.weights[2500] = last

    base = heads.jobs(1)[0]
    assert signature(replace(base, loss=Weighted(1.0))) == signature(replace(base, loss=Weighted(1.0)))
    assert signature(replace(base, loss=Weighted(1.0))) != signature(replace(base, loss=Weighted(2.0)))


def test_configs_without_fields_are_compared_too(heads):
    @dataclass(frozen=True)
    class Width(HeadConfig):
        width: int = 8

    base = heads.jobs(1)[0]
    assert signature(replace(base, tuner=heads.Linear(Width(width=8)))) != signature(
        replace(base, tuner=heads.Linear(Width(width=9)))
    )


def test_stacks_hold_every_job_once_in_order(heads):
    jobs = heads.jobs(5) + heads.jobs(4, heads.MLP) + heads.jobs(3)
    found = stacks(jobs)
    assert found == [[0, 1, 2, 3, 4, 9, 10, 11], [5, 6, 7, 8]]
    assert stacks([]) == []


@pytest.mark.parametrize(("seconds", "sizes"), [(1e9, [30]), (1e-9, [2] * 15)])
def test_time_bounds_a_stack(heads, seconds, sizes):
    assert [len(s) for s in stacks(heads.jobs(30), Limits(seconds=seconds))] == sizes


def test_memory_bounds_a_stack_and_stacks_are_even(heads):
    jobs = heads.jobs(31, heads.MLP, dim=64, classes=10)
    assert [len(s) for s in stacks(jobs, Limits(memory=2_000_000))] == [4] * 7 + [3]


def test_only_aligned_small_heads_share_matrix_products(monkeypatch):
    assert can_share(nn.Linear(96, 10), 64)
    assert can_share(nn.Sequential(nn.Linear(24, 10), nn.BatchNorm1d(7)), 16)
    assert not can_share(nn.Linear(33, 10), 64)
    assert not can_share(nn.Linear(96, 10), 50)
    monkeypatch.setattr("burnish.heads.stacks.WIDE", 6 * 64 * 970)
    assert not can_share(nn.Linear(96, 10), 64)
