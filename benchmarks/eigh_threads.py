"""eigh-threads: decompositions of symmetric float32 matrices on one thread and on all.

They decide from which size on NMTune uses all.

    python benchmarks/eigh_threads.py [--rounds N] [--busy N]

In every round each is done 20 times, alternating. Reported are the least and the largest of the rounds'
medians, because how far apart two virtual cores lie may change while it runs, and the mean and the worst of
all. --busy starts processes that want the cores, too.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import torch

SIZES, EACH = (128, 192, 256, 512, 513), 20


def timed(matrix: torch.Tensor, threads: int) -> float:
    """Return the milliseconds of one decomposition."""
    torch.set_num_threads(threads)
    start = time.perf_counter()
    torch.linalg.eigh(matrix)
    return (time.perf_counter() - start) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--busy", type=int, default=0, help="processes that compute beside it")
    args = parser.parse_args()
    every, generator = torch.get_num_threads(), torch.Generator().manual_seed(0)
    rows = [torch.relu(torch.randn(size, 768, generator=generator) + 0.2) for size in SIZES]
    found: dict[tuple[int, int], list[list[float]]] = {
        (size, threads): [] for size in SIZES for threads in (1, every)
    }
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)]
    try:
        for _ in range(args.rounds):
            times: dict[tuple[int, int], list[float]] = {key: [] for key in found}
            for _ in range(EACH):
                for x in rows:
                    for threads in (1, every):
                        times[len(x), threads].append(timed(x @ x.T, threads))
            for key, of_round in times.items():
                found[key].append(of_round)
    finally:
        for process in busy:
            process.kill()
    print(
        f"torch {torch.__version__}, {args.rounds} rounds of {EACH}, {args.busy} busy processes; milliseconds"
    )
    print("| rows | threads | round medians: least | largest | mean | worst |")
    print("|---|---|---|---|---|---|")
    for (size, threads), rounds in found.items():
        medians, flat = (
            [statistics.median(of_round) for of_round in rounds],
            [ms for of_round in rounds for ms in of_round],
        )
        print(
            f"| {size} | {threads} | {min(medians):.2f} | {max(medians):.2f} | {statistics.mean(flat):.2f} |"
            f" {max(flat):.2f} |"
        )


if __name__ == "__main__":
    main()
