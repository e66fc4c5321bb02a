"""What losses remember in stacked training: per item and per trial, whoever else is in the stack."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from burnish.contracts.loss import LossValue
from burnish.contracts.tuner import Run
from burnish.heads.batches import batch_rows
from burnish.heads.stacked import fit_heads

RUN = Run()


class Remembering:
    """Counts how often each row was seen, and adds nothing to the loss."""

    accepts = frozenset({"hard"})

    def memory(self, n, classes):
        return {"seen": torch.zeros(n), "logits": torch.full((n, classes), 7.0)}

    def __call__(self, x, rows):
        value = torch.nn.functional.cross_entropy(x.logits, x.targets.hard, reduction="none")
        return LossValue(value + 0 * rows["seen"]), {
            "seen": rows["seen"] + 1,
            "logits": rows["logits"] + x.progress * 0 + 1,
        }


@pytest.fixture
def memories(monkeypatch):
    """Return the list that gets each stack's memory when it is done, and the row each trial begins at."""
    from burnish.heads.training import StackTraining

    kept, results = [], StackTraining.results

    def spy(self):
        kept.append(
            {name: m.clone() for name, m in self._memory.tensors.items()}
            | {"offsets": self._data.offsets.tolist()}
        )
        return results(self)

    monkeypatch.setattr(StackTraining, "results", spy)
    torch.set_num_threads(1)
    return kept


def test_memory_is_kept_per_item_and_per_trial(heads, memories):
    loss = Remembering()
    jobs = heads.jobs(3, loss=loss, n=50, batch=16, epochs=3)
    fit_heads([jobs[0]], RUN)
    # 50 = 3 * 16 + 2: the rows that complete the last batch write nothing, so each item is seen once an
    # epoch.
    assert memories[0]["seen"][:50].tolist() == [3.0] * 50
    assert memories[0]["logits"][:50].unique().tolist() == [10.0]
    jobs[1] = replace(jobs[1], weights=np.r_[np.zeros(10), np.ones(40)].astype(np.float32))
    fit_heads(jobs, RUN)
    by_trial = sorted(tuple(memories[1]["seen"][o : o + 50].tolist()) for o in memories[1]["offsets"])
    assert by_trial == [(0.0,) * 10 + (3.0,) * 40, (3.0,) * 50, (3.0,) * 50]


def test_memory_outlives_the_death_of_another_trial(heads, memories):
    class Sick(Remembering):
        def __call__(self, x, rows):
            value, new = super().__call__(x, rows)
            return (
                LossValue(value.values + torch.where((x.prior[0] == 0) & (x.progress > 0.4), torch.nan, 0.0)),
                new,
            )

    jobs = heads.jobs(3, loss=Sick(), n=50, batch=16, epochs=3)
    jobs[0] = replace(jobs[0], targets={"hard": np.ones(50, dtype=np.int64)})
    assert [bool(r.error) for r in fit_heads(jobs, RUN)] == [True, False, False]
    assert memories[0]["offsets"] == [0, 50]
    assert memories[0]["seen"][:100].tolist() == [3.0] * 100


def test_an_item_written_twice_gets_the_mean(heads, memories):
    class Both(Remembering):
        def __call__(self, x, rows):
            value, _ = super().__call__(x, rows)
            return value, {"seen": torch.arange(len(x.index), dtype=torch.float32), "logits": rows["logits"]}

    job = heads.jobs(1, loss=Both(), n=16, views=2, batch=16, epochs=1)[0]
    fit_heads([job], RUN)
    expected = np.empty(16)
    expected[batch_rows(16, 16, job.order, 0)[0]] = np.arange(16) + 8  # row r stands at r and at r + 16
    assert memories[0]["seen"][:16].tolist() == expected.tolist()
