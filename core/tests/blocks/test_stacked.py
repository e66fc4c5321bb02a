"""Stacked training against a plain loop, and bit for bit against itself.

Alone, stacked, in another place, on other threads.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.blocks import Dropout, Outputs, Term
from burnish.contracts.loss import LossValue
from burnish.contracts.tuner import FeaturesAlone, Run, Task
from burnish.data import Labels, MultiLabels, Split
from burnish.errors import FitError
from burnish.heads.batches import batch_rows, rows_in_last_batch
from burnish.heads.head import head_config
from burnish.heads.member import build_module
from burnish.heads.stacked import _balanced, fit_heads, fit_task, head_job

RUN = Run()


def states(results):
    assert [r.error for r in results] == [""] * len(results)
    return [r.predictor.state() for r in results]


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def plain_loop(job, steps):
    """The oracle: one trial in torch.nn and torch.optim, the same batches."""
    torch.set_num_threads(1)
    config, n = head_config(job.tuner), len(job.rows)
    module = build_module(job.tuner, job.features.shape[2], len(job.classes), job.seed).train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    x, y = torch.from_numpy(job.features[job.rows, 0]), torch.from_numpy(job.targets["hard"])
    done = 0
    per_epoch = len(batch_rows(n, config.batch, job.order, 0))
    total = per_epoch * config.epochs
    while done < steps:
        rows = torch.from_numpy(batch_rows(n, config.batch, job.order, done // per_epoch)[done % per_epoch])
        own = rows_in_last_batch(n, config.batch) if done % per_epoch == per_epoch - 1 else len(rows)
        optimiser.param_groups[0]["lr"] = config.lr * 0.5 * (1 + np.cos(np.pi * done / total))
        out = module(x[rows])
        logits = out.logits if isinstance(out, Outputs) else out
        loss = nn.functional.cross_entropy(logits[:own], y[rows[:own]])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        done += 1
    return module


@pytest.mark.parametrize("tuner", ["Linear", "MLP"])
def test_agrees_with_a_plain_loop(heads, tuner):
    jobs = heads.jobs(3, getattr(heads, tuner), n=50, batch=16, epochs=3)
    results = fit_heads(jobs, RUN)
    for job, state in zip(jobs, states(results), strict=True):
        expected = plain_loop(job, steps=12).state_dict()
        assert state.keys() == expected.keys()
        for name, tensor in expected.items():
            assert torch.allclose(state[name].to(torch.float64), tensor.to(torch.float64), atol=1e-5), name


def test_learns_as_well_as_a_plain_loop(heads):
    jobs = heads.jobs(4, heads.MLP, n=400, total=600, dim=16, batch=32, epochs=15, lr=1e-2)
    results = fit_heads(jobs, RUN)
    for job, result in zip(jobs, results, strict=True):
        x, y = job.features[job.rows, 0], job.targets["hard"]
        module = plain_loop(job, steps=15 * 13)
        with torch.no_grad():
            theirs = module.eval()(torch.from_numpy(x)).logits.argmax(1).numpy()
        ours = result.predictor.predict(x).top()
        assert (ours == y).mean() > 0.9
        assert (ours != theirs).mean() <= 0.01


@pytest.mark.parametrize(
    ("dim", "classes", "batch"), [(64, 10, 64), (96, 10, 64), (384, 10, 64), (12, 4, 16), (33, 7, 50)]
)
@pytest.mark.parametrize("tuner", ["Linear", "MLP", "Spectral"])
def test_alone_is_bitwise_stacked(heads, tuner, dim, classes, batch):
    made = {"config": heads.SpectralConfig} if tuner == "Spectral" else {}
    size = 30 if dim < 384 or tuner == "Linear" else 7
    jobs = heads.jobs(
        size, getattr(heads, tuner), dim=dim, classes=classes, n=150, total=200, batch=batch, epochs=2, **made
    )
    whole = states(fit_heads(jobs, RUN))
    for chosen in [[0], [1], [size - 1], [3, 5], [2, 0, 4], list(range(7))[::-1]]:
        for number, state in zip(chosen, states(fit_heads([jobs[c] for c in chosen], RUN)), strict=True):
            assert equal(state, whole[number]), (chosen, number)


def test_threads_change_no_bit(heads):
    jobs = heads.jobs(5, heads.MLP, dim=32, n=100, total=120)
    whole = states(fit_heads(jobs, RUN))
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        assert all(map(equal, states(fit_heads(jobs, RUN)), whole))
        assert torch.get_num_threads() == threads


def makespan(trials, size, workers):
    """When the last of the workers is done, each taking the next part as soon as it is free.

    A part takes as long as it has trials.
    """
    busy = [0] * workers
    while trials:
        part = min(size, trials)
        busy[busy.index(min(busy))] += part
        trials -= part
    return max(busy)


def test_parts_keep_all_workers_busy_to_the_end():
    assert [_balanced(6, 2, 2), _balanced(7, 2, 2), _balanced(60, 30, 2), _balanced(3, 2, 1)] == [3, 2, 30, 2]
    for trials in range(1, 40):
        for workers in (1, 2, 3, 8):
            for most in (1, 2, 5, 12):
                size = min(trials, most)
                chosen = _balanced(trials, size, workers)
                assert size <= chosen <= 1.5 * size
                assert makespan(trials, chosen, workers) <= makespan(trials, size, workers)


def test_a_large_head_is_trained_alone_by_all_threads(heads, monkeypatch):
    jobs = heads.jobs(3, heads.MLP)
    small = states(fit_heads(jobs, RUN))
    monkeypatch.setattr("burnish.heads.stacks.WIDE", 1)
    large = states(fit_heads(jobs, RUN))
    for a, b in zip(small, large, strict=True):
        assert all(torch.allclose(a[name].float(), b[name].float(), atol=1e-4) for name in a)
    assert equal(states(fit_heads(jobs[1:2], RUN))[0], large[1])


def test_constants_vary_inside_a_stack(heads):
    configs = [{"weight": 0.0, "lr": 1e-2}, {"weight": 5.0, "lr": 1e-2}]
    jobs = heads.jobs(2, heads.Spectral, config=heads.SpectralConfig, arrays=1, orders=1, configs=configs)
    jobs = [replace(job, seed=1, rows=jobs[0].rows, targets=jobs[0].targets) for job in jobs]
    free, pulled = fit_heads(jobs, RUN)
    alike = fit_heads([jobs[0], replace(jobs[1], tuner=jobs[0].tuner)], RUN)[1]

    def top_share(result):
        z = result.predictor.embed(jobs[0].features[jobs[0].rows, 0])
        values = np.linalg.svd(z, compute_uv=False)
        return values[0] / values.sum()

    assert top_share(pulled) > top_share(free)
    assert equal(alike.predictor.state(), free.predictor.state())


def test_rows_and_their_number_may_differ_in_a_stack(heads):
    jobs = heads.jobs(1, heads.MLP, n=50) + heads.jobs(1, heads.MLP, n=55)
    both = states(fit_heads(jobs, RUN))
    assert equal(states(fit_heads(jobs[1:], RUN))[0], both[1])
    with pytest.raises(FitError, match="signatures"):
        fit_heads(heads.jobs(1, n=50) + heads.jobs(1, n=70), RUN)


def test_a_trial_that_diverges_dies_alone(heads):
    healthy = heads.jobs(5, heads.Spectral, config=heads.SpectralConfig)
    sick = [{"lr": 1e38} if t == 2 else {} for t in range(5)]
    results = fit_heads(heads.jobs(5, heads.Spectral, config=heads.SpectralConfig, configs=sick), RUN)
    expected = fit_heads(healthy, RUN)
    assert [bool(r.error) for r in results] == [False, False, True, False, False]
    assert results[2].predictor is None
    assert results[2].error.startswith("Spectral: step ")
    assert "Lower the learning rate (1e+38)" in results[2].error
    for t in (0, 1, 3, 4):
        assert equal(results[t].predictor.state(), expected[t].predictor.state())


def test_a_trial_whose_loss_is_nan_dies_at_that_step(heads):
    class Sick(heads.CrossEntropy):
        def __call__(self, x, rows):
            value, rows = super().__call__(x, rows)
            return (
                LossValue(value.values + torch.where((x.prior[0] == 0) & (x.progress > 0.4), torch.nan, 0.0)),
                rows,
            )

    jobs = heads.jobs(4, loss=Sick(), epochs=2, n=48, batch=16)
    jobs[1] = replace(jobs[1], targets={"hard": np.ones(48, dtype=np.int64)})
    results = fit_heads(jobs, RUN)
    assert results[1].error == "Linear: step 4 of 6: 'loss' became nan. Lower the learning rate (0.01)."
    healthy = heads.jobs(4, loss=heads.CrossEntropy(), epochs=2, n=48, batch=16)
    for t in (0, 2, 3):
        assert equal(results[t].predictor.state(), states(fit_heads(healthy[t : t + 1], RUN))[0])


def test_a_trial_whose_decomposition_fails_dies_alone(heads):
    class Cholesky(heads.Linear):
        def objective(self, out, batch, fit):
            # Not positive definite from the second epoch on, where the first class has no item.
            matrix = torch.eye(3) * torch.where((fit.prior[0] == 0) & (fit.progress >= 0.5), -1.0, 1.0)
            return [
                *super().objective(out, batch, fit),
                Term("det", 1.0, torch.linalg.cholesky(matrix).sum() + 0 * out.logits.sum()),
            ]

    jobs = heads.jobs(4, Cholesky, n=48)
    healthy = states(fit_heads(jobs, RUN))
    jobs[2] = replace(jobs[2], targets={"hard": np.ones(48, dtype=np.int64)})
    results = fit_heads(jobs, RUN)
    assert results[2].error.startswith("Cholesky: step 4 of 6: ")
    assert "cholesky" in results[2].error
    for t in (0, 1, 3):
        assert equal(results[t].predictor.state(), healthy[t])


def test_all_trials_may_fail_in_one_decomposition(heads):
    class Cholesky(heads.Linear):
        def objective(self, out, batch, fit):
            matrix = torch.eye(3) * torch.where(fit.progress >= 0.5, -1.0, 1.0)
            return [
                *super().objective(out, batch, fit),
                Term("det", 1.0, torch.linalg.cholesky(matrix).sum() + 0 * out.logits.sum()),
            ]

    results = fit_heads(heads.jobs(3, Cholesky, n=48), RUN)
    for result in results:
        assert result.predictor is None
        assert result.error.startswith("Cholesky: step 4 of 6: ")
        assert "cholesky" in result.error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"targets": {"hard": np.full(50, -1)}},
            "no training item has both a known label and a weight above 0",
        ),
        (
            {"weights": np.zeros(50, dtype=np.float32)},
            "no training item has both a known label and a weight above 0",
        ),
        ({"weights": np.full(50, np.nan, dtype=np.float32)}, "weights of 50 training items"),
        ({"targets": {"hard": np.full(50, 4)}}, "a training label is 4. Possible: 0 to 3, or -1 for unknown"),
        ({"targets": {"hard": np.zeros(49, dtype=np.int64)}}, "49 targets for 50 training items"),
        (
            {"features": np.full((80, 1, 12), np.inf, dtype=np.float32)},
            "a feature of training item 0 is NaN or infinite. Mend or remove the item",
        ),
    ],
)
def test_a_trial_that_cannot_start_leaves_the_others(heads, change, message):
    jobs = heads.jobs(3)
    alone = states(fit_heads(jobs[:1], RUN))[0]
    jobs[1] = replace(jobs[1], **change)
    results = fit_heads(jobs, RUN)
    assert message in results[1].error
    assert equal(results[0].predictor.state(), alone)
    assert results[2].error == ""


def test_unknown_labels_weigh_nothing(heads):
    job = heads.jobs(1)[0]
    y = job.targets["hard"].copy()
    y[::3] = -1
    weights = job.weights.copy()
    weights[::3] = 0
    unknown, weightless = replace(job, targets={"hard": y}), replace(job, weights=weights)
    assert equal(*states(fit_heads([unknown, weightless], RUN)))


def test_views_are_view_major_and_share_targets(heads):
    seen = []

    class Two(heads.Linear):
        def objective(self, out, batch, fit):
            seen.append((batch.views, tuple(batch.x.shape), tuple(batch.view(batch.x, 1).shape)))
            apart = batch.view(batch.x, 1) - batch.view(batch.x, 0)
            same = (batch.view(batch.index, 0) == batch.view(batch.index, 1)).all()
            right = same & ((apart - 2).abs() < 1e-5).all()
            term = Term("right", 1.0, torch.where(right, 0.0, torch.nan))
            return [*super().objective(out, batch, fit), term]

    jobs = heads.jobs(2, Two, views=2)
    x = jobs[0].features
    x[:, 1] = x[:, 0] + 2
    results = fit_heads([replace(job, features=x) for job in jobs], RUN)
    assert seen[0] == (2, (32, 12), (16, 12))
    assert [result.error for result in results] == ["", ""]


def test_multi_label_targets_train_and_predict_with_sigmoid(heads):
    class BCE:
        accepts = frozenset({"multi"})

        def memory(self, n, classes):
            return {}

        def __call__(self, x, rows):
            per_entry = nn.functional.binary_cross_entropy_with_logits(
                x.logits, x.targets.multi, reduction="none"
            )
            return LossValue((per_entry * x.targets.observed).sum(-1)), rows

    job = heads.jobs(1, loss=BCE(), n=60, epochs=20, lr=0.05)[0]
    multi = (job.features[job.rows, 0, :4] > 0).astype(np.float32)
    (result,) = fit_heads([replace(job, targets={"multi": multi, "observed": np.ones_like(multi)})], RUN)
    scores = result.predictor.predict(job.features[job.rows, 0])
    assert scores.activation == "sigmoid"
    assert ((scores.probabilities() > 0.5) == multi).mean() > 0.9
    (refused,) = fit_heads(
        [replace(job, loss=heads.CrossEntropy(), targets={"multi": multi, "observed": np.ones_like(multi)})],
        RUN,
    )
    assert refused.error.startswith(
        "loss CrossEntropy does not take multi targets. Possible: hard. Name a loss that does, such as bce "
    )


def test_dropout_stacks_and_torchs_is_refused(heads):
    def tuner(middle):
        class Tuner(heads.Linear):
            def build(self, dim, classes):
                return nn.Sequential(nn.Linear(dim, 32), middle(), nn.Linear(32, classes))

        return Tuner

    jobs = heads.jobs(5, tuner(lambda: Dropout(0.5)))
    whole = states(fit_heads(jobs, RUN))
    assert equal(states(fit_heads(jobs[3:4], RUN))[0], whole[3])
    assert not torch.equal(
        whole[0]["0.weight"], states(fit_heads(heads.jobs(1, tuner(nn.Identity)), RUN))[0]["0.weight"]
    )
    (refused,) = fit_heads(heads.jobs(1, tuner(lambda: nn.Dropout(0.5))), RUN)
    assert (
        refused.error
        == "Tuner.build, layer 1, Dropout: a random layer cannot be stacked. Use burnish.blocks.Dropout."
    )


def test_prepared_tensors_are_stacked_and_those_of_other_shapes_set_apart(heads):
    class Prepared(heads.Linear):
        def prepare(self, data):
            means.append(data.x.mean((0, 1)))
            some = torch.zeros(int(data.generator.integers(1, 3)))
            return {"mean": means[-1], "first": data.x[0, 0], "some": some}

        def objective(self, out, batch, fit):
            far = (batch.x - fit.prepared["first"]).square().sum(-1)
            own = torch.where((batch.index > 0) | (far == 0), 0.0, torch.nan)
            return [*super().objective(out, batch, fit), Term("own", 1.0, own.sum())]

    means: list[torch.Tensor] = []
    jobs = heads.jobs(6, Prepared)
    assert [result.error for result in fit_heads(jobs, RUN)] == [""] * 6
    for job, mean in zip(jobs, means, strict=True):
        assert mean.tolist() == pytest.approx(job.features[job.rows].mean((0, 1)).tolist(), abs=1e-4)


def test_progress_counts_steps_of_trials_and_ends_at_all(heads):
    told = []
    fit_heads(
        heads.jobs(3, n=50, batch=16, epochs=2), Run(progress=lambda done, total: told.append((done, total)))
    )
    assert told[-1] == (3 * 4 * 2, 3 * 4 * 2)
    assert told == sorted(told)


def test_an_interrupt_stops_the_workers_and_gives_threads_back(heads):
    def interrupt(done, total):
        raise KeyboardInterrupt

    torch.set_num_threads(2)
    with pytest.raises(KeyboardInterrupt):
        fit_heads(
            heads.jobs(4, heads.MLP, dim=64, n=2000, total=2000, epochs=10_000), Run(progress=interrupt)
        )
    assert torch.get_num_threads() == 2


def test_global_random_state_is_left_alone(heads):
    before = torch.get_rng_state()
    fit_heads(heads.jobs(2), RUN)
    assert torch.equal(torch.get_rng_state(), before)


def task_of(job, supervision, features):
    n = len(features)
    splits = {"train": Split("train", np.arange(n, dtype=np.int64))}
    return Task(
        classes=job.classes,
        splits=splits,
        supervision=supervision,
        assessment=None,
        loss=job.loss,
        groups={},
        reads=FeaturesAlone(features),
        run=RUN,
    )


def test_fit_task_is_a_stack_of_one(heads):
    job = heads.jobs(1, heads.MLP)[0]
    task = task_of(job, Labels(y=job.targets["hard"]), job.features[job.rows])
    alone = job.tuner.fit(task)
    assert equal(alone.state(), states(fit_heads([head_job(job.tuner, task)], RUN))[0])
    with pytest.raises(FitError, match="no training item"):
        fit_task(job.tuner, task_of(job, Labels(y=np.full(50, -1)), job.features[job.rows]))


def test_head_job_takes_multi_labels(heads):
    job = heads.jobs(1)[0]
    made = head_job(
        job.tuner, task_of(job, MultiLabels(positive=np.eye(4)[job.targets["hard"]]), job.features[job.rows])
    )
    assert set(made.targets) == {"multi", "observed"}


def test_no_compiler_is_imported():
    import subprocess
    import sys

    code = (
        "import sys, numpy as np; from torch import nn; from burnish import HeadConfig; from burnish.data"
        " import Classes;from burnish.blocks import HeadTuner, HeadJob, Term; from burnish.heads.stacked"
        " import fit_heads; from burnish.contracts.tuner import Run\nclass T(HeadTuner):\n    def build(self,"
        " d, c): return nn.Linear(d, c)\n    def objective(self, out, batch, fit): return [Term('l', 1.0,"
        " out.logits.square().mean())]\nx = np.ones((8, 1, 3), dtype=np.float32); r = np.arange(8)\njob ="
        " HeadJob(T(HeadConfig(epochs=1)), None, x, r, {'hard': r % 2}, np.ones(8, np.float32),"
        " Classes.of(['a', 'b']), 0, 0, None)\nassert fit_heads([job], Run())[0].error =="
        " ''\nprint('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
