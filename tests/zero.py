"""The core wheel alone: what has to work without any extra works, and the rest says what to install.

A script, for an environment with nothing in it but core and what core requires: no pytest, no plugin.
Standard library only.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HEAVY = ("torch", "numpy", "scipy", "PIL", "safetensors", "matplotlib", "jinja2", "rich", "sklearn")
INSTALL = "Install it: pip install 'burnish[run]'"

PLUGIN = '''
"""One of everything that a plan needs, without anything behind it."""

from __future__ import annotations

import burnish

BURNISH_API = 1
FEATURES = frozenset({"features"})


@burnish.hookimpl
def burnish_sources():
    provides = {"features", "labels"}
    return [burnish.Source(name="rows", target="hollow:X", summary="Rows of numbers", provides=provides)]


@burnish.hookimpl
def burnish_backbones():
    return [
        burnish.Backbone(
            name="features", target="hollow:X", summary="As given", needs=FEATURES, provides=FEATURES
        )
    ]


@burnish.hookimpl
def burnish_tuners():
    return [
        burnish.Tuner(
            name="probe",
            target="hollow:X",
            summary="A linear probe",
            needs=FEATURES,
            config=burnish.HeadConfig,
        )
    ]


@burnish.hookimpl
def burnish_losses():
    return [burnish.Loss(name="ce", target="hollow:X", summary="Cross-entropy")]


@burnish.hookimpl
def burnish_evaluators():
    return [
        burnish.Evaluator(
            name="accuracy", target="hollow:X", summary="Share of right answers", needs={"truth"}
        )
    ]
'''

NUMBER = {
    "value": 0.9,
    "low": 0.8,
    "high": 1.0,
    "values": [0.9],
    "n": 10,
    "unit": "fraction",
    "better": "up",
    "how": "percentile bootstrap",
    "note": "",
}
ROW = {
    "axes": {
        "data": "rows",
        "backbone": "features",
        "noise": "none",
        "assess": "none",
        "tuner": "probe",
        "loss": "ce",
    },
    "x": None,
    "line": "probe",
    "options": {},
    "finished": 1,
    "errors": [],
    "seconds": 0.1,
    "numbers": {"accuracy": {"test": NUMBER}},
}
SUMMARY = {
    "measure": "accuracy",
    "panels": {"test": ["test"]},
    "x": "",
    "lines": "tuner",
    "baseline": "",
    "replicates": 1,
    "units": 10,
    "draws": 10000,
    "rows": [ROW],
    "comparisons": [],
}


def burnish(*arguments: str) -> tuple[int, str, str]:
    """Run burnish; return exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "burnish", *arguments], capture_output=True, encoding="utf-8", check=False
    )
    return done.returncode, done.stdout, done.stderr


def works(*arguments: str, tells: str) -> None:
    """Fail unless a command succeeds and its output has a text."""
    code, out, err = burnish(*arguments)
    if code or tells not in out or err:
        raise SystemExit(
            f"burnish {' '.join(arguments)}: exit code {code}, expected 0 and {tells!r}\n{out}{err}"
        )
    print(f"works      burnish {' '.join(arguments)}")


def refuses(*arguments: str, tells: str) -> None:
    """Fail unless a command is refused in lines for people that have a text."""
    code, out, err = burnish(*arguments)
    lines = err.splitlines()
    if code != 2 or not lines or not all(line.startswith("burnish: ") and tells in line for line in lines):
        raise SystemExit(
            f"burnish {' '.join(arguments)}: exit code {code}, expected 2 and {tells!r} in every"
            f" line\n{out}{err}"
        )
    print(f"refuses    burnish {' '.join(arguments)}")


def finished_study(folder: Path) -> None:
    """Write the store of a finished study."""
    from burnish.engine.store import Record, Store

    folder.mkdir()
    with Store(folder / "study.sqlite") as store:
        store.add([Record("k", ROW["axes"], 0)])  # type: ignore[arg-type]
        store.set_meta(
            {
                "trials": '["k"]',
                "identity": json.dumps({"numeric.device": "cpu"}),
                "plan": "",
                "name": "alone",
                "key": "p",
            }
        )
        store.set_summary("p", SUMMARY)


def main() -> None:
    """Check everything in a folder of its own."""
    there = [name for name in HEAVY if importlib.util.find_spec(name)]
    if there:
        raise SystemExit(
            f"this is for an environment with core alone, and these are installed: {', '.join(there)}"
        )
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["BURNISH_CACHE"] = str(Path(folder) / "cache")
        Path("alone.py").write_text(PLUGIN, encoding="utf-8")
        Path("study.yaml").write_text("data: rows\ntuner: probe\n", encoding="utf-8")
        finished_study(Path("finished"))
        alone = ("--plugin", "alone.py")
        study = ("--data", "rows", "--tuner", "probe")
        works("--help", tells="Commands:")
        works("--version", tells="burnish ")
        works("list", tells="pip install burnish-basics")
        works(*alone, "list", tells="A linear probe")
        works(*alone, "list", "--json", tells='"full_name": "alone/probe"')
        works(*alone, "show", "tuner", "probe", tells="lr")
        works("plugins", tells="")
        works(*alone, "plugins", tells="alone")
        works(*alone, "validate", "study.yaml", tells="torch not installed")
        works(*alone, "validate", *study, "--plan", tells="alone/probe")
        works(*alone, "run", *study, "--dry-run", tells="trials")
        works("results", "finished", tells="90.0")
        works("results", "finished", "--format", "csv", tells="accuracy")
        works("new-plugin", "mine", "--kind", "loss", tells="")
        refuses(*alone, "run", "study.yaml", tells=INSTALL)
        refuses("report", "finished", tells=INSTALL)
        refuses(*alone, "check", "rows", tells=INSTALL)
        refuses("predict", "finished", "rows", tells=INSTALL)
        refuses("run", "--data", "digits", "--tuner", "linear", tells="pip install burnish-basics")
        refuses("run", "noisy-pretraining", tells="pip install burnish-nmtune")
        left = [str(path) for path in Path().rglob(".part-*")]
        if left:
            raise SystemExit(f"left behind: {left}")
    print("core alone is as it should be")


if __name__ == "__main__":
    main()
