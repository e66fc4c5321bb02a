"""The numeric mode: found without torch, and checked against it."""

import os
import subprocess
import sys
import types

import pytest

from burnish import numeric, places
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
        monkeypatch.setattr(places, "physical_cores", lambda: cores)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

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
            (
                "--threads: -1 threads. Possible: a number from 1 on, or 0 for OMP_NUM_THREADS, else the"
                " physical cores."
            ),
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


def test_the_flags_of_the_processor_are_read(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text(CPUINFO)
    assert "amx_bf16" in numeric.cpu_flags(file)
    assert numeric.cpu_flags(tmp_path / "gone") == frozenset()


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


def test_omp_num_threads_is_the_number_where_none_is_given(machine, monkeypatch):
    machine()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert (detect().threads, detect(threads=2).threads) == (3, 2)


def test_what_a_run_uses_is_what_the_plan_says():
    """Of torch and of the BLAS below numpy, whatever the environment says."""
    code = (
        "import numpy as np, torch, threadpoolctl; from burnish.numeric import detect, verify;"
        " verify(detect(device='cpu')); print(torch.get_num_threads(),"
        " *{lib['num_threads'] for lib in threadpoolctl.threadpool_info() if lib['user_api'] == 'blas'})"
    )
    for environment, wanted in (({"OMP_NUM_THREADS": "2"}, "2 2"), ({"OMP_NUM_THREADS": "1"}, "1 1")):
        asked = [sys.executable, "-c", code]
        found = subprocess.run(
            asked, capture_output=True, text=True, check=True, env={**os.environ, **environment}
        )
        assert found.stdout.strip() == wanted
