"""Many heads trained at once against the same heads trained one after another in a plain loop.

    python benchmarks/stacked_tuners.py [--quick] [--trials 60] [--pairs 5] [--threads N] [--dims 64 384 768]

Both sides train the same trials: same initial values, batches, learning rates, loss; an MLP with batch
normalisation (D, 4 D, D, C), and NMTune where its plugin is installed. The plain loop is what a careful
author writes: features in memory, batches by index, `torch.nn`, `torch.optim.AdamW`, all of torch's threads.
Ours is `burnish.heads.stacked.fit_heads` with the same number of threads.

Both run in one process, alternating (A B A B ...); the ratio is the median over pairs. Same answer: the two
sides' mean accuracies on fresh items differ by less than twice the standard error of that difference, trials
paired.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from burnish.blocks import Batch, Fit, HeadTuner, Outputs
from burnish.contracts.loss import Accepts, LossInput, LossValue, Targets
from burnish.contracts.tuner import Run
from burnish.data import Classes
from burnish.errors import PluginError
from burnish.heads.batches import batch_rows, rows_in_last_batch
from burnish.heads.head import HeadJob, as_outputs, head_config
from burnish.heads.member import build_module
from burnish.heads.modules import MLPHead
from burnish.heads.stacked import fit_heads
from burnish.manager import get_manager
from burnish.options import HeadConfig

CLASSES, ITEMS, FRESH, BATCH = 10, 1100, 2000, 64

TunerAndConfig = tuple[type[HeadTuner[Any]], type[HeadConfig]]


class CrossEntropy:
    """Cross-entropy of hard targets."""

    accepts: ClassVar[frozenset[Accepts]] = frozenset({"hard"})

    def memory(self, n: int, classes: int) -> Mapping[str, Tensor]:
        """Return nothing."""
        return {}

    def __call__(self, x: LossInput, rows: Mapping[str, Tensor]) -> tuple[LossValue, Mapping[str, Tensor]]:
        """Return a value an example."""
        assert x.targets.hard is not None
        return LossValue(-x.logits.log_softmax(-1).gather(-1, x.targets.hard.unsqueeze(-1)).squeeze(-1)), rows


class MLP(HeadTuner[HeadConfig]):
    """The head of NMTune, trained with the loss alone."""

    def build(self, dim: int, classes: int) -> nn.Module:
        """Return the head."""
        return MLPHead(dim, classes)


@dataclass(frozen=True)
class Setting:
    """What is timed: a width, and epochs that keep a side to some seconds."""

    dim: int
    epochs: int


def tuners() -> dict[str, TunerAndConfig]:
    """Return the tuners to time, by name."""
    found: dict[str, TunerAndConfig] = {"mlp": (MLP, HeadConfig)}
    try:
        component = get_manager().get("tuner", "nmtune")
    except PluginError:
        return found
    return found | {
        "nmtune": (get_manager().resolve(component, component.descriptor.target), component.descriptor.config)
    }


def make_jobs(
    tuner: TunerAndConfig, setting: Setting, trials: int
) -> tuple[list[HeadJob], NDArray[Any], NDArray[Any]]:
    """Return trials of ten replicates and four learning rates, and fresh items with their classes."""
    generator = np.random.default_rng(0)
    means = generator.standard_normal((CLASSES, setting.dim)) * 2.2 / math.sqrt(setting.dim)
    y = generator.integers(0, CLASSES, 2 * ITEMS + FRESH)
    x = (means[y] + generator.standard_normal((len(y), setting.dim)) * 6 / math.sqrt(setting.dim)).astype(
        np.float32
    )
    kind, config = tuner
    classes = Classes.of([str(c) for c in range(CLASSES)])
    jobs = []
    for t in range(trials):
        rows = np.sort(np.random.default_rng(t % 10).permutation(2 * ITEMS)[:ITEMS])
        made = kind(config(lr=(3e-4, 1e-3, 3e-3, 1e-2)[t % 4], epochs=setting.epochs, batch=BATCH))
        weights = np.ones(ITEMS, dtype=np.float32)
        jobs.append(
            HeadJob(
                made,
                CrossEntropy(),
                x[:, None],
                rows,
                {"hard": y[rows]},
                weights,
                classes,
                t % 10,
                t % 10,
                None,
            )
        )
    return jobs, x[2 * ITEMS :], y[2 * ITEMS :]


def stacked(jobs: Sequence[HeadJob]) -> list[Any]:
    """Train with ours; return what predicts classes."""
    results = fit_heads(jobs, Run())
    assert not any(r.error for r in results), next(r.error for r in results if r.error)
    return [r.predictor for r in results]


def plain(jobs: Sequence[HeadJob]) -> list[nn.Module]:
    """Train one after another."""
    return [plain_one(job) for job in jobs]


def plain_one(job: HeadJob) -> nn.Module:
    """Train one trial the usual way."""
    tuner, config, n = job.tuner, head_config(job.tuner), len(job.rows)
    module = build_module(tuner, job.features.shape[2], CLASSES, job.seed).train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    x, y = torch.from_numpy(job.features[job.rows, 0]), torch.from_numpy(job.targets["hard"])
    constants = {name: torch.tensor(float(getattr(tuner.config, name))) for name in tuner.constants}
    prior, weights = torch.bincount(y, minlength=CLASSES).float(), torch.ones(n)
    first = batch_rows(n, config.batch, job.order, 0)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, first.shape[0] * config.epochs)
    last = rows_in_last_batch(n, config.batch)
    for epoch in range(config.epochs):
        for number, rows in enumerate(torch.from_numpy(batch_rows(n, config.batch, job.order, epoch))):
            own = last if number == len(first) - 1 else len(rows)

            def loss(out: Outputs, batch: Batch, own: int = own) -> Tensor:
                assert batch.targets.hard is not None
                return cross_entropy(out.logits[:own], batch.targets.hard[:own])

            batch = Batch(x[rows], Targets(hard=y[rows]), weights[rows], rows)
            fit = Fit(constants, {}, prior, torch.tensor(0.0), loss)
            terms = tuner.objective(as_outputs(module(batch.x)), batch, fit)
            optimiser.zero_grad()
            torch.stack([term.weight * term.value for term in terms]).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            scheduler.step()
    return module.eval()


def accuracies(models: Sequence[Any], x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Return the accuracy of each model on fresh items."""
    found = []
    for model in models:
        with torch.no_grad():
            top = (
                model(torch.from_numpy(x)).logits.argmax(1).numpy()
                if isinstance(model, nn.Module)
                else model.predict(x).top()
            )
        found.append((top == y).mean())
    return np.array(found)


