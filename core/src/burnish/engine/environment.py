"""The machine and the libraries a study was run with, for its report.

Nothing here decides a number: that is the numeric mode. Light.
"""

from __future__ import annotations

import platform
from pathlib import Path

from burnish.installed import metadata
from burnish.numeric import Numeric
from burnish.places import logical_cores

_LIBRARIES = ("burnish", "torch", "numpy", "scipy", "pillow")


def environment(numeric: Numeric, cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Return what a reader of the report wants to know of the machine, by name.

    No host and no user name is in it.

    Args:
        numeric: the numeric mode of the study.
        cpuinfo: where Linux describes the processor.
    """
    cores = logical_cores()
    found = {
        "processor": f"{_processor(cpuinfo)}, {cores} logical core{'s' if cores != 1 else ''}",
        "accelerator": _accelerator() if numeric.device == "cuda" else "",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }
    return {name: value for name, value in (found | libraries()).items() if value}


def libraries() -> dict[str, str]:
    """Return the installed versions of the libraries that numbers pass through."""
    versions = {}
    for library in _LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.NotInstalledError:
            continue
    return versions


def _processor(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _accelerator() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
