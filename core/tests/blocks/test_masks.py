"""What a batch says is real and labelled, and a second pass: against a plain loop, alone as stacked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.blocks import Dropout, Outputs, Term, weighted_mean
from burnish.contracts.tuner import Run
from burnish.data import MultiLabels
from burnish.heads.batches import batch_rows, rows_in_last_batch
from burnish.heads.head import head_config
from burnish.heads.member import build_module
from burnish.heads.stacked import fit_heads
from burnish.heads.targets import target_arrays

RUN = Run()


def entropy(logits):
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def apart(first, second):
    return (first - second).square().mean(-1)


def states(jobs):
    results = fit_heads(jobs, RUN)
    assert [r.error for r in results] == [""] * len(results)
    return [r.predictor.state() for r in results]


def plain_loop(job, penalty):
    """The oracle: ``penalty(module, x, labelled)`` of the real rows of each batch, without any other."""
    config, n = head_config(job.tuner), len(job.rows)
    module = build_module(job.tuner, job.features.shape[2], len(job.classes), job.seed).train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    x, y = torch.from_numpy(job.features[job.rows, 0]), torch.from_numpy(job.targets["hard"])
    batches = [batch_rows(n, config.batch, job.order, epoch) for epoch in range(config.epochs)]
    done, steps = 0, sum(map(len, batches))
    for epoch in batches:
        for number, rows in enumerate(epoch):
            own = rows_in_last_batch(n, config.batch) if number == len(epoch) - 1 else len(rows)
            at = torch.from_numpy(rows[:own])
            optimiser.param_groups[0]["lr"] = config.lr * 0.5 * (1 + np.cos(np.pi * done / steps))
            loss = nn.functional.cross_entropy(module(x[at]), y[at], ignore_index=-1)
            optimiser.zero_grad()
            (loss + penalty(module, x[at], y[at] >= 0)).backward()
            optimiser.step()
            done += 1
    return module.state_dict()


def partly_labelled(job):
    y = job.targets["hard"].copy()
    y[::3] = -1
    return replace(job, targets={"hard": y})


@pytest.mark.parametrize("which", ["real", "labelled", "second pass", "the bare mean"])
def test_padding_and_unlabelled_rows_count_nowhere(heads, which):
    class Tuner(heads.Linear):
        def objective(self, out, batch, fit):
            if which == "real":
                term = weighted_mean(entropy(out.logits), batch.real)
            elif which == "labelled":
                term = weighted_mean(entropy(out.logits), batch.labelled)
            elif which == "second pass":
                far = apart(fit.forward(batch.x * 1.5).logits, out.logits)
                term = weighted_mean(far, batch.real & ~batch.labelled)
            else:
                term = entropy(out.logits).mean()
            return [*super().objective(out, batch, fit), Term("more", 1.0, term)]

    def penalty(module, x, labelled):
        if which == "second pass":
            return apart(module(x * 1.5), module(x))[~labelled].mean()
        return entropy(module(x))[labelled if which == "labelled" else slice(None)].mean()

    # 50 rows in batches of 16: the last batch of an epoch has 2 rows of its own, and 14 that complete it.
    jobs = [partly_labelled(job) for job in heads.jobs(3, Tuner, n=50, batch=16, epochs=2, lr=0.05)]
    agree = []
    for job, state in zip(jobs, states(jobs), strict=True):
        expected = plain_loop(job, penalty)
        agree.append(all(torch.allclose(state[name], t, atol=1e-5) for name, t in expected.items()))
    assert agree == [which != "the bare mean"] * 3


def test_a_second_pass_is_alone_what_it_is_in_a_stack(heads):
    class Net(nn.Module):
        def __init__(self, dim, classes):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(dim, 16, bias=False), nn.BatchNorm1d(16), Dropout(0.3))
            self.head = nn.Linear(16, classes)

        def forward(self, x):
            z = self.body(x)
            return Outputs(self.head(z), z)

    class Consistent(heads.Linear):
        def build(self, dim, classes):
            return Net(dim, classes)

        def objective(self, out, batch, fit):
            again = fit.forward(batch.x)
            # Dropout draws anew, so that the two passes differ.
            differ = torch.where((again.logits != out.logits).any(), 0.0, torch.nan)
            far = weighted_mean(apart(again.embeddings, out.embeddings), batch.real)
            return [*super().objective(out, batch, fit), Term("far", 0.1, far), Term("differ", 1.0, differ)]

    jobs = [partly_labelled(job) for job in heads.jobs(5, Consistent)]
    whole = states(jobs)
    for number in (0, 4):
        (alone,) = states([jobs[number]])
        assert all(torch.equal(alone[name], whole[number][name]) for name in alone)
    assert int(whole[0]["body.1.num_batches_tracked"]) == 2 * 2 * 4  # passes, epochs, batches


def test_an_item_without_a_known_entry_has_no_label(heads):
    class Seen(heads.Linear):
        uses_loss = False

        def objective(self, out, batch, fit):
            right = (batch.labelled == (batch.real & (batch.targets.observed.sum(-1) > 0))).all()
            some = (batch.labelled != batch.real).any()
            return [Term("masks", 1.0, torch.where(right & some, out.logits.sum() * 0, torch.nan))]

    job = heads.jobs(1, Seen, n=48)[0]
    observed = np.ones((48, 4), dtype=bool)
    observed[::2] = False
    targets, weights = target_arrays(MultiLabels(positive=observed & False, observed=observed), 4)
    states([replace(job, targets=targets, weights=weights, loss=None)])
