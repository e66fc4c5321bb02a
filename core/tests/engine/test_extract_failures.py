"""Extracting features where memory runs out, a write fails, a process is killed, or several run at once."""

import errno
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_extraction import SPEC, FakeBackbone, broken, dataset, expected, run, texts_of

from burnish import files
from burnish.data import content_id
from burnish.engine.features import extract
from burnish.engine.features.shards import read_header
from burnish.errors import MachineError

ROWS = 150


def rows_of(data, view=None):
    return np.array([expected(text, view) for text in texts_of(data)])


def whole(data, tmp_path, **settings):
    return run(data, tmp_path, **settings)[0].features


# -- what comes out ------------------------------------------------------------------------------------------


# -- memory --------------------------------------------------------------------------------------------------


def failing(error, times):
    """A backbone whose encode raises so many times first."""
    backbone = FakeBackbone(drift=1)
    encode, left = backbone.encode, [times]

    def encode_or_fail(inputs):
        if left[0]:
            left[0] -= 1
            raise error
        return encode(inputs)

    backbone.encode = encode_or_fail
    return backbone


def out_of_memory():
    import torch

    return [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ]


@pytest.mark.parametrize("number", range(3))
def test_out_of_memory_takes_fewer_cells_never_smaller_ones(tmp_path, number):
    data = dataset(ROWS)
    plain = whole(data, tmp_path / "plain", backbone=FakeBackbone(drift=1))
    backbone = failing(out_of_memory()[number], 1)
    assert whole(data, tmp_path / "other", backbone=backbone).tobytes() == plain.tobytes()
    assert {len(cell) for cell in backbone.cells} == {64}


@pytest.mark.parametrize("number", range(3))
def test_out_of_memory_with_one_cell(tmp_path, number):
    with pytest.raises(MachineError) as caught:
        run(dataset(ROWS), tmp_path, backbone=failing(out_of_memory()[number], 99))
    assert (
        "fake:size=1: out of memory with a single cell of 64 items on cpu. Choose a smaller backbone"
        in str(caught.value)
    )


def test_cells_in_flight_on_a_gpu_change_nothing(tmp_path):
    """The fake ignores the device; four cells wait before the first is fetched."""
    data = dataset(64 * 7 + 5)
    gpu = replace(SPEC, numeric=replace(SPEC.numeric, device="cuda"))
    plain = whole(data, tmp_path, backbone=FakeBackbone(drift=1))
    assert whole(data, tmp_path, backbone=FakeBackbone(drift=1), spec=gpu).tobytes() == plain.tobytes()
    once = failing(out_of_memory()[0], 0)
    encode, calls = once.encode, []

    def fail_at_the_third(inputs):
        calls.append(len(inputs["x"]))
        if len(calls) == 3:
            raise out_of_memory()[0]
        return encode(inputs)

    once.encode = fail_at_the_third
    assert whole(data, tmp_path / "other", backbone=once, spec=gpu).tobytes() == plain.tobytes()


def test_out_of_memory_while_preparing(tmp_path):
    data = dataset(ROWS)
    backbone = FakeBackbone()
    prepare, calls = backbone.prepare, []

    def once(items, view, ids):
        calls.append(len(items))
        if len(calls) == 2:
            raise MemoryError
        return prepare(items, view, ids)

    backbone.prepare = once
    assert np.array_equal(whole(data, tmp_path, backbone=backbone), rows_of(data))

    def always(items, view, ids):
        raise MemoryError

    backbone.prepare = always
    with pytest.raises(
        MachineError, match=r"row \d+: out of memory while preparing 64 items. Close other programs"
    ):
        run(data, tmp_path / "other", backbone=backbone)


# -- writes that fail, kills, several processes --------------------------------------------------------------


