import errno
import json
import math
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_extraction import DIM, SPEC, FakeBackbone, dataset, expected, run, texts_of
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data import content_id
from burnish.engine import cells, extract, files
from burnish.engine.shards import read_header
from burnish.errors import DataError, ItemError, MachineError, PluginError, RecipeError

ROWS = 150


def rows_of(data, view=None):
    return np.array([expected(text, view) for text in texts_of(data)])


def whole(data, tmp_path, **settings):
    return run(data, tmp_path, **settings)[0].features


# -- what comes out -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 128, ROWS])
def test_features_are_aligned_with_the_data_set(tmp_path, n):
    data = dataset(n)
    out, backbone = run(data, tmp_path)
    assert np.array_equal(out.features, rows_of(data))
    assert (out.features.dtype, out.bad, out.warnings[:1] if n > 1 else (), out.encoded) == (np.float32, (), (), n)
    assert not out.features.flags.writeable
    assert [len(cell) for cell in backbone.cells] == [64] * math.ceil(n / 64), "always whole cells"
    wanted = texts_of(data) + [data.read(n - 1)] * (-n % 64)
    assert sorted(backbone.cells) == sorted(wanted[start : start + 64] for start in range(0, n, 64)), "in order, padded with the last row"


def test_a_second_run_makes_no_backbone(tmp_path):
    data = dataset(ROWS)
    first = whole(data, tmp_path)

    def never():
        raise AssertionError("the backbone was made")

    with extract.FeatureCache(tmp_path) as cache:
        again = extract.extract(data, np.arange(ROWS), SPEC, never, cache)
    assert again.encoded == 0
    assert isinstance(again.features, np.memmap)
    assert first.tobytes() == again.features.tobytes()


def test_only_what_is_asked_for_is_encoded(tmp_path):
    data = dataset(ROWS)
    out, backbone = run(data, tmp_path, positions=np.array([90, 3, 7, 3]))
    assert out.encoded == 3
    assert backbone.encoded == [data.read(position) for position in (3, 7, 90)]
    assert np.array_equal(out.features[[3, 7, 90]], rows_of(data)[[3, 7, 90]])
    assert np.isnan(np.delete(out.features, [3, 7, 90], axis=0)).all()
    out, backbone = run(data, tmp_path)
    assert out.encoded == ROWS - 3
    assert np.array_equal(out.features, rows_of(data))


def test_a_data_set_that_grows_by_one_item_encodes_one(tmp_path):
    run(dataset(ROWS), tmp_path)
    grown = dataset(ROWS + 1)
    out, backbone = run(grown, tmp_path)
    assert backbone.encoded == [f"0-{ROWS}"]
    assert np.array_equal(out.features, rows_of(grown))


def test_equal_content_is_encoded_once(tmp_path):
    data = dataset(20, repeat=[4, 4, 9])
    out, backbone = run(data, tmp_path)
    assert out.encoded == 20
    assert len(set(backbone.encoded)) == 20
    assert np.array_equal(out.features, rows_of(data))


def test_two_data_sets_share_what_they_share(tmp_path):
    run(dataset(30), tmp_path)
    out, _ = run(dataset(50), tmp_path)
    assert out.encoded == 20


def test_views_are_kept_apart(tmp_path):
    data = dataset(10)
    for view in (None, 0, 1):
        assert np.array_equal(run(data, tmp_path, spec=replace(SPEC, view=view))[0].features, rows_of(data, view))


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 200), workers=st.integers(1, 5), shuffle=st.randoms(use_true_random=False),
    first=st.integers(0, 200), shard=st.sampled_from([64, 128, 4096]),
)  # fmt: skip
def test_order_and_workers_change_no_bit(tmp_path_factory, n, workers, shuffle, first, shard):
    """With `drift`, features betray in which cell and row an item was encoded."""
    data = dataset(n)
    positions = list(range(n))
    shuffle.shuffle(positions)
    plain = whole(data, tmp_path_factory.mktemp("plain"), backbone=FakeBackbone(drift=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extract, "SHARD_ITEMS", shard)
        folder = tmp_path_factory.mktemp("other")
        other = whole(data, folder, backbone=FakeBackbone(drift=1), workers=workers, positions=np.array(positions))
        assert plain.tobytes() == other.tobytes()
        # Read again, in parts, from several shards.
        again = run(data, folder, positions=np.array(positions[:first]), workers=workers)[0]
        assert again.encoded == 0
        assert np.array_equal(again.features[sorted(positions[:first])], plain[sorted(positions[:first])])


def test_preparing_ahead_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "AHEAD_BYTES", 1)
    backbone = FakeBackbone(slow=0.001)
    out, _ = run(dataset(64 * 6), tmp_path, backbone=backbone, workers=4)
    assert out.encoded == 64 * 6
    assert backbone.most_in_prepare <= 5


