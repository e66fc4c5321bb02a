"""Writes that fail, and files of burnish's own that were damaged.

Told, nothing half-written left, and nothing finished lost.
"""

import os
import re
import sqlite3
import subprocess
from contextlib import suppress

import numpy as np
import pytest

from burnish.engine.store import Store


@pytest.fixture
def data(tmp_path):
    """A small file of images and a small network: a run of it takes a moment."""
    y = np.arange(60) % 3
    noise = np.random.default_rng(0).integers(0, 96, (60, 8, 8))
    np.savez(tmp_path / "data.npz", x=(noise + 40 * y[:, None, None]).astype(np.uint8), y=y)
    return ("--data", "npz:path=data.npz", "--backbone", "tiny")


RUN = (
    "run",
    "-q",
    "--threads",
    "2",
    "--replicates",
    "2",
    "--tuner",
    "nearest-class-mean",
    "--tuner",
    "ridge",
)


def dump(folder):
    with Store(folder / "study.sqlite", create=False) as store:
        return store.dump()


@pytest.fixture
def whole(accepted, data, tmp_path):
    """What an undisturbed run stores."""
    accepted(*RUN, *data, "--out", "whole", environment={"BURNISH_CACHE": str(tmp_path / "cache-whole")})
    return dump(tmp_path / "whole")


REASONS = {"ENOSPC": "no space is left on the disk", "EROFS": "the file system is read-only"}


@pytest.mark.parametrize(("code", "start"), [("ENOSPC", 0), ("EROFS", 1)], ids=["full-disk", "read-only"])
def test_a_write_that_fails_anywhere_is_told_and_the_next_run_goes_on(
    burnish, accepted, data, tmp_path, whole, code, start
):
    """Every operation of the write layer fails once.

    Every other one with a full disk, the rest with a read-only file system.
    """
    number = start
    while True:
        out, cache = f"study-{number}", {"BURNISH_CACHE": str(tmp_path / f"cache-{number}")}
        ended = burnish(
            *RUN, *data, "--out", out, environment=cache, fail_at={"number": number, "code": code}
        )
        if len(ended.log) <= number:  # there was no such operation any more
            break
        told = f"{ended.log[number]}: exit code {ended.code}, {ended.err}"
        assert (ended.code, len(ended.err.splitlines())) == (1, 1), told
        assert REASONS[code] in ended.err, told
        assert "rite elsewhere (--out for a study, BURNISH_CACHE for the cache)" in ended.err, told
        assert str(tmp_path) in ended.err or out in ended.err, told
        accepted(*RUN, *data, "--out", out, environment=cache)
        assert dump(tmp_path / out) == whole, told
        number += 2
    assert ended.code == 0
    assert number > 10


def test_a_limit_of_file_sizes_is_told_and_the_next_run_goes_on(refused, accepted, data, tmp_path, whole):
    accepted(*RUN, *data, "--out", "study", "--limit", "2")
    assert not (tmp_path / "study" / "report.html").exists()
    fragments = ["study/study.sqlite", "disk|input/output|larger than", "Check|Free|Raise"]
    refused(*RUN, *data, "--out", "study", fragments=fragments, code=1, largest_file=16_384)
    accepted(*RUN, *data, "--out", "study")
    assert dump(tmp_path / "study") == whole


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 340 kB; needs the right to mount."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=340k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_the_next_run_goes_on(refused, accepted, data, tmp_path, whole, small_disk):
    (small_disk / "ballast").write_bytes(b"\1" * 200_000)
    arguments = (*RUN, *data, "--out", "disk/study", "--save", "all")
    refused(
        *arguments,
        fragments=["disk/study", "no space is left|is full", "Free some space|Check disk space"],
        code=1,
    )
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    accepted(*arguments)
    assert dump(small_disk / "study") == whole


