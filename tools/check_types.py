"""Runs ``mypy --strict`` over core and every plugin, in one process.

``python tools/check_types.py [further arguments of mypy]``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(arguments: list[str]) -> int:
    """Run mypy and return its exit status."""
    sources = [ROOT / "core" / "src", *sorted(ROOT.glob("plugins/*/src"))]
    packages = [
        str(package.relative_to(ROOT))
        for source in sources
        for package in sorted(source.iterdir())
        if (package / "__init__.py").is_file()
    ]
    # Sources of the checkout, whatever is installed: an editable install and a wheel are checked alike.
    environment = os.environ | {"MYPYPATH": os.pathsep.join(map(str, sources))}
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        "pyproject.toml",
        "--strict",
        *arguments,
        *packages,
    ]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 (the arguments are the caller's)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