def test_progress_is_told_after_every_cell(tmp_path):
    seen = []
    run(dataset(ROWS), tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(64, ROWS), (128, ROWS), (ROWS, ROWS)]
    run(dataset(ROWS), tmp_path, progress=lambda done, total: seen.append("again"))
    assert seen[-1] == (ROWS, ROWS)


def test_the_threads_of_torch_are_left_as_they_were(tmp_path):
    import torch

    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(3)
    backbone = FakeBackbone()
    encode = backbone.encode
    backbone.encode = lambda inputs: seen.append(torch.get_num_threads()) or encode(inputs)
    try:
        run(dataset(ROWS), tmp_path, backbone=backbone)
        later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        later.start()
        later.join()
        assert (seen, torch.get_num_threads()) == ([1, 1, 1, 3], 3), "two lanes share two threads; afterwards, all is as before"
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("threads", "lanes", "share"), [(1, 1, 1), (2, 2, 1), (4, 4, 1), (7, 4, 1), (16, 4, 4)])
def test_lanes_share_the_threads(tmp_path, threads, lanes, share):
    import torch

    backbone, barrier, seen = FakeBackbone(), threading.Barrier(lanes, timeout=20), []
    encode = backbone.encode

    def together(inputs):
        barrier.wait()  # breaks unless so many encode at once
        seen.append(torch.get_num_threads())
        return encode(inputs)

    backbone.encode = together
    run(dataset(64 * lanes * 2), tmp_path, backbone=backbone, spec=replace(SPEC, numeric=replace(SPEC.numeric, threads=threads)))
    assert seen == [share] * lanes * 2


def test_many_shards_are_one_table(tmp_path, monkeypatch):
    monkeypatch.setattr(extract, "SHARD_ITEMS", 64)
    data = dataset(300)
    whole(data, tmp_path)
    assert len(list(tmp_path.rglob("*.shard"))) == 5
    assert np.array_equal(whole(data, tmp_path), rows_of(data))


# -- bad items ------------------------------------------------------------------------------------------------------------


def broken(n=ROWS):
    """Rows 3 and 70 cannot be read, texts 0-9 and 0-90 cannot be prepared, 0-20 and 0-140 have odd features."""
    rows = {3: OSError(errno.EIO, "Input/output error"), 70: DataError("the row is ragged")}
    values = {"0-20": np.array([0, np.nan, 0, 0, 0], np.float32), "0-140": np.array([0, 0, 0, np.inf, 0], np.float32)}
    data = dataset(n, broken=rows)
    return data, {"bad": frozenset({"0-9", "0-90"}), "values": values}


REASONS = {
    3: "it cannot be read: Input/output error", 70: "the row is ragged", 9: "cannot decode 0-9", 90: "cannot decode 0-90",
    20: "feature 1 is nan", 140: "feature 3 is inf",
}  # fmt: skip


def test_the_first_bad_item_ends_the_run_and_is_named(tmp_path):
    data, odd = broken()
    with pytest.raises(ItemError) as caught:
        run(data, tmp_path, backbone=FakeBackbone(**odd))
    row = int(data.rows[caught.value.position])
    assert str(caught.value) == f"row {row}: {REASONS[row]}. Mend or remove it, or set on_bad_input: skip."


def test_bad_items_are_set_aside_where_that_is_asked_for(tmp_path):
    data, odd = broken()
    out, _ = run(data, tmp_path, backbone=FakeBackbone(**odd), on_bad_input="skip")
    assert {int(data.rows[position]): reason for position, reason in out.bad} == REASONS
    assert [position for position, _ in out.bad] == sorted(position for position, _ in out.bad)
    bad = [position for position, _ in out.bad]
    good = np.delete(np.arange(ROWS), bad)
    assert np.isnan(out.features[bad]).all()
    data.reader.broken.clear()
    assert np.array_equal(out.features[good], rows_of(data)[good])


