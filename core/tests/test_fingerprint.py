"""Fingerprints: of contents, not of places, remembered as long as nothing changed."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from burnish import fingerprint
from burnish.config import paths
from burnish.errors import ConfigError


@dataclass(frozen=True)
class Paths:
    data: Path
    more: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Plain:
    """Options without a path."""

    text: str = ""


def tree(folder):
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1.txt").write_text("one")
    (folder / "2.txt").write_text("two")
    (folder / ".hidden").write_text("x")
    return folder


def test_a_fingerprint_is_of_contents_not_of_places(tmp_path):
    first, second = tree(tmp_path / "first"), tree(tmp_path / "second")
    (second / ".hidden").write_text("y")
    assert fingerprint.of_path(first) == fingerprint.of_path(second)
    assert fingerprint.of_config(Paths(first)) == fingerprint.of_config(Paths(second))
    assert fingerprint.of_config(Paths(first, (second,))) != fingerprint.of_config(Paths(first))
    assert fingerprint.of_config(Plain()) == ""
    before = fingerprint.of_path(first)
    (first / "2.txt").rename(first / "3.txt")
    renamed = fingerprint.of_path(first)
    (first / "3.txt").write_text("TWO")
    assert len({before, renamed, fingerprint.of_path(first)}) == 3


def test_hashes_are_remembered_and_an_edit_is_seen(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    file.write_text("one")
    os.utime(file, ns=(10**18, 10**18))
    hashed = []
    real = fingerprint._hash_file
    monkeypatch.setattr(fingerprint, "_hash_file", lambda *args: hashed.append(args) or real(*args))
    first = fingerprint.of_path(file)
    assert fingerprint.of_path(file) == first
    assert len(hashed) == 1
    file.write_text("two")
    os.utime(file, ns=(10**18, 10**18 + 1))
    assert fingerprint.of_path(file) != first


def test_a_file_changed_just_now_is_not_remembered(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("one")
    stat = file.stat()
    first = fingerprint.of_path(file)
    file.write_text("two")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fingerprint.of_path(file) != first


def test_content_changed_with_size_and_time_kept_is_hashed_again(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("one")
    os.utime(file, ns=(10**18, 10**18))
    first = fingerprint.of_path(file)
    file.write_text("two")
    os.utime(file, ns=(10**18, 10**18))
    assert fingerprint.of_path(file) != first


@pytest.mark.parametrize("how", ["file in the way", "damaged"])
def test_a_memory_that_cannot_be_used_costs_only_time(tmp_path, monkeypatch, how):
    file = tmp_path / "a.txt"
    file.write_text("one")
    cache = tmp_path / "other"
    if how == "damaged":
        cache.mkdir()
        (cache / "hashes.sqlite").write_bytes(b"no database at all" * 100)
    else:
        cache.write_text("a file")
    monkeypatch.setenv("BURNISH_CACHE", str(cache))
    assert fingerprint.of_path(file) == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"


def test_missing_paths_are_told(tmp_path):
    with pytest.raises(ConfigError) as caught:
        fingerprint.of_config(Paths(tmp_path / "gone"), "study.yaml, line 2, data")
    assert (
        str(caught.value)
        == f"study.yaml, line 2, data, option data: there is no file or folder '{tmp_path}/gone'. Relative"
        " paths start from the recipe's folder."
    )


def test_a_folder_that_links_to_itself_ends(tmp_path):
    folder = tree(tmp_path / "first")
    before = fingerprint.of_path(folder)
    (folder / "loop").symlink_to(folder)
    (folder / "self").symlink_to(folder / "self")
    assert fingerprint.of_path(folder) == before


def test_paths_are_found_by_dotted_name(tmp_path):
    assert paths(Paths(tmp_path, (tmp_path,))) == {"data": tmp_path, "more": (tmp_path,)}
    assert paths(Plain()) == {}
