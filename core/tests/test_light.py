"""Nothing light imports torch or numpy."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import burnish

HEAVY = "{'torch', 'numpy', 'scipy', 'PIL', 'rich', 'matplotlib', 'jinja2', 'safetensors', 'sklearn'}"


MODULES = [
    "burnish",
    "burnish.cli",
    "burnish.plan",
    "burnish.recipe",
    "burnish.manager",
    "burnish.numeric",
    "burnish.places",
    "burnish.fingerprint",
    "burnish.testing.dists",
]
COMMANDS = [
    ["--help"],
    ["list"],
    ["list", "--json"],
    ["show", "tuner", "mlp"],
    ["plugins"],
    ["validate", "first-study", "--device", "cpu"],
    ["validate", "--help"],
]


def fresh(code, **environment):
    """Run code in a fresh process; every line of its output that starts with HEAVY is returned."""
    code = f"import sys\nheavy = lambda: print('HEAVY', *sorted({HEAVY} & sys.modules.keys()))\n{code}"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [line for line in run.stdout.splitlines() if line.startswith("HEAVY")]


def test_one_module_reads_what_is_installed():
    """Two libraries for it would give objects of different classes."""
    written = re.compile(r"^\s*(from|import) importlib(_|\.| import )metadata", re.MULTILINE)
    sources = Path(burnish.__file__).parent.rglob("*.py")
    assert [file.name for file in sources if written.search(file.read_text())] == ["metadata.py"]


def test_modules_are_light():
    assert fresh("\n".join(f"import {module}; heavy()" for module in MODULES)) == ["HEAVY"] * len(MODULES)


@pytest.mark.usefixtures("study")
def test_commands_are_light(site):
    code = (
        f"from burnish.cli import main\nfor arguments in {COMMANDS!r}:\n    try:\n        main(arguments)\n  "
        "  except SystemExit as end:\n        assert not end.code, arguments\n    heavy()"
    )
    assert fresh(code, PYTHONPATH=str(site)) == ["HEAVY"] * len(COMMANDS)


def test_installed_plugins_are_light():
    assert fresh(
        "from burnish.manager import get_manager; get_manager(); heavy()",
        BURNISH_PLUGINS="basics,tiny,signs,nmtune",
    ) == ["HEAVY"]
