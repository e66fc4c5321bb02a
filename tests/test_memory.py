"""Memory: the peak of a whole study over that of a process that imported torch."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

N, D, CLASSES, REPLICATES, CANDIDATES = 40_000, 512, 10, 3, 2
ALLOWANCE = 200 * 2**20

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc/PID/smaps_rollup, as Linux has it"
)


def anonymous(pid):
    """Anonymous memory of a process and of all below it, in bytes."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Anonymous:"):
                total += int(line.split()[1]) * 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(anonymous(int(child)) for child in (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
        pass
    return total


def peak(command, **how):
    """Run a command; return the most anonymous memory that its process tree had at once, and how it ended."""
    most = 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how
    ) as process:
        reading = threading.Thread(target=process.communicate)
        reading.start()
        while reading.is_alive():
            most = max(most, anonymous(process.pid))
            time.sleep(0.01)
        reading.join()
    return most, process.returncode


def stack_state():
    """Bytes of the largest stack: parameters, gradients and two moments of every trial, and their batches."""
    head = D * D + 4 * D + D * CLASSES + CLASSES
    mlp = head + D * D + D
    return REPLICATES * CANDIDATES * mlp * 4 * 4


@pytest.mark.slow
def test_the_peak_of_a_study_is_features_and_stacks_and_little_else(burnish, tmp_path):
    y = np.arange(N) % CLASSES
    x = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
    x[:, :CLASSES] += 3 * np.eye(CLASSES, dtype=np.float32)[y]
    np.savez(tmp_path / "data.npz", x=x, y=y)
    del x
    base, code = peak([sys.executable, "-c", "import torch"])
    assert code == 0
    arguments = (
        *(
            "run",
            "-q",
            "--data",
            "npz:path=data.npz",
            "--tuner",
            "linear",
            "--tuner",
            "mlp:ratio=1",
            "--threads",
            "2",
            "--out",
            "study",
        ),
        *(
            "--replicates",
            str(REPLICATES),
            "-s",
            "tuner.epochs=2",
            "-s",
            "tuner.batch=512",
            "-s",
            "tune={budget: 2, space: {tuner.lr: [1e-3, 1e-2]}}",
        ),
    )
    most, code = peak(
        [sys.executable, "-m", "burnish", *arguments], cwd=tmp_path, env=burnish.environment({})
    )
    assert code == 0
    features = N * D * 4
    told = (
        f"{(most - base) / 2**20:,.0f} MB over torch's {base / 2**20:,.0f}; features {features / 2**20:,.0f},"
        f" stacks {stack_state() / 2**20:,.0f}"
    )
    print(told)
    assert most - base <= features + stack_state() + ALLOWANCE, told
