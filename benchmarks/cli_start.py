"""cli-start: `burnish --help`, `list` and `plugins` against `pytest --version`.

Every plugin and 40 fake ones are installed.

    python benchmarks/cli_start.py [--pairs N] [--write FILE.md]

Whole processes, alternating A B A B; reported are the medians, the least, and the median of the ratios of
neighbouring pairs. The same answer means that neither torch nor numpy is imported. On a machine that others
use, the CPU time (user and system) beside the wall time says what is ours.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from burnish.testing.dists import write_dist

FAKES, PAIRS, MOST_SECONDS, MOST_RATIO = 40, 15, 0.25, 2.5
HEAD = (
    "| command | wall, s | least wall, s | CPU, s | `pytest --version`: wall and CPU, s | ratio of wall |"
    " ratio of CPU |"
)
COMMANDS = (("--help",), ("list",), ("plugins",))

PLUGIN = """
from dataclasses import dataclass, field
from typing import Literal

import burnish

BURNISH_API = 1


@dataclass(frozen=True)
class Config(burnish.HeadConfig):
    rate: float = field(default=0.5, metadata={{"help": "a rate", "range": (0, 1)}})
    variant: Literal["paper", "released"] = field(default="paper", metadata={{"help": "which"}})


@burnish.hookimpl
def burnish_tuners():
    return [
        burnish.Tuner(
            name="fake-{n}",
            target="fake_{n}_heavy:Fake",
            config=Config,
            summary="A method that is not there",
            needs={{"features"}},
        )
    ]


@burnish.hookimpl
def burnish_losses():
    return [
        burnish.Loss(name="fake-loss-{n}", target="fake_{n}_heavy:Loss", summary="A loss that is not there")
    ]


@burnish.hookimpl
def burnish_commands():
    return [
        burnish.Command(
            name="fake-{n}", target="fake_{n}_heavy:command", summary="A command that is not there"
        )
    ]
"""


@dataclass(frozen=True)
class Took:
    """What a process took, in seconds."""

    wall: float
    cpu: float


def took(command: list[str], environment: dict[str, str]) -> Took:
    """Run a process once."""
    start = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Took(wall, used.ru_utime + used.ru_stime)


def install_fakes(site: Path) -> None:
    """Write distributions with light modules, as pip would leave them."""
    for number in range(FAKES):
        module = f"fake_{number}"
        files = {f"{module}/__init__.py": PLUGIN.format(n=number), f"{module}_heavy.py": "import torch\n"}
        write_dist(site, f"burnish-fake-{number}", "1.0.0", {f"fake-{number}": module}, files)


def heavy_imports(command: tuple[str, ...], environment: dict[str, str]) -> set[str]:
    """Return which of torch and numpy a command imports."""
    traced = [sys.executable, "-X", "importtime", "-m", "burnish", *command]
    done = subprocess.run(traced, env=environment, capture_output=True, text=True, check=True)
    imported = {
        line.rpartition("|")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    return imported & {"torch", "numpy"}


def measure(pairs: int) -> list[str]:
    """Run everything and return the report's lines."""
    scripts = Path(sysconfig.get_path("scripts"))
    with tempfile.TemporaryDirectory() as folder:
        install_fakes(Path(folder))
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTHONDONTWRITEBYTECODE", "BURNISH_PLUGINS")
        }
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH", "")]))
        listed = subprocess.run(
            [scripts / "burnish", "plugins"], env=environment, capture_output=True, text=True, check=True
        ).stdout
        plugins = len(listed.splitlines()) - 1
        lines = [HEAD, "|---|---|---|---|---|---|---|"]
        for command in COMMANDS:
            if found := heavy_imports(command, environment):
                raise SystemExit(f"burnish {' '.join(command)} imports {', '.join(found)}")
            ours, theirs = [str(scripts / "burnish"), *command], [str(scripts / "pytest"), "--version"]
            for warm in (ours, theirs):
                took(warm, environment)
            runs = [(took(ours, environment), took(theirs, environment)) for _ in range(pairs)]
            lines.append(row(" ".join(command), runs))
        return [f"{plugins} plugins are listed, {FAKES} of them fake ones; {pairs} pairs.", "", *lines]


def row(command: str, runs: list[tuple[Took, Took]]) -> str:
    """Return a line of the table, and say where an aim is missed."""
    ours = statistics.median(a.wall for a, _ in runs), statistics.median(a.cpu for a, _ in runs)
    theirs = statistics.median(b.wall for _, b in runs), statistics.median(b.cpu for _, b in runs)
    least = min(a.wall for a, _ in runs)
    ratios = (
        statistics.median(a.wall / b.wall for a, b in runs),
        statistics.median(a.cpu / b.cpu for a, b in runs),
    )
    kept = ours[0] <= MOST_SECONDS and ratios[0] <= MOST_RATIO
    missed = "" if kept else "  (aim missed)"
    print(
        f"{command}: {ours[0]:.3f} s, {ratios[0]:.2f} times pytest; CPU {ours[1]:.3f} s, {ratios[1]:.2f}"
        f" times{missed}"
    )
    cells = (
        f"{ours[0]:.3f} | {least:.3f} | {ours[1]:.3f} | {theirs[0]:.3f}, {theirs[1]:.3f} | {ratios[0]:.2f} |"
        f" {ratios[1]:.2f}"
    )
    return f"| `burnish {command}` | {cells} |"


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
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--write", type=Path, help="write the result as markdown")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    lines = measure(options.pairs)
    if options.write:
        head = [
            "# cli-start",
            "",
            (
                f"{dt.date.today()}, {processor()}, Python {platform.python_version()}; load average at the"
                f" start {load:.1f}."
            ),
            f"Command: `python benchmarks/cli_start.py --pairs {options.pairs}`.",
            (
                f"Aim: at most {MOST_SECONDS} s and {MOST_RATIO} times `pytest --version` (wall), with"
                " neither torch nor numpy imported."
            ),
            "",
        ]
        options.write.write_text("\n".join([*head, *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
