import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish import files
from burnish.errors import MachineError


def fail_at(number, code, seen=None):
    """A hook that lets operation `number` fail with an errno."""

    def hook(step, operation, path):
        if seen is not None:
            seen.append((operation, path))
        if step == number:
            raise OSError(code, os.strerror(code), str(path))

    return hook


def written(path, hook):
    """Write a file with operations that may fail, and return the error."""
    with files.faults(hook):
        try:
            files.write_atomic(files.ensure_folder(path.parent) / path.name, [b"ne", b"w"])
        except MachineError as error:
            return error
    return None


def parts(folder):
    return [path for path in folder.rglob("*") if path.name.startswith(files.PART)]


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "x"
    files.write_atomic(path, b"one")
    files.write_atomic(path, [b"tw", bytearray(b"o"), memoryview(b"!")])
    assert path.read_bytes() == b"two!"
    assert not parts(tmp_path)


@given(chunks=st.lists(st.binary(max_size=50), max_size=6))
def test_chunks_are_written_one_after_another(tmp_path_factory, chunks):
    path = tmp_path_factory.mktemp("chunks") / "x"
    files.write_atomic(path, iter(chunks))
    assert path.read_bytes() == b"".join(chunks)


def test_json_and_text_are_utf8(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": "é", "a": [1, None]})
    assert (tmp_path / "a.json").read_text(
        encoding="utf-8"
    ) == '{\n  "b": "é",\n  "a": [\n    1,\n    null\n  ]\n}\n'
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["b"] == "é"


def test_the_order_of_operations_survives_a_power_failure(tmp_path):
    seen = []
    with files.faults(fail_at(-1, 0, seen)):
        files.write_atomic(tmp_path / "x", b"abc")
    assert [operation for operation, _ in seen] == ["write", "write", "fsync", "rename", "fsync"]
    assert [path for _, path in seen][3:] == [tmp_path / "x", tmp_path]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_write_that_fails_anywhere_leaves_a_whole_file_or_none(tmp_path, code, old):
    path, failures = tmp_path / "folder" / "x", 0
    for number in range(20):
        if old is None:
            path.unlink(missing_ok=True)
        else:
            files.ensure_folder(path.parent)
            path.write_bytes(old)
        seen = []
        error = written(path, fail_at(number, code, seen))
        if error is None:
            break
        failures += 1
        assert error.where in (str(path), str(path.parent))
        assert error.what == files.machine_error(code, "", path).what
        # Only where the very last step fails, the fsync after the rename, does the new file stand already.
        assert (path.read_bytes() if path.exists() else None) == (
            b"new" if seen[-1] == ("fsync", path.parent) else old
        )
        assert not parts(tmp_path)
    assert path.read_bytes() == b"new"
    assert failures == 6


def test_what_is_told_of_a_full_disk(tmp_path):
    with files.faults(fail_at(1, errno.ENOSPC)), pytest.raises(MachineError) as caught:
        files.write_atomic(tmp_path / "x", b"abc")
    told = (
        "cannot be written: no space is left on the disk. Free some space, or write elsewhere (--out for a"
        " study, BURNISH_CACHE for the cache)."
    )
    assert str(caught.value) == f"{tmp_path / 'x'}: {told}"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / ("n" * 300), "the file name is too long"),
        (lambda folder: folder / "missing" / "x", "a folder of this path is missing"),
        (lambda folder: folder, "a folder stands where a file is to be written"),
    ],
)
def test_real_errors_of_the_system(tmp_path, make, reason):
    with pytest.raises(MachineError, match=reason):
        files.write_atomic(make(tmp_path), b"abc")
    assert not parts(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_under_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MachineError, match="is a file, not a folder"):
        files.ensure_folder(tmp_path / "file" / "x")
    with pytest.raises(MachineError, match="a file stands where a folder is needed"):
        files.ensure_folder(tmp_path / "file")


def test_an_interrupt_leaves_nothing(tmp_path):
    def chunks():
        yield b"a"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.write_atomic(tmp_path / "x", chunks())
    assert not list(tmp_path.iterdir())


SLOW_WRITER = """
import sys, time
from pathlib import Path
from burnish.files import write_atomic
def chunks():
    yield b"half"
    print("half", flush=True)
    time.sleep(60)
    yield b"written"
write_atomic(Path(sys.argv[1]), chunks())
"""


def test_a_killed_writer_leaves_no_half_file_and_what_it_left_is_swept(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with subprocess.Popen([sys.executable, "-c", SLOW_WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.read(4) == b"half"
        [part] = parts(tmp_path)
        os.utime(part, (time.time() - 1e6,) * 2)
        assert files.remove_leftovers(tmp_path) == 0, "its writer lives"
        writer.send_signal(signal.SIGKILL)
    assert path.read_bytes() == b"old"
    assert files.remove_leftovers(tmp_path) == 1
    assert [item.name for item in tmp_path.iterdir()] == ["x"]


def test_a_young_temporary_file_is_not_swept(tmp_path):
    (tmp_path / f"{files.PART}1").write_bytes(b"")
    assert files.remove_leftovers(tmp_path) == 0


def test_sqlite_errors_with_a_cause_in_the_system_are_translated(tmp_path):
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute("pragma max_page_count = 2")
    connection.execute("create table t (x)")
    with (
        pytest.raises(MachineError, match="no space is left on the disk"),
        files.translate_os_errors(tmp_path / "db"),
    ):
        connection.execute("create table u (x)")
    connection.close()
    with pytest.raises(sqlite3.OperationalError, match="syntax"), files.translate_os_errors(tmp_path):
        sqlite3.connect(":memory:").execute("not sql")


def test_an_unusual_error_is_told_in_the_systems_words():
    assert (
        files.machine_error(errno.EXDEV, "Invalid cross-device link", Path("a")).what
        == "cannot be written: Invalid cross-device link"
    )
