import errno
import os
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from fake_extraction import DIM, SPEC, dataset, expected, run, texts_of, with_option
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish import files
from burnish.engine import care
from burnish.engine.features.cache import FeatureCache
from burnish.engine.features.care import Difference, Why, why
from burnish.engine.features.shards import IdIndex, open_shard, read_header, write_shard
from burnish.errors import CacheError, MachineError
from burnish.plan import Numeric


def shards(folder, spec=SPEC):
    return sorted((folder / "features" / spec.key()).glob("*.shard"))


def filled(folder, n=10, spec=SPEC):
    data = dataset(n)
    run(data, folder, spec=spec)
    return data


def used(folder, spec, seconds_ago):
    moment = time.time() - seconds_ago
    os.utime(folder / "features" / spec.key() / "spec.json", (moment, moment))


# -- keys ----------------------------------------------------------------------------------------------------


def test_whatever_changes_a_feature_changes_the_key():
    numeric = SPEC.numeric
    others = [
        replace(SPEC, view=0),
        replace(SPEC, view=1),
        replace(SPEC, modality="features"),
        with_option(SPEC, size=2),
        with_option(SPEC, nested={"a": [1, 3]}),
        replace(SPEC, backbone=replace(SPEC.backbone, code="1.1")),
        replace(SPEC, backbone=replace(SPEC.backbone, fingerprint="abd")),
        replace(SPEC, backbone=replace(SPEC.backbone, plugin="other")),
        *(
            replace(SPEC, numeric=replace(numeric, **{name: value}))
            for name, value in {
                "device": "cuda",
                "dtype": "bfloat16",
                "threads": 4,
                "torch": "2.1",
                "grid": 32,
            }.items()
        ),
    ]
    assert {item.name for item in fields(Numeric)} == {"device", "dtype", "threads", "torch", "grid"}, (
        "a new field of the numeric mode"
    )
    keys = [SPEC.key(), *(other.key() for other in others)]
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 64 for key in keys)


def test_how_a_part_is_written_is_in_no_key():
    assert replace(SPEC, backbone=replace(SPEC.backbone, text="another")).key() == SPEC.key()


def test_libraries_that_decode_are_in_the_key_of_images(monkeypatch):
    from burnish.engine.features import spec

    image = replace(SPEC, modality="image")
    assert "pillow" in image.record()["libraries"]
    assert SPEC.record()["libraries"] == {}
    key = image.key()
    monkeypatch.setattr(spec, "_libraries", lambda modality: {"pillow": "0.0"})
    assert image.key() != key


# -- shards and look-up --------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    n=st.integers(0, 40),
    dim=st.integers(1, 9),
    skipped=st.dictionaries(st.binary(min_size=32, max_size=32), st.text(max_size=20), max_size=3),
)
def test_a_shard_gives_back_what_was_written(tmp_path_factory, n, dim, skipped):
    draw = np.random.default_rng(n)
    ids, features = (
        draw.integers(0, 256, (n, 32), dtype=np.uint8),
        draw.normal(size=(n, dim)).astype(np.float32),
    )
    named = {item.hex(): reason for item, reason in skipped.items()}
    shard = open_shard(write_shard(tmp_path_factory.mktemp("shards"), "key", ids, features, named))
    shard.check_features()
    assert np.array_equal(shard.ids, ids)
    assert np.array_equal(shard.features, features)
    assert (shard.header.spec, shard.header.skipped) == ("key", named)
    assert not shard.features.flags.writeable
    assert shard.features.ctypes.data % 64 == 0 or not n


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_look_up_is_a_dictionarys(data):
    """Ids of few distinct first bytes, so that the 8 bytes that the index sorts by often agree."""
    one = st.tuples(
        st.sampled_from([b"a" * 8, b"b" * 8, b"\xff" * 8, b"\0" * 8]),
        st.sampled_from([bytes([k]) * 24 for k in range(6)]),
    ).map(b"".join)
    parts = data.draw(st.lists(st.lists(one, max_size=8), max_size=4))
    wanted = data.draw(st.lists(one, max_size=20))
    table = {}
    for row, item in enumerate(item for part in parts for item in part):
        table.setdefault(item, row)
    index = IdIndex([as_ids(part) for part in parts])
    assert index.locate(as_ids(wanted)).tolist() == [table.get(item, -1) for item in wanted]