def test_what_lies_in_an_items_content_is_not_tried_again(tmp_path):
    data, odd = broken()
    first, _ = run(data, tmp_path, backbone=FakeBackbone(**odd), on_bad_input="skip")
    again, backbone = run(data, tmp_path, backbone=FakeBackbone(**odd), on_bad_input="skip")
    assert (again.bad, backbone.cells) == (first.bad, [])
    data.reader.broken.pop(3)
    mended, backbone = run(data, tmp_path, backbone=FakeBackbone(**odd), on_bad_input="skip")
    assert backbone.encoded == ["0-3"], "a file that could not be read is tried again"
    assert [reason for _, reason in mended.bad if "Input/output" in reason] == []
    never = FakeBackbone(**odd)
    with pytest.raises(ItemError):
        run(data, tmp_path, backbone=never)
    assert never.cells == []


def test_where_nothing_can_be_used(tmp_path):
    data = dataset(5)
    bad = FakeBackbone(bad=frozenset(texts_of(data)))
    for _ in range(2):
        with pytest.raises(DataError) as caught:
            run(data, tmp_path, backbone=bad, on_bad_input="skip")
        row = int(data.rows[0])
        assert str(caught.value) == f"row {row}: none of 5 items can be used; the first: cannot decode 0-{row}."


def test_what_is_encoded_before_an_error_is_kept(tmp_path):
    data = dataset(ROWS)
    last = data.read(ROWS - 1)
    with pytest.raises(ItemError):
        run(data, tmp_path, backbone=FakeBackbone(bad=frozenset({last})))
    out, _ = run(data, tmp_path)
    assert out.encoded == ROWS - 128
    assert np.array_equal(out.features, rows_of(data))


def test_constant_features_are_warned_of(tmp_path):
    data = dataset(9)
    same = {text: np.full(DIM, 2, np.float32) for text in texts_of(data)}
    out, _ = run(data, tmp_path, backbone=FakeBackbone(values=same))
    assert out.warnings == ("fake:size=1: all 9 items have the same features; nothing can be learnt from them",)
    assert run(data, tmp_path)[0].warnings == out.warnings, "also when they come from the cache"
    mostly = {text: np.array([1, 1, 1, 1, k], np.float32) for k, text in enumerate(texts_of(data))}
    out, _ = run(data, tmp_path / "other", backbone=FakeBackbone(values=mostly))
    assert out.warnings == ("fake:size=1: 4 of 5 features are the same for all 9 items",)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"modality": "image"}, RecipeError, "backbone: fake:size=1 reads image, fake holds text."),
        ({"dim": 4}, PluginError, "encode returned torch.float32 (64, 5). Possible: torch.float32 (64, 4)"),
    ],
)
def test_a_backbone_that_does_not_fit(tmp_path, change, kind, message):
    with pytest.raises(kind) as caught:
        run(dataset(5), tmp_path, backbone=FakeBackbone(**change))
    assert message in str(caught.value)


def test_a_backbone_without_views(tmp_path):
    with pytest.raises(RecipeError, match="makes no augmented views"):
        run(dataset(5), tmp_path, backbone=FakeBackbone(views=False), spec=replace(SPEC, view=0))


def test_a_backbone_that_loses_rows(tmp_path):
    backbone = FakeBackbone()
    backbone.prepare = lambda items, view, ids: {"x": np.zeros((1, DIM), np.float32)}
    with pytest.raises(PluginError, match="prepare returned 1 rows of 'x' for 5 items"):
        run(dataset(5), tmp_path, backbone=backbone)


# -- memory ---------------------------------------------------------------------------------------------------------------


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

    return [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")]


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
    assert "fake:size=1: out of memory with a single cell of 64 items on cpu. Choose a smaller backbone" in str(caught.value)


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
    with pytest.raises(MachineError, match=r"row \d+: out of memory while preparing 64 items. Close other programs"):
        run(data, tmp_path / "other", backbone=backbone)


# -- writes that fail, kills, several processes ---------------------------------------------------------------------------


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
        [sys.executable, str(here / "fake_extraction.py"), json.dumps({"folder": str(folder), "n": n, **options})],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(here)},
    )  # fmt: skip


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
    """Items that cannot be used keep their place in the grid: those after them fall into the cells they would have had."""
    monkeypatch.setattr(extract, "SHARD_ITEMS", 64)
    data, odd = broken(300)
    plain, _ = run(data, tmp_path / "plain", backbone=FakeBackbone(drift=1, **odd), on_bad_input="skip")

    def stop(done, total):
        if done >= 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "again", backbone=FakeBackbone(drift=1, **odd), on_bad_input="skip", progress=stop)
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
    threads = [threading.Thread(target=lambda: results.append(digest(whole(data, tmp_path)))) for _ in range(2)]
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
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)})
