"""cache-warm: the same study again, against its first run.

    python benchmarks/cache_warm.py [--rounds N] [--write FILE.md]

A study of real digits through a small network, tuned, three tuners; each round starts with an empty cache and
an empty folder. The same answer
means: the table is the same, and the second run imports neither torch nor numpy and therefore neither encodes
    nor trains.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS, MOST_SECONDS, MOST_SHARE = 3, 1.0, 0.02
STUDY = (
    *(
        "run",
        "--data",
        "digits",
        "--backbone",
        "tiny:noise=[0, 0.3]",
        "--tuner",
        "linear",
        "--tuner",
        "mlp",
        "--threads",
        "2",
        "--out",
        "study",
    ),
    *(
        "--replicates",
        "5",
        "-s",
        "tuner.epochs=20",
        "-s",
        "tune={budget: 4, space: {tuner.lr: [3e-4, 1e-3, 3e-3, 1e-2]}}",
    ),
)


def run(
    folder: str, environment: dict[str, str], *interpreter: str
) -> tuple[float, subprocess.CompletedProcess[str]]:
    """Run the study; return seconds of wall time, and how it ended."""
    start = time.perf_counter()
    command = [sys.executable, *interpreter, "-m", "burnish", *STUDY]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"the study ended with {done.returncode}: {done.stderr}")
    return seconds, done


def one_round() -> tuple[float, float]:
    """Return the seconds of a first and of a second run."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["BURNISH_CACHE"] = str(Path(folder) / "cache")
        first, made = run(folder, environment)
        second, shown = run(folder, environment)
        _, traced = run(folder, environment, "-X", "importtime")
        imported = {
            line.rpartition("|")[2].strip()
            for line in traced.stderr.splitlines()
            if line.startswith("import time:")
        }
        if imported & {"torch", "numpy"} or made.stdout != shown.stdout:
            raise SystemExit("the second run is another answer, or imports torch or numpy")
    return first, second


def processor() -> str:
    """Return the processor's name."""
    path = Path("/proc/cpuinfo")
    names = (
        [
            line.partition(":")[2].strip()
            for line in path.read_text().splitlines()
            if line.startswith("model name")
        ]
        if path.exists()
        else []
    )
    return (
        f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} logical cores"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--write", type=Path, help="write the result as markdown")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    rounds = [one_round() for _ in range(options.rounds)]
    first, second = (statistics.median(values) for values in zip(*rounds, strict=True))
    share = statistics.median(b / a for a, b in rounds)
    kept = "" if second <= MOST_SECONDS and share <= MOST_SHARE else "  (aim missed)"
    print(f"first run {first:.2f} s, second {second:.2f} s: {share:.2%}{kept}")
    if options.write:
        lines = [
            "# cache-warm",
            "",
            (
                f"{dt.date.today()}, {processor()}, Python {platform.python_version()}; load average at the"
                f" start {load:.1f}."
            ),
            f"Command: `python benchmarks/cache_warm.py --rounds {options.rounds}`.",
            (
                f"Aim: the second run of a study takes at most {MOST_SECONDS:.0f} s and {MOST_SHARE:.0%} of"
                " the first, without torch and numpy."
            ),
            "",
            "| first run, s | second run, s | second / first |",
            "|---|---|---|",
            f"| {first:.2f} | {second:.2f} | {share:.2%} |",
            "",
        ]
        options.write.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