def as_ids(items):
    return np.frombuffer(b"".join(items), dtype=np.uint8).reshape(len(items), 32)


def test_table_maps_a_file_where_it_can_and_gathers_where_it_must(tmp_path):
    data = filled(tmp_path, 10)
    rows = np.array([expected(text) for text in texts_of(data)])
    with FeatureCache(tmp_path) as cache:
        entry = cache.open(SPEC)
        at = entry.locate(data.ids)
        whole = entry.table(at, np.arange(10), 10, DIM)
        assert isinstance(whole, np.memmap)
        assert np.array_equal(whole, rows)
        part = entry.table(at[3:5], np.arange(3, 5), 10, DIM)
        assert np.array_equal(part[3:5], rows[3:5])
        assert np.isnan(np.delete(part, [3, 4], axis=0)).all()
        turned = entry.table(at[::-1], np.arange(10), 10, DIM)
        assert np.array_equal(turned, rows[::-1])
        assert not any(table.flags.writeable for table in (whole, part, turned))


# -- damage --------------------------------------------------------------------------------------------------


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def places(path):
    header = read_header(path)
    return {"magic": 0, "length": 8, "header": 40, "ids": header.ids_at + 5, "features": header.size - 3}


@pytest.mark.parametrize(
    "what", ["magic", "length", "header", "ids", "features", "cut", "empty", "longer", "other spec"]
)
def test_a_damaged_shard_is_set_aside_and_made_again(tmp_path, what):
    data = filled(tmp_path)
    [path] = shards(tmp_path)
    whole = path.read_bytes()
    if what == "other spec":
        other = with_option(SPEC, size=2)
        run(data, tmp_path, spec=other)
        path.write_bytes(shards(tmp_path, other)[0].read_bytes())
    elif what in ("cut", "empty", "longer"):
        path.write_bytes({"cut": whole[:-1], "empty": b"", "longer": whole + b"\0"}[what])
    else:
        flip(path, places(path)[what])
    again, backbone = run(data, tmp_path)
    assert again.encoded == 10
    assert len(backbone.encoded) == 10
    assert np.array_equal(again.features, [expected(text) for text in texts_of(data)])
    [line] = again.warnings
    assert str(path) in line
    assert "set aside" in line
    assert sorted(item.name for item in path.parent.iterdir()) == sorted([path.name, "spec.json"])
    assert path.read_bytes() == whole
    last, backbone = run(data, tmp_path)
    assert (last.encoded, last.warnings, backbone.encoded) == (0, (), [])


def test_a_damaged_shard_costs_only_its_own_items(tmp_path):
    data = filled(tmp_path, 6)
    few = np.array([0, 1])
    first = set(shards(tmp_path))
    run(dataset(12), tmp_path)
    assert len(shards(tmp_path)) == 2
    [second] = set(shards(tmp_path)) - first
    flip(second, places(second)["features"])
    assert run(data, tmp_path, positions=few)[0].warnings == (), "what is not needed is not read"
    again, _ = run(dataset(12), tmp_path)
    assert again.encoded == 6
    assert len(again.warnings) == 1


def test_a_format_of_another_version_is_not_read(tmp_path):
    filled(tmp_path)
    [path] = shards(tmp_path)
    content = path.read_bytes()
    length = struct.unpack_from("<I", content, 8)[0]
    text = content[16 : 16 + length].replace(b'"format":1', b'"format":9')
    path.write_bytes(
        content[:8] + struct.pack("<II", length, zlib.crc32(text)) + text + content[16 + length :]
    )
    with pytest.raises(CacheError, match="it has format 9, not 1"):
        read_header(path)


def test_verify_finds_what_is_damaged(tmp_path):
    filled(tmp_path)
    filled(tmp_path, spec=with_option(SPEC, size=2))
    assert care.verify(tmp_path) == (2, [])
    [path] = shards(tmp_path)
    flip(path, places(path)["features"])
    assert care.verify(tmp_path) == (
        1,
        [care.Damage(path, "a damaged cache entry: its features do not match their checksum")],
    )
    assert care.verify(tmp_path) == (1, [])
    assert [info.damaged for info in care.list_kept(tmp_path)].count(1) == 1
    assert care.verify(tmp_path / "nowhere") == (0, [])


