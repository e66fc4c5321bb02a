"""Training many heads at once. One trial alone is the same code path, and gets the same bits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import Any

import torch

from burnish.contracts.tuner import Run, Task
from burnish.errors import FitError, ModelFileError
from burnish.heads.batches import batch_size
from burnish.heads.blame import author_error
from burnish.heads.head import HeadJob, HeadMethod, head_config
from burnish.heads.member import (
    FeatureTable,
    Member,
    build_module,
    check_job,
    make_member,
    template_of,
    training_data,
)
from burnish.heads.predictor import HeadPredictor, HeadResult, check_state, meta_module
from burnish.heads.stacks import Limits, can_share, is_closed_form, is_wide, signature, stacks, state_bytes
from burnish.heads.step import Step
from burnish.heads.targets import target_arrays
from burnish.heads.threads import thread_pool
from burnish.heads.training import StackTraining

_CACHE_BYTES = 160_000_000
"""State of the trials that one core trains at once: beyond it memory, not arithmetic, sets the pace."""

_GPU_STACK = 32
"""Trials of a stack on a GPU, always: its kernels may round differently for another number."""

_POLL_SECONDS = 0.1


def fit_heads(jobs: Sequence[HeadJob], run: Run) -> list[HeadResult]:
    """Train the trials of one stack.

    A head of few parameters is trained by one core, as one of T >= 2 trials in every matrix product (a single
    trial stands there twice), and each core takes a part of the stack; so neither the other trials nor the
    number of threads change a bit of the result. Where the bits would depend on the others
    (`burnish.heads.stacks.can_share`) each trial is trained by itself, and a head of many parameters by all
    cores. On a GPU a stack is always filled up to the same size.

    Args:
        jobs: trials of one `signature`.
        run: device, and who is told of progress, in steps of single trials.

    Returns:
        A result per job. A trial that cannot be trained has an error instead of a predictor and leaves the
        others as they are.

    Raises:
        burnish.errors.FitError: the trials do not belong in one stack, or the tuner's code cannot be stacked.
    """
    if not jobs:
        return []
    if len({signature(job) for job in jobs}) > 1:
        raise FitError(
            "trials of different signatures in one stack", todo="Group them with burnish.blocks.stacks"
        )
    table = FeatureTable(jobs, run.device)
    if is_closed_form(jobs[0].tuner):
        with thread_pool(torch.get_num_threads(), 1) as pool:
            solved = list(pool.map(lambda job: _solve(job, table, run), jobs))
        if all(result is not None for result in solved):
            return [result for result in solved if result is not None]
    results: list[HeadResult | None] = [None] * len(jobs)
    trials: dict[int, Member] = {}
    for number, job in enumerate(jobs):
        try:
            trials[number] = make_member(job, table, run.device)
        except FitError as error:
            results[number] = HeadResult(None, str(error))
    for number, result in _train(trials, table, run):
        results[number] = result
    return [result for result in results if result is not None]


def fit_task(tuner: HeadMethod[Any], task: Task) -> HeadPredictor:
    """Train one tuner on a task: a stack of one trial.

    Raises:
        burnish.errors.FitError: no usable training items, or the loss became NaN or infinite.
    """
    (result,) = fit_heads([head_job(tuner, task)], task.run)
    if result.predictor is None:
        raise FitError(result.error)
    return result.predictor


def head_job(tuner: HeadMethod[Any], task: Task) -> HeadJob:
    """Return the trial that fitting a tuner to a task is."""
    rows = task.splits["train"].index
    features = task.reads.features(training=True)
    targets, weights = target_arrays(task.supervision.take(rows), len(task.classes))
    order = int(task.generator("order").integers(2**63))
    return HeadJob(
        tuner,
        task.loss if tuner.uses_loss else None,
        features,
        rows,
        targets,
        weights,
        task.classes,
        task.seed,
        order,
        task.generator("tuner"),
    )


def _solve(job: HeadJob, table: FeatureTable, run: Run) -> HeadResult | None:
    """Return the result of a closed form; None where the tuner wants to be trained after all."""
    try:
        check_job(job)
        x = table.rows[torch.from_numpy(table.positions(job)).to(table.rows.device)]
        state = job.tuner.solve(training_data(job, x, run.device))
        if state is None:
            return None
        module = meta_module(job.tuner, job.features.shape[2], len(job.classes))
        own = {name: t.detach().to("cpu", copy=True).contiguous() for name, t in state.items()}
        check_state(own, module)
    except FitError as error:
        return HeadResult(None, str(error))
    except ModelFileError as error:
        return HeadResult(None, f"{type(job.tuner).__name__}.solve: {error}")
    except Exception as error:
        return HeadResult(None, str(author_error(job.tuner, "cannot be solved", error)))
    return HeadResult(_predictor(job, module, own))


def _predictor(job: HeadJob, template: torch.nn.Module, state: dict[str, torch.Tensor]) -> HeadPredictor:
    return HeadPredictor(
        job.tuner,
        template,
        state,
        job.classes,
        job.features.shape[2],
        "sigmoid" if "multi" in job.targets else "softmax",
    )


def _train(trials: dict[int, Member], table: FeatureTable, run: Run) -> list[tuple[int, HeadResult]]:
    """Train trials that may differ in nothing but their numbers; return results with their job's number."""
    if not trials:
        return []
    first = next(iter(trials.values()))
    module = build_module(
        first.job.tuner, first.job.features.shape[2], len(first.job.classes), first.job.seed
    )
    on_cpu, rows = (
        table.rows.device.type == "cpu",
        batch_size(len(first.positions), head_config(first.job.tuner).batch) * table.rows.shape[1],
    )
    wide, share = is_wide(module, rows), can_share(module, rows)
    workers = torch.get_num_threads() if on_cpu and not wide else 1
    least = 1 if not share else 2 if on_cpu else _GPU_STACK
    most = 1 if not share else max(2, _CACHE_BYTES // state_bytes(module, rows)) if on_cpu else _GPU_STACK
    parts = _parts(trials, most, workers if share and on_cpu else 1)
    monitor = _Monitor(run, sum(len(part) for part in parts))
    results: list[tuple[int, HeadResult]] = []

    def work(part: list[int]) -> None:
        step = Step(first.job.tuner, first.job.loss, template_of(module, training=True), table.rows.shape[1])
        training = StackTraining([trials[number] for number in part], step, table.rows, least)
        training.run(lambda done: monitor.advance(part, done, training.steps))
        template = template_of(module, training=False)
        for number, trained in zip(part, training.results(), strict=True):
            predictor = (
                None if trained.state is None else _predictor(trials[number].job, template, trained.state)
            )
            results.append((number, HeadResult(predictor, trained.error)))

    with thread_pool(workers, 1 if on_cpu and not wide else torch.get_num_threads()) as pool:
        futures = [pool.submit(work, part) for part in parts]
        try:
            monitor.watch(futures)
        except BaseException:
            monitor.stop.set()
            for future in futures:
                future.cancel()
            raise
    return results


def _parts(trials: dict[int, Member], most: int, workers: int) -> list[list[int]]:
    """Return the numbers of the trials that are trained together.

    Of equal shapes, neighbours of equal learning rate, spread over the workers.
    """
    alike: dict[Any, list[int]] = {}
    for number, trial in trials.items():
        alike.setdefault(trial.shapes(), []).append(number)
    parts = []
    for numbers in alike.values():
        numbers.sort(
            key=lambda n: (
                head_config(trials[n].job.tuner).lr,
                head_config(trials[n].job.tuner).weight_decay,
                n,
            )
        )
        count = max(-(-len(numbers) // most), min(workers, len(numbers) // 2))
        size = _balanced(len(numbers), -(-len(numbers) // count), workers)
        parts += [numbers[start : start + size] for start in range(0, len(numbers), size)]
    return parts


def _balanced(trials: int, size: int, workers: int) -> int:
    """Return a size of part, up to half as large again, with which the workers together are done first.

    All should be busy to the end.
    """

    def takes(size: int) -> int:
        rounds, at_last = divmod(-(-trials // size) - 1, workers)
        return rounds * size + (size if at_last else trials - rounds * workers * size)

    return min(range(size, size + size // 2 + 1), key=takes)


class _Monitor:
    """Adds up the progress of the workers, reports it from the caller's thread, and stops them."""

    def __init__(self, run: Run, trials: int) -> None:
        self.stop = threading.Event()
        self._run, self._trials, self._steps = run, trials, 0
        self._done: dict[int, int] = {}

    def advance(self, part: list[int], done: int, steps: int) -> bool:
        """Note that a part has done so many of its steps; return whether it should go on."""
        self._steps = steps
        self._done[part[0]] = done * len(part)
        return not self.stop.is_set()

    def watch(self, futures: Sequence[Future[None]]) -> None:
        """Report progress until all parts are done; raise what the first failing one raised."""
        reported = 0
        pending = set(futures)
        while pending:
            finished, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
            for future in finished:
                future.result()
            done = sum(list(self._done.values()))
            if done != reported:
                reported = done
                self._run.progress(done, self._trials * self._steps)


__all__ = ["Limits", "fit_heads", "fit_task", "head_job", "signature", "stacks"]
