"""The numeric mode: found without torch, and checked against it."""

import subprocess
import sys
import types

import pytest

from burnish import numeric
from burnish.errors import MachineError, RecipeError
from burnish.numeric import Numeric, detect, verify

CPUINFO = """processor\t: 0
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu avx512f amx_bf16 amx_tile

processor\t: 1
physical id\t: 0
core id\t\t: 1
flags\t\t: fpu avx512f amx_bf16 amx_tile

processor\t: 2
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu

processor\t: 3
physical id\t: 1
core id\t\t: 0
flags\t\t: fpu
"""


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with a given CPU, GPU and torch."""

    def make(*, flags=(), gpu=0.0, torch="2.4.0", cores=6):
        monkeypatch.setattr(numeric, "cpu_flags", lambda: frozenset(flags))
        monkeypatch.setattr(numeric, "gpu_capability", lambda: gpu)
        monkeypatch.setattr(numeric, "torch_version", lambda: torch)
        monkeypatch.setattr(numeric, "physical_cores", lambda: cores)

    return make


@pytest.mark.parametrize(
    ("has", "asked", "found"),
    [
        ({}, {}, ("cpu", "float32", 6)),
        ({"flags": {"amx_bf16"}}, {}, ("cpu", "bfloat16", 6)),
        ({"flags": {"avx512_bf16"}}, {}, ("cpu", "float32", 6)),
        ({"flags": {"amx_bf16"}}, {"numeric": "fp32", "threads": 2}, ("cpu", "float32", 2)),
        ({}, {"numeric": "bf16"}, ("cpu", "bfloat16", 6)),
        ({"gpu": 9.0}, {}, ("cuda", "bfloat16", 6)),
        ({"gpu": 7.5, "flags": {"amx_bf16"}}, {}, ("cuda", "float32", 6)),
        ({"gpu": 9.0}, {"device": "cpu"}, ("cpu", "float32", 6)),
        ({"gpu": 9.0, "torch": "2.4.0+cpu"}, {}, ("cpu", "float32", 6)),
        ({"gpu": 9.0, "torch": "2.4.0+cu124"}, {}, ("cuda", "bfloat16", 6)),
        ({"torch": ""}, {}, ("cpu", "float32", 6)),
    ],
)
def test_the_mode_follows_from_the_machine(machine, has, asked, found):
    machine(**has)
    mode = detect(**asked)
    assert (mode.device, mode.dtype, mode.threads) == found
    assert (mode.torch, mode.grid) == (has.get("torch", "2.4.0"), 64)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"numeric": "fp16"}, RecipeError, "--numeric: 'fp16' is none of them. Possible: auto, fp32, bf16."),
        ({"device": "tpu"}, RecipeError, "--device: 'tpu' is none of them. Possible: auto, cpu, cuda."),
        (
            {"threads": -1},
            RecipeError,
            "--threads: -1 threads. Possible: 0 for the physical cores, or a number from 1 on.",
        ),
        (
            {"device": "cuda"},
            MachineError,
            "--device cuda: nvidia-smi finds no NVIDIA GPU. Use --device cpu.",
        ),
    ],
)
def test_what_cannot_be_is_told(machine, asked, error, message):
    machine()
    with pytest.raises(error) as caught:
        detect(**asked)
    assert str(caught.value) == message


def test_flags_and_physical_cores_are_read(tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    file.write_text(CPUINFO)
    assert "amx_bf16" in numeric.cpu_flags(file)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert numeric.physical_cores(file) == 3
    numeric.physical_cores.cache_clear()
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 2}, raising=False)
    assert numeric.physical_cores(file) == 1
    numeric.physical_cores.cache_clear()


def test_without_cpuinfo_there_are_no_flags_and_the_affinity_counts(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    assert numeric.cpu_flags(tmp_path / "gone") == frozenset()
    assert numeric.physical_cores(tmp_path / "gone") == 3


@pytest.mark.parametrize(
    ("script", "visible", "found"),
    [
        ("echo 9.0; echo 8.6", None, 8.6),
        ("echo 9.0", "", 0.0),
        ("echo 9.0", "-1", 0.0),
        ("echo '[N/A]'", None, 0.0),
        ("exit 9", None, 0.0),
    ],
)
def test_gpus_are_asked_of_nvidia_smi(tmp_path, monkeypatch, script, visible, found):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    numeric.gpu_capability.cache_clear()
    assert numeric.gpu_capability() == found
    numeric.gpu_capability.cache_clear()


def fake_torch(monkeypatch, *, version="2.4.0+cpu", cuda=False, bf16=True, stuck=None):
    threads = [1]
    torch = types.SimpleNamespace(
        __version__=version,
        cuda=types.SimpleNamespace(is_available=lambda: cuda, is_bf16_supported=lambda: bf16),
        set_num_threads=lambda n: threads.append(stuck or n),
        get_num_threads=lambda: threads[-1],
    )
    monkeypatch.setitem(sys.modules, "torch", torch)


@pytest.mark.parametrize(
    ("torch", "mode", "message"),
    [
        ({}, Numeric("cpu", "float32", 2, "2.4.0"), ""),
        ({"cuda": True}, Numeric("cuda", "bfloat16", 2, "2.4.0+cu124"), ""),
        (
            {"version": "2.5.0"},
            Numeric("cpu", "float32", 2, "2.4.0"),
            (
                "torch 2.5.0 was imported, and the plan was made for torch 2.4.0. Check which torch is first"
                " on the path."
            ),
        ),
        (
            {},
            Numeric("cuda", "float32", 2, "2.4.0"),
            (
                "the plan is for device cuda, and torch finds no GPU it can use. Use --device cpu, or install"
                " a torch built for this GPU."
            ),
        ),
        (
            {"cuda": True, "bf16": False},
            Numeric("cuda", "bfloat16", 2, "2.4.0"),
            "the plan is for bfloat16, and torch says that this GPU has none. Use --numeric fp32.",
        ),
        (
            {"stuck": 1},
            Numeric("cpu", "float32", 2, "2.4.0"),
            "the plan is for 2 threads, and torch uses 1. Set --threads.",
        ),
    ],
)
def test_torch_must_see_the_same_machine(monkeypatch, torch, mode, message):
    fake_torch(monkeypatch, **torch)
    if not message:
        verify(mode)
        return
    with pytest.raises(MachineError) as caught:
        verify(mode)
    assert str(caught.value) == message


def test_detecting_imports_no_torch():
    code = (
        "import sys; from burnish.numeric import detect; detect(device='cpu'); print('torch' in sys.modules,"
        " 'numpy' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False False\n"
    )
