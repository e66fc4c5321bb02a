"""nmtune-step: NMTune's regularisers and whole training steps, ours against the textbook form.

The textbook form has `torch.linalg.svd` and a D x D covariance.

    python benchmarks/nmtune_step.py [--quick] [--threads N] [--rounds N] [--cpu-time]

Both sides run in one process on the same numbers, alternating A B A B; reported are the medians of the ratios
of neighbouring pairs. Before anything is timed, values and gradients are compared: 1e-4 and 1e-3 relative in
float32. On a machine that others use, --threads 1 --cpu-time leaves the time out in which this process was
not running.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import statistics
import time
from collections.abc import Callable
from itertools import cycle

import torch
from torch import Tensor
from torch.func import grad_and_value
from torch.nn.functional import cross_entropy, normalize

from burnish.heads.modules import MLPHead
from burnish_nmtune.regularisers import consistency, covariance_and_spectrum, spectrum

DIM, CLASSES, BATCHES, LAM = 768, 10, 8, 0.01

Regulariser = Callable[[Tensor, Tensor], Tensor]


def ours(f: Tensor, z: Tensor) -> Tensor:
    l_cov, l_svd = covariance_and_spectrum(z)
    return consistency(f, z).mean() + l_cov + l_svd


def svd_term(z: Tensor) -> Tensor:
    sigma = torch.linalg.svd(z, full_matrices=False)[1]
    share: Tensor = sigma[0] / sigma.sum()
    return -share


def textbook(f: Tensor, z: Tensor) -> Tensor:
    centred = z - z.mean(0)
    c = centred.T @ centred / (len(z) - 1)
    off_diagonal = (c.square().sum() - c.diagonal().square().sum()) / z.shape[1]
    total: Tensor = (normalize(f) - normalize(z)).square().sum(1).mean() + off_diagonal + svd_term(z)
    return total


def none(f: Tensor, z: Tensor) -> Tensor:
    return z.new_zeros(())


def keep_memory() -> None:
    """Let glibc keep freed memory.

    Else which side pays for handing 10 MB gradients back to the system, and asking again, is a matter of
    luck.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
        libc.mallopt(-3, 2**31 - 1)  # M_MMAP_THRESHOLD


def data(batch: int, steep: bool = False) -> tuple[Tensor, Tensor]:
    """Return rectified features (BATCHES, B, D) of ten classes, and their classes (BATCHES, B).

    Like real ones, the features are not centred.

    With ``steep`` their spread falls like 1 / i over the directions, so that float32 does not do for 512
    rows.
    """
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, CLASSES, (BATCHES, batch), generator=generator)
    noise = torch.randn(BATCHES, batch, DIM, generator=generator)
    if steep:
        spread = 1 / torch.arange(1, DIM + 1)
        turn = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator))[0]
        noise = (noise * (spread / spread.square().mean().sqrt())) @ turn
    return torch.relu(noise + 0.3 * torch.randn(CLASSES, DIM, generator=generator)[y] + 0.2), y


def alone(regulariser: Regulariser, f: Tensor, z: Tensor) -> Callable[[], None]:
    def run() -> None:
        z.grad = None
        torch.autograd.backward(regulariser(f, z))

    return run


def step(regulariser: Regulariser, x: Tensor, y: Tensor, ratio: int) -> Callable[[], None]:
    torch.manual_seed(0)
    head = MLPHead(DIM, CLASSES, ratio=ratio)
    # With the kernel that burnish trains with (`blocks.optimisers`), on every side.
    optimiser = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=1e-4, fused=True)
    batches = cycle(zip(x, y, strict=True))

    def run() -> None:
        f, labels = next(batches)
        optimiser.zero_grad()
        out = head(f)
        loss = cross_entropy(out.logits, labels)
        if regulariser is not none:
            loss = loss + LAM * regulariser(f, out.embeddings)
        torch.autograd.backward(loss)
        optimiser.step()

    return run


def compare(
    a: Callable[[], None], b: Callable[[], None], rounds: int, seconds: float, clock: Callable[[], float]
) -> tuple[float, float, float]:
    """Return median milliseconds of a and of b, and the median ratio of b's time to a's."""
    times: list[tuple[float, float]] = []
    a()
    b()
    start = clock()
    b()
    repeats = max(1, int(seconds / (clock() - start)))
    for _ in range(rounds):
        pair = []
        for side in (a, b):
            start = clock()
            for _ in range(repeats):
                side()
            pair.append((clock() - start) / repeats * 1e3)
        times.append((pair[0], pair[1]))
    return (
        statistics.median(x for x, _ in times),
        statistics.median(y for _, y in times),
        statistics.median(y / x for x, y in times),
    )


def check(f: Tensor, z: Tensor) -> str:
    """Return how far values and gradients are from the textbook form in float64.

    Values and gradients are those of the whole and of the singular-value term.

    Raises:
        SystemExit: it is more than 1e-4 and 1e-3.
    """
    found = []
    for mine, reference in ((ours, textbook), (lambda f, z: spectrum(z), lambda f, z: svd_term(z))):
        gradient, value = grad_and_value(mine, argnums=1)(f, z)
        true_gradient, true_value = grad_and_value(reference, argnums=1)(f.double(), z.double())
        of_value = ((value - true_value).abs() / true_value.abs()).item()
        of_gradient = ((gradient - true_gradient).norm() / true_gradient.norm()).item()
        if of_value > 1e-4 or of_gradient > 1e-3:
            raise SystemExit(f"not the same answer: value {of_value:.1e}, gradient {of_gradient:.1e}")
        found.append(f"value {of_value:.0e}, gradient {of_gradient:.0e}")
    return f"all terms: {found[0]}; singular-value term: {found[1]}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three short rounds instead of seven")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--cpu-time", action="store_true", help="measure the process's CPU time, for --threads 1"
    )
    args = parser.parse_args()
    clock = time.process_time if args.cpu_time else time.perf_counter
    rounds, seconds = args.rounds or (3 if args.quick else 7), 0.1 if args.quick else 0.4
    torch.set_num_threads(args.threads)
    keep_memory()
    timed = "CPU" if args.cpu_time else "wall"
    print(
        f"torch {torch.__version__}, {args.threads} threads, {timed} time, {rounds} rounds, load"
        f" {os.getloadavg()[0]:.1f}; float32, D {DIM}"
    )
    print("| what | B | ours ms | other ms | other / ours |")
    print("|---|---|---|---|---|")

    def row(what: str, batch: int, a: Callable[[], None], b: Callable[[], None]) -> None:
        print(
            "| {} | {} | {:.2f} | {:.2f} | {:.2f} |".format(
                what, batch, *compare(a, b, rounds, seconds, clock)
            ),
            flush=True,
        )

    for batch in (128, 512):
        x, y = data(batch)
        for steep in (False, True):
            f, z = data(batch, steep)[0][:2]
            difference = check(f, z)
            what = f"regularisers alone{', steep spectrum' if steep else ''} / SVD form"
            row(what, batch, alone(ours, f, z.requires_grad_()), alone(textbook, f, z))
            print(f"| *relative difference in float32* | {batch} | {difference} | | |")
        for ratio in (1, 4):
            row(
                f"step, hidden {ratio} D / SVD form",
                batch,
                step(ours, x, y, ratio),
                step(textbook, x, y, ratio),
            )
            row(f"step, hidden {ratio} D / bare MLP", batch, step(ours, x, y, ratio), step(none, x, y, ratio))


if __name__ == "__main__":
    main()