def timed(side: Any, jobs: Sequence[HeadJob]) -> tuple[float, float, list[Any]]:
    """Return wall seconds, processor seconds and the models."""
    wall, cpu = time.perf_counter(), time.process_time()
    models = side(jobs)
    return time.perf_counter() - wall, time.process_time() - cpu, models


def compare(name: str, tuner: TunerAndConfig, setting: Setting, trials: int, pairs: int) -> str:
    """Time both sides; return a row of the table."""
    jobs, x, y = make_jobs(tuner, setting, trials)
    warm, _, _ = make_jobs(tuner, Setting(setting.dim, 1), 2)
    stacked(warm), plain(warm[:1])
    walls, cpus, ours, theirs = [], [], np.zeros(0), np.zeros(0)
    for _ in range(pairs):
        a, a_cpu, models_a = timed(stacked, jobs)
        b, b_cpu, models_b = timed(plain, jobs)
        walls.append((a, b))
        cpus.append((a_cpu, b_cpu))
        ours, theirs = accuracies(models_a, x, y), accuracies(models_b, x, y)
    difference = ours - theirs
    error = math.sqrt(difference.var() / trials + 2 * ours.mean() * (1 - ours.mean()) / (trials * len(y)))
    same = "yes" if abs(difference.mean()) <= 2 * error else "NO"
    steps = trials * len(batch_rows(ITEMS, BATCH, 0, 0)) * setting.epochs
    ratio = statistics.median(b / a for a, b in walls)
    ratio_cpu = statistics.median(b / a for a, b in cpus)
    per_step = [1e3 * statistics.median(column) / steps for column in zip(*walls, strict=True)]
    return (
        f"| {name} | {setting.dim} | {trials} | {steps // trials} | {per_step[0]:.2f} | {per_step[1]:.2f} |"
        f" **{ratio:.1f}** | {ratio_cpu:.1f} | {ours.mean():.3f} | {theirs.mean():.3f} | {same} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one pair of fewer trials and widths: whether it runs, not how fast",
    )
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--dims", type=int, nargs="+", default=[64, 384, 768])
    options = parser.parse_args()
    if options.quick:
        options.trials, options.pairs, options.dims = min(options.trials, 6), 1, options.dims[:1]
    torch.set_num_threads(options.threads)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else math.nan
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {options.threads} threads,"
        f" torch {torch.__version__}, load {load:.1f}"
    )
    print(
        f"n {ITEMS}, batch {BATCH}, {CLASSES} classes, {options.pairs} pairs; milliseconds are per step of"
        " one trial\n"
    )
    print(
        "| tuner | D | trials | steps | ours ms | plain ms | ratio | ratio of processor time | accuracy ours"
        " | plain | same |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, tuner in tuners().items():
        for dim in options.dims:
            setting = Setting(dim, 10 if dim <= 128 else 3 if dim <= 512 else 1)
            print(compare(name, tuner, setting, options.trials, options.pairs), flush=True)


if __name__ == "__main__":
    main()