@pytest.mark.parametrize("wanted", [slice(None), slice(3, None, 2)])
def test_a_large_table_of_several_shards_is_mapped_and_takes_no_memory(tmp_path, monkeypatch, wanted):
    n, dim = 30_000, 160
    draw = np.random.default_rng(0)
    ids = np.unique(draw.integers(0, 256, (n, 32), dtype=np.uint8), axis=0)
    features = draw.normal(size=(n, dim)).astype(np.float32)
    with FeatureCache(tmp_path) as opened:
        kept = opened.open(SPEC)
        for part in (slice(0, n, 2), slice(1, n - 9, 2)):  # the last few are missing
            kept.add(ids[part], features[part])
        kept.refresh()
        positions = np.arange(n)[wanted]
        rows = kept.locate(ids[positions])
        tracemalloc.start()
        table = kept.table(rows, positions, n, dim)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        expected = np.full((n, dim), np.nan, dtype=np.float32)
        expected[positions] = np.where((rows >= 0)[:, None], features[positions], np.nan)
        assert np.array_equal(table, expected, equal_nan=True)
        assert isinstance(table, np.memmap)
        assert not table.flags.writeable
        assert most < table.nbytes / 2
        assert not [path for path in kept.folder.iterdir() if path.suffix not in {".shard", ".json"}]

        def full(*args, **options):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("tempfile.TemporaryFile", full)
        again = kept.table(rows, positions, n, dim)
        assert np.array_equal(again, expected, equal_nan=True)
        assert "No space left on device; the features of fake:size=1 are held in memory" in kept.warnings[0]


# -- listing, pruning, why -----------------------------------------------------------------------------------


def test_list(tmp_path):
    assert care.list_kept(tmp_path) == []
    filled(tmp_path, 10)
    filled(tmp_path, 4, replace(SPEC, view=1))
    used(tmp_path, SPEC, 100)
    view, plain = care.list_kept(tmp_path)
    assert (plain.key, plain.text, plain.view, plain.items, plain.dim) == (
        SPEC.key(),
        "fake:size=1",
        None,
        10,
        DIM,
    )
    assert (view.view, view.items, view.in_use, view.damaged) == (1, 4, False, 0)
    assert plain.size == sum(path.stat().st_size for path in (tmp_path / "features" / SPEC.key()).iterdir())
    assert plain.used == pytest.approx(time.time() - 100, abs=20)


def test_an_entry_that_lost_its_description_is_listed_and_used(tmp_path):
    data = filled(tmp_path)
    for content in ("", "[]", "{"):
        (tmp_path / "features" / SPEC.key() / "spec.json").write_text(content)
        assert care.list_kept(tmp_path)[0].text == "?"
        assert run(data, tmp_path)[0].encoded == 0


def test_prune_removes_what_was_used_longest_ago(tmp_path):
    specs = [with_option(SPEC, size=k) for k in range(4)]
    for spec in specs:
        filled(tmp_path, 10, spec)
    for spec, ago in zip(specs, [30, 40, 10, 20], strict=True):
        used(tmp_path, spec, ago)
    size = care.list_kept(tmp_path)[0].size
    removed = care.prune(tmp_path, max_bytes=int(size * 2.5))
    assert [info.key for info in removed] == [specs[1].key(), specs[0].key()]
    assert {info.key for info in care.list_kept(tmp_path)} == {specs[2].key(), specs[3].key()}
    assert care.prune(tmp_path, max_bytes=int(size * 2.5)) == []
    assert [info.key for info in care.prune(tmp_path, older_than=15)] == [specs[3].key()]
    assert [info.key for info in care.prune(tmp_path, key=specs[2].key()[:8])] == [specs[2].key()]
    assert list((tmp_path / "features").iterdir()) == []


def test_a_bound_is_kept_but_never_at_the_cost_of_what_is_in_use(tmp_path):
    other = with_option(SPEC, size=2)
    data = filled(tmp_path, 10)
    used(tmp_path, SPEC, 100)
    run(data, tmp_path, spec=other, cache=FeatureCache(tmp_path, bound=0))
    assert [info.key for info in care.list_kept(tmp_path)] == [other.key()]
    with FeatureCache(tmp_path, bound=0) as cache:
        kept = cache.open(other)
        assert care.keep_bound(tmp_path, 0) == []
        assert care.list_kept(tmp_path)[0].in_use
        assert len(kept.locate(data.ids)) == 10
    assert [info.key for info in care.prune(tmp_path, max_bytes=0)] == [other.key()]


