"""federated: FedCLIP's adapter, with clients side by side in this process against Flower's simulation.

    python benchmarks/federated.py [--clients 100] [--rounds 10] [--dim 512] [--items 20] [--threads 2]

Both run the same federation on the same made-up features, and both keep the last round; before times are
printed, their weights are compared. Flower's time includes starting Ray, as every fit does; the time of its
rounds alone is printed beside it. Needs burnish-fedclip[flower].
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np
import torch
from torch.nn.functional import normalize

from burnish_fedclip import flower_app
from burnish_fedclip.local import LocalTraining, Part, Table
from burnish_fedclip.models import AttentionAdapter
from burnish_fedclip.server import Federation, Group, federate
from burnish_fedclip.simulation import simulate

CLASSES = 10


def made_up(clients: int, items: int, dim: int) -> tuple[AttentionAdapter, Group]:
    generator = torch.Generator().manual_seed(0)
    texts = normalize(torch.randn(CLASSES, dim, generator=generator), dim=1)
    y = torch.randint(0, CLASSES, (clients * items,), generator=generator)
    x = 10 * normalize(texts[y] + 0.1 * torch.randn(len(y), dim, generator=generator), dim=1)
    table = Table(x, y, torch.ones(len(y)))
    parts = [Part(k, np.arange(k * items, (k + 1) * items)) for k in range(clients)]
    empty = Table(x[:0], y[:0], torch.ones(0))
    nobody = [Part(k, np.empty(0, dtype=np.int64)) for k in range(clients)]
    return AttentionAdapter(texts, 100.0, "infonce"), Group(
        table, empty, parts, nobody, [str(k) for k in range(clients)]
    )


def nothing(done: int, total: int) -> None:
    del done, total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in (
        ("clients", 100),
        ("rounds", 10),
        ("dim", 512),
        ("items", 20),
        ("threads", 2),
        ("repeats", 3),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    model, group = made_up(given.clients, given.items, given.dim)
    federation = Federation(given.rounds, "uniform", "last", LocalTraining(5e-5, 0.2, 32, 1, order=0), seed=0)
    federate(model, group, Federation(1, "uniform", "last", federation.training, 0), nothing)  # warm

    here, ours = {}, []
    for _ in range(given.repeats):
        start = time.perf_counter()
        here = federate(model, group, federation, nothing)
        ours.append(time.perf_counter() - start)

    asked: list[float] = []
    ask = flower_app._ask

    def timed(*arguments: object) -> object:
        start = time.perf_counter()
        answers = ask(*arguments)  # type: ignore[arg-type]
        asked.append(time.perf_counter() - start)
        return answers

    flower_app._ask = timed  # type: ignore[assignment]
    start = time.perf_counter()
    there = simulate(model, group, federation, nothing)
    theirs = time.perf_counter() - start

    apart = max(float((here[name] - there[name]).abs().max()) for name in here)
    moved = max(float((here[name] - fresh).abs().max()) for name, fresh in model.start(0).items())
    load = os.getloadavg()[0]
    print(
        f"{given.clients} clients x {given.rounds} rounds, {given.items} items each, D = {given.dim},"
        f" {given.threads} threads, load {load:.1f}"
    )
    print(f"weights: {apart:.1e} apart at most, having moved by {moved:.1e} at most")
    own = statistics.median(ours)
    print(f"in-process        {own:8.2f} s  (median of {given.repeats}; {min(ours):.2f} to {max(ours):.2f})")
    print(f"Flower, whole     {theirs:8.2f} s  {theirs / own:7.1f} x")
    later = sum(asked[1:]) * given.rounds / max(1, len(asked) - 1)
    print(
        f"Flower, rounds    {later:8.2f} s  {later / own:7.1f} x  (from the second round on, as if the first"
        " took no longer)"
    )


if __name__ == "__main__":
    main()