def test_a_full_disk_of_the_cache_is_told(refused, data, small_disk):
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"\1" * 1000):
            pass
    environment = {"BURNISH_CACHE": str(small_disk / "cache")}
    refused(
        *RUN,
        *data,
        "--out",
        "study",
        fragments=["disk/cache", "no space is left|is full"],
        code=1,
        environment=environment,
    )


# -- damage --------------------------------------------------------------------------------------------------


def flip(at):
    def damage(path):
        content = bytearray(path.read_bytes())
        content[at] ^= 0xFF
        path.write_bytes(content)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(flip(0), id="magic"),
        pytest.param(flip(20), id="header"),
        pytest.param(flip(-1), id="features"),
        pytest.param(lambda path: path.write_bytes(b""), id="zero-byte"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-100]), id="truncated"),
        pytest.param(lambda path: path.write_bytes(os.urandom(1000)), id="noise"),
    ],
)
def test_a_damaged_cache_entry_is_rebuilt_and_told(burnish, accepted, data, tmp_path, whole, damage):
    accepted(*RUN, *data, "--out", "first")
    [shard] = (tmp_path / "cache").rglob("*.shard")
    good = shard.read_bytes()
    damage(shard)
    ended = accepted(*RUN, *data, "--out", "second")
    assert dump(tmp_path / "second") == whole
    assert re.search(f"{shard.name}: a damaged cache entry", " ".join(ended.out.split())), ended.out
    assert shard.read_bytes() == good


def test_damaged_memos_of_hashes_are_no_loss(accepted, data, tmp_path, whole):
    accepted(*RUN, *data, "--out", "first")
    [memo] = (tmp_path / "cache").glob("hashes.*")
    memo.write_bytes(b"no database" * 100)
    accepted(*RUN, *data, "--out", "second")
    assert dump(tmp_path / "second") == whole


@pytest.mark.parametrize(
    ("damage", "fragments"),
    [
        pytest.param(
            lambda path: path.write_bytes(os.urandom(5000)),
            ["damaged or no store", "Restore it, or run with --fresh"],
            id="noise",
        ),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes()[:6000]),
            ["damaged", "Restore it, or run with --fresh"],
            id="truncated",
        ),
        pytest.param(
            lambda path: _set_format(path, "9"),
            ["the store has format 9", "format 3", "Use the burnish that made it"],
            id="another-version",
        ),
    ],
)
def test_a_damaged_store_is_told(refused, data, tmp_path, damage, fragments, burnish):
    assert burnish(*RUN, *data, "--out", "study").code == 0
    path = tmp_path / "study" / "study.sqlite"
    damage(path)
    before = path.read_bytes()
    for command in ((*RUN, *data, "--out", "study"), ("results", "study"), ("report", "study")):
        ended = burnish(*command)
        assert (ended.code, len(ended.err.splitlines())) == (1, 1), ended.err
        assert all(re.search(fragment, ended.err) for fragment in ["study.sqlite", *fragments]), ended.err
    assert path.read_bytes() == before


def _set_format(path, value):
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (value,))


@pytest.mark.parametrize(
    ("out", "fragments"),
    [
        pytest.param(
            "data.npz", ["data.npz", "a file stands where a folder is needed", "another path"], id="a-file"
        ),
        pytest.param(
            "data.npz/study",
            ["data.npz/study", "is a file, not a folder", "Mend the path"],
            id="below-a-file",
        ),
        pytest.param("n" * 300, ["n{300}", "name is too long", "shorter"], id="a-very-long-name"),
        pytest.param(
            "/proc/study",
            ["/proc/study", "missing|denied", "Make it|permissions"],
            id="where-nobody-can-write",
        ),
    ],
)
def test_a_folder_that_cannot_be_written_is_told(refused, data, out, fragments):
    code = 2 if out == "data.npz" else 1  # what click itself finds is a wrong command line
    refused(
        *RUN,
        *data,
        "--out",
        out,
        fragments=fragments if code == 1 else ["--out", "data.npz", "is a file"],
        code=code,
    )