HOLDER = """
import sys
from pathlib import Path
from fake_extraction import SPEC, FeatureCache
cache = FeatureCache(Path(sys.argv[1]))
cache.open(SPEC)
print("open", flush=True)
sys.stdin.read()
"""


def test_an_entry_in_use_by_another_process_stays_until_that_process_ends_however_it_ends(tmp_path):
    filled(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    with holder:
        assert holder.stdout.read(4) == b"open"
        assert care.list_kept(tmp_path)[0].in_use
        assert care.prune(tmp_path, max_bytes=0) == []
        holder.kill()
    assert len(care.prune(tmp_path, max_bytes=0)) == 1


def test_features_outlive_the_pruning_of_their_file(tmp_path):
    data = filled(tmp_path)
    features = run(data, tmp_path)[0].features
    care.prune(tmp_path, max_bytes=0)
    assert np.array_equal(features, [expected(text) for text in texts_of(data)])
    assert run(data, tmp_path)[0].encoded == 10


def test_prune_sweeps_what_killed_processes_and_damage_left(tmp_path):
    filled(tmp_path)
    [path] = shards(tmp_path)
    part = path.with_name(files.PART + "abc")
    for left in (part, path.with_name("x.shard.damaged"), tmp_path / "features" / "removed-1" / "x"):
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(b"left")
    os.utime(part, (1, 1))
    assert care.prune(tmp_path) == []
    assert sorted(item.name for item in path.parent.iterdir()) == sorted([path.name, "spec.json"])
    assert [item.name for item in (tmp_path / "features").iterdir()] == [SPEC.key()]


def test_why(tmp_path):
    record, key = SPEC.record(), SPEC.key()
    assert why(tmp_path, key, record) == Why(key, 0, "", ())
    near = replace(SPEC, numeric=replace(SPEC.numeric, threads=4))
    far = replace(with_option(SPEC, size=3, more=True), view=2)
    filled(tmp_path, 10, near)
    filled(tmp_path, 10, far)
    told = why(tmp_path, key, record)
    assert (told.items, told.nearest) == (0, near.key())
    assert told.differences == (Difference("numeric.threads", 2, 4),)
    care.prune(tmp_path, key=near.key())
    assert {item.field: (item.wanted, item.there) for item in why(tmp_path, key, record).differences} == {
        "backbone.options.size": (1, 3),
        "backbone.options.more": (None, True),
        "view": (None, 2),
    }
    filled(tmp_path, 10)
    assert why(tmp_path, key, record).items == 10


def test_find_entry(tmp_path):
    filled(tmp_path)
    assert care.find_kept(tmp_path, SPEC.key()[:6]).key == SPEC.key()
    with pytest.raises(CacheError, match=r"no entry begins with 'xyz'. See `burnish cache list`"):
        care.find_kept(tmp_path, "xyz")


def test_a_removal_that_fails_is_told_and_leaves_no_half_entry(tmp_path, monkeypatch):
    filled(tmp_path)

    def refuse(self, target):
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(MachineError, match="cannot be removed: permission denied"):
        care.prune(tmp_path, max_bytes=0)
    assert care.list_kept(tmp_path)[0].items == 10
    other = with_option(SPEC, size=2)
    out, _ = run(dataset(10), tmp_path, spec=other, cache=FeatureCache(tmp_path, bound=0))
    assert out.encoded == 10
    assert "the cache is larger than its bound" in out.warnings[0]


def test_a_cache_that_cannot_be_written_is_read(tmp_path, monkeypatch):
    """As on a read-only file system: no lock, no note of use, but everything is there."""
    data = filled(tmp_path)
    really = os.open

    def read_only(path, flags, *arguments, **options):
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return really(path, flags, *arguments, **options)

    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(os, "utime", refuse)
    out, _ = run(data, tmp_path)
    assert (out.encoded, out.warnings) == (0, ())
    with (
        pytest.raises(
            MachineError, match=r"cannot be written: the file system is read-only. Write elsewhere"
        ),
        files.faults(lambda *_: refuse()),
    ):
        run(dataset(11), tmp_path)


def test_a_cache_folder_that_is_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(MachineError, match="a part of this path is a file, not a folder"):
        run(dataset(3), path)
    with pytest.raises(MachineError, match="cannot be read: a part of this path is a file"):
        care.list_kept(path)
