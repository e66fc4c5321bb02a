"""The numeric mode: everything about the machine that may change the last bits of a number.

It is found without importing torch.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from burnish.errors import MachineError, RecipeError
from burnish.installed import metadata
from burnish.places import compute_threads, processors

Mode = Literal["auto", "fp32", "bf16"]
Device = Literal["auto", "cpu", "cuda"]

DTYPES: Final = {"fp32": "float32", "bf16": "bfloat16"}
"""torch's name of the extraction dtype by mode."""

BF16_CAPABILITY: Final = 8.0
"""Lowest NVIDIA compute capability with fast bfloat16."""


@dataclass(frozen=True)
class Numeric:
    """Everything about the machine that may change the last bits of a number.

    Attributes:
        device: ``"cpu"`` or ``"cuda"``.
        dtype: of extraction: ``"float32"`` or ``"bfloat16"``.
        threads: torch's intra-op threads.
        torch: installed version of torch; empty where it is not installed.
        grid: items in an extraction cell; the last cell is padded.
    """

    device: str
    dtype: str
    threads: int
    torch: str
    grid: int = 64

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "device": self.device,
            "dtype": self.dtype,
            "threads": self.threads,
            "torch": self.torch,
            "grid": self.grid,
        }


def detect(numeric: Mode = "auto", device: Device = "auto", threads: int = 0) -> Numeric:
    """Return the numeric mode of this machine.

    Args:
        numeric: ``"auto"`` takes bfloat16 only where the device is fast in it: a CPU with AMX, an NVIDIA GPU
            of compute capability 8 or more.
        device: ``"auto"`` takes an NVIDIA GPU where one is found and torch was built for it.
        threads: of computation (`burnish.places.compute_threads`); 0 for ``OMP_NUM_THREADS``, else the
            physical cores this process may use.

    Raises:
        RecipeError: an argument is none of the possible values.
        MachineError: ``"cuda"`` is asked for and there is no NVIDIA GPU.
    """
    for key, value, possible in (
        ("numeric", numeric, ("auto", "fp32", "bf16")),
        ("device", device, ("auto", "cpu", "cuda")),
    ):
        if value not in possible:
            raise RecipeError(f"{value!r} is none of them", where=f"--{key}", possible=", ".join(possible))
    if threads < 0:
        raise RecipeError(
            f"{threads} threads",
            where="--threads",
            possible="a number from 1 on, or 0 for OMP_NUM_THREADS, else the physical cores",
        )
    torch = torch_version()
    gpu = gpu_capability() if device != "cpu" else 0.0
    if device == "cuda" and not gpu:
        raise MachineError("nvidia-smi finds no NVIDIA GPU", where="--device cuda", todo="Use --device cpu")
    chosen = "cuda" if gpu and (device == "cuda" or "+cpu" not in torch) else "cpu"
    fast = gpu >= BF16_CAPABILITY if chosen == "cuda" else "amx_bf16" in cpu_flags()
    dtype = ("bfloat16" if fast else "float32") if numeric == "auto" else DTYPES[numeric]
    return Numeric(chosen, dtype, compute_threads(threads), torch)


def verify(numeric: Numeric) -> None:
    """Check that torch sees the machine that the numeric mode was made for, and set its threads.

    Imports torch.

    Raises:
        MachineError: torch disagrees; the message names the difference.
    """
    import torch

    version = str(torch.__version__)
    if _public(version) != _public(numeric.torch):
        raise MachineError(
            f"torch {version} was imported, and the plan was made for torch {numeric.torch or '(none)'}",
            todo="Check which torch is first on the path",
        )
    if numeric.device == "cuda" and not torch.cuda.is_available():
        raise MachineError(
            "the plan is for device cuda, and torch finds no GPU it can use",
            todo="Use --device cpu, or install a torch built for this GPU",
        )
    if numeric.device == "cuda" and numeric.dtype == "bfloat16" and not torch.cuda.is_bf16_supported():
        raise MachineError(
            "the plan is for bfloat16, and torch says that this GPU has none", todo="Use --numeric fp32"
        )
    use_threads(numeric.threads)


def use_threads(threads: int) -> None:
    """Let torch, and the BLAS that numpy uses, compute with so many threads from now on.

    Imports torch.

    Raises:
        MachineError: torch takes another number.
    """
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    if torch.get_num_threads() != threads:
        raise MachineError(
            f"the plan is for {threads} threads, and torch uses {torch.get_num_threads()}",
            todo="Set --threads",
        )
    threadpool_limits(threads, user_api="blas")


def _public(version: str) -> str:
    return version.partition("+")[0]


@cache
def torch_version() -> str:
    """Return the installed version of torch, without importing it; empty where it is not installed."""
    try:
        return metadata.version("torch")
    except metadata.NotInstalledError:
        return ""


@cache
def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return the instruction sets of the CPU as Linux names them; none where that cannot be read."""
    return frozenset(_first(cpuinfo, "flags").split())


def _first(cpuinfo: Path, key: str) -> str:
    return next((block[key] for block in processors(cpuinfo) if key in block), "")


@cache
def gpu_capability() -> float:
    """Return the lowest compute capability of the NVIDIA GPUs that this process may use.

    0 where there is none.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "unset").strip() in {"", "-1"} or not (
        program := shutil.which("nvidia-smi")
    ):
        return 0.0
    try:
        command = [program, "--query-gpu=compute_cap", "--format=csv,noheader"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603 (no argument is from outside)
        return min((float(line) for line in answer.split()), default=0.0)
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0.0
