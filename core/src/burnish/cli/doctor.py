"""``burnish doctor``: what this machine and installation are like, and what is wrong with them."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from burnish._version import __version__
from burnish.cli.options import json_option
from burnish.cli.text import echo, echo_json
from burnish.errors import BurnishError, one_line
from burnish.installed import metadata
from burnish.manager import ENVIRONMENT, Manager, get_manager
from burnish.numeric import cpu_flags, detect, gpu_capability
from burnish.places import (
    FOLDER_VARIABLE,
    SIZE_VARIABLE,
    THREADS_VARIABLE,
    cache_folder,
    logical_cores,
    physical_cores,
)

_NEEDED: Final = ("torch", "numpy", "scipy", "safetensors", "pillow", "matplotlib", "jinja2", "rich")
_OPTIONAL: Final = ("scikit-learn", "pyarrow")
_FLAGS: Final = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_VARIABLES: Final = (
    ENVIRONMENT,
    FOLDER_VARIABLE,
    SIZE_VARIABLE,
    THREADS_VARIABLE,
    "MKL_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
)
_LEAST_FREE: Final = 1_000_000_000


@dataclass
class Findings:
    """What was found, section by section, and what is wrong."""

    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@click.command()
@click.option(
    "--torch/--no-torch",
    "with_torch",
    default=True,
    help="Ask torch, too, which takes a second or two to import.",
)
@json_option
@click.pass_context
def command(ctx: click.Context, with_torch: bool, as_json: bool) -> None:
    """Say what this machine and installation are like. The exit code is 1 when something is wrong."""
    found = examine(with_torch)
    if as_json:
        echo_json({"ok": not found.problems, "problems": found.problems, **found.sections})
    else:
        echo(_lines(found))
    if found.problems:
        ctx.exit(1)


def examine(with_torch: bool) -> Findings:
    """Look at versions, plugins, processor, device, cache and, where asked, at torch's view of the machine.

    Args:
        with_torch: whether to import torch.
    """
    found = Findings()
    found.sections["versions"] = _versions(found.problems)
    found.sections["plugins"] = _plugins(get_manager(), found.problems)
    found.sections["processor"] = _processor()
    found.sections["device"] = _device(found.problems)
    if with_torch and found.sections["versions"]["torch"]:
        found.sections["torch"] = _torch(found.sections["device"], found.problems)
    found.sections["cache"] = _cache(found.problems)
    found.sections["variables"] = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    return found


def _versions(problems: list[str]) -> dict[str, Any]:
    versions: dict[str, Any] = {"burnish": __version__, "python": platform.python_version()}
    versions |= {name: _version(name) for name in (*_NEEDED, *_OPTIONAL)}
    missing = [name for name in _NEEDED if not versions[name]]
    if missing:
        problems.append(
            f"{', '.join(missing)} not installed, so that nothing can be run: pip install 'burnish[run]'"
        )
    return versions


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.NotInstalledError:
        return None


def _plugins(manager: Manager, problems: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for plugin in manager.plugins:
        unmet = list(manager.unmet(plugin)) if plugin.status != "off" else []
        found[plugin.name] = {
            "version": plugin.version,
            "status": plugin.status,
            "reason": plugin.reason,
            "unmet": unmet,
        }
        if plugin.status == "failed":
            problems.append(f"plugin {plugin} failed: {plugin.reason}")
        problems.extend(f"plugin {plugin.name} requires {requirement}" for requirement in unmet)
    if not any(plugin["status"] not in {"failed", "off"} for plugin in found.values()):
        problems.append("no plugin is loaded, so that there is nothing to run: pip install burnish-basics")
    return found


def _processor() -> dict[str, Any]:
    flags = cpu_flags()
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": physical_cores(),
        "logical_cores": logical_cores(),
        "flags": [name for name in _FLAGS if name in flags],
    }


def _device(problems: list[str]) -> dict[str, Any]:
    """Return the numeric mode that a run would take by itself."""
    try:
        numeric = detect().record()
    except BurnishError as error:
        problems.append(str(error))
        return {}
    return {
        "found": numeric["device"],
        "dtype": numeric["dtype"],
        "threads": numeric["threads"],
        "gpu_capability": gpu_capability() or None,
    }


def _torch(device: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return torch's own view, and what of it does not fit what was found without torch."""
    try:
        import torch
    except Exception as error:  # an installation can be broken in any way; that is what is asked here
        problems.append(f"torch cannot be imported: {type(error).__name__}: {one_line(error)}")
        return {}
    cuda = torch.cuda.is_available()
    seen = {
        "version": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "built_for_cuda": torch.version.cuda,
        "gpu": torch.cuda.get_device_name() if cuda else None,
    }
    if device.get("found") == "cuda" and not cuda:
        problems.append(
            "there is an NVIDIA GPU that torch cannot use: install a torch built for it, or give --device cpu"
        )
    return seen


def _cache(problems: list[str]) -> dict[str, Any]:
    folder = cache_folder()
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    found: dict[str, Any] = {
        "folder": str(folder),
        "bytes": _size(folder),
        "free_bytes": None,
        "writable": False,
    }
    try:
        found["free_bytes"] = shutil.disk_usage(there).free
        with tempfile.TemporaryFile(dir=there):
            found["writable"] = True
    except OSError as error:
        problems.append(
            f"the cache folder {folder} cannot be written: {error.strerror or error}. Set BURNISH_CACHE to"
            " one that can"
        )
    if found["free_bytes"] is not None and found["free_bytes"] < _LEAST_FREE:
        problems.append(f"only {_said(found['free_bytes'])} are free for the cache in {folder}")
    return found


def _size(folder: Path) -> int:
    total = 0
    for inside, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(inside, name)).st_size
            except FileNotFoundError:  # another process is pruning
                continue
    return total


def _said(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _lines(found: Findings) -> Iterator[str]:
    for name, section in found.sections.items():
        if section:
            yield name
            width = max(map(len, section))
            yield from (f"  {key:{width}}  {_value(key, value)}" for key, value in section.items())
    yield ""
    yield from (f"wrong: {problem}" for problem in found.problems)
    if not found.problems:
        yield "nothing is wrong"


def _value(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(
            filter(
                None, [value["version"], "" if value["status"] == "ok" else value["status"], value["reason"]]
            )
        )
    if key.endswith("bytes") and value is not None:
        return _said(value)
    if isinstance(value, list):
        return ", ".join(value) or "-"
    return (
        {None: "-", True: "yes", False: "no"}.get(value, str(value))
        if value is None or isinstance(value, bool)
        else str(value)
    )