def failure(data, folder, hook):
    """Extract with writes that may fail, and return the error."""
    with files.faults(hook):
        try:
            run(data, folder, backbone=FakeBackbone(drift=1))
        except MachineError as error:
            return error
    return None


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_write_that_fails_anywhere_loses_nothing_that_was_written(tmp_path, monkeypatch, code):
    monkeypatch.setattr(extract, "SHARD_ITEMS", 64)
    data, number = dataset(ROWS), 0
    plain = whole(data, tmp_path / "plain", backbone=FakeBackbone(drift=1))
    while True:
        folder = tmp_path / str(number)

        def hook(step, operation, path, number=number):
            if step >= number:  # the disk stays full
                raise OSError(code, os.strerror(code))

        error = failure(data, folder, hook)
        if error is None:
            break
        assert error.where.startswith(str(folder))
        assert [path for path in folder.rglob("*") if path.name.startswith(files.PART)] == []
        kept = sum(read_header(path).count for path in folder.rglob("*.shard"))
        out, _ = run(data, folder, backbone=FakeBackbone(drift=1))
        assert out.encoded == ROWS - kept, "what was written is whole and used"
        assert (out.warnings, out.features.tobytes()) == ((), plain.tobytes())
        number += 1
    assert number == 1 + 5 + 3 * 7, "folder, spec.json, three shards of three chunks"


def start(folder, n, **options):
    here = Path(__file__).parent
    return subprocess.Popen(
        [
            sys.executable,
            str(here / "fake_extraction.py"),
            json.dumps({"folder": str(folder), "n": n, **options}),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(here)},
    )


def digest(features):
    return content_id("features", np.ascontiguousarray(features).reshape(-1)).hex()


def test_killed_at_half_and_run_again_gives_the_same_bits(tmp_path):
    n = 64 * 6
    data = dataset(n)
    plain = digest(whole(data, tmp_path / "plain", backbone=FakeBackbone(drift=1)))
    with start(tmp_path / "killed", n, drift=1, slow=0.2, shard_items=64) as process:
        for line in process.stdout:
            if int(line) >= 64 * 3:
                process.kill()
                break
    assert 2 <= len(list((tmp_path / "killed").rglob("*.shard"))) <= 5
    out, _ = run(data, tmp_path / "killed", backbone=FakeBackbone(drift=1))
    assert 64 <= out.encoded <= 256
    assert digest(out.features) == plain
    assert out.warnings == ()


def test_an_interrupt_with_bad_items_and_a_run_again_give_the_same_bits(tmp_path, monkeypatch):
    """Items that cannot be used keep their place in the grid.

    Those after them fall into the cells they would have had.
    """
    monkeypatch.setattr(extract, "SHARD_ITEMS", 64)
    data, odd = broken(300)
    plain, _ = run(data, tmp_path / "plain", backbone=FakeBackbone(drift=1, **odd), on_bad_input="skip")

    def stop(done, total):
        if done >= 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(
            data,
            tmp_path / "again",
            backbone=FakeBackbone(drift=1, **odd),
            on_bad_input="skip",
            progress=stop,
        )
    again, _ = run(data, tmp_path / "again", backbone=FakeBackbone(drift=1, **odd), on_bad_input="skip")
    assert 0 < again.encoded < 300 - 128 + 6
    assert again.bad == plain.bad
    assert again.features.tobytes() == plain.features.tobytes()


def test_two_processes_at_once_agree(tmp_path):
    n = 64 * 5
    plain = digest(whole(dataset(n), tmp_path / "plain", backbone=FakeBackbone(drift=1)))
    processes = [start(tmp_path / "shared", n, drift=1, slow=0.01, shard_items=64) for _ in range(2)]
    last = [process.communicate()[0].splitlines()[-1].split() for process in processes]
    assert [words[2] for words in last] == [plain, plain]
    assert len(list((tmp_path / "shared").rglob("*.shard"))) == 5, "what both wrote is one file"
    assert run(dataset(n), tmp_path / "shared")[0].encoded == 0


def test_two_threads_at_once_agree(tmp_path):
    data, results = dataset(200), []
    threads = [
        threading.Thread(target=lambda: results.append(digest(whole(data, tmp_path)))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [digest(rows_of(data))] * 2


def test_reading_the_cache_imports_no_torch(tmp_path):
    run(dataset(ROWS), tmp_path)
    code = (
        "import sys; from pathlib import Path; from fake_extraction import dataset, run\n"
        f"out, _ = run(dataset({ROWS}), Path({str(tmp_path)!r}))\n"
        "assert out.encoded == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    )
