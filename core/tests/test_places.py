"""Where the cache lies, how many hands there are, and reading ahead."""

import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish import places
from burnish.engine.features.cache import FeatureCache
from burnish.errors import ConfigError
from burnish.places import DEFAULT_SIZE, ahead, cache_bound, cache_folder, compute_threads, parse_size

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


@given(st.integers(0, 2**40))
def test_sizes(number):
    assert parse_size(str(number), "") == number
    assert parse_size(f"{number}B", "") == number
    assert parse_size(f" {number} kb", "") == number * 1000


@pytest.mark.parametrize(
    ("text", "value"), [("1.5GB", 1_500_000_000), ("20 gb", 20 * 10**9), ("2TB", 2 * 10**12), ("0", 0)]
)
def test_sizes_with_units(text, value):
    assert parse_size(text, "") == value


@pytest.mark.parametrize("text", ["", "GB", "-1", "1 PB", "nan", "inf", "1e400", "1 gig", "1b5"])
def test_no_sizes(text):
    with pytest.raises(ConfigError) as caught:
        parse_size(text, "BURNISH_CACHE_SIZE")
    assert (
        str(caught.value)
        == f"BURNISH_CACHE_SIZE: {text!r} is no size. Possible: such as 500MB, 20GB or a number of bytes."
    )


def test_the_environment_says_where_and_how_much(monkeypatch, tmp_path):
    for name in ("BURNISH_CACHE", "BURNISH_CACHE_SIZE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == Path.home() / ".cache" / "burnish"
    assert cache_bound() == DEFAULT_SIZE
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "burnish"
    monkeypatch.setenv("BURNISH_CACHE", str(tmp_path / "here"))
    monkeypatch.setenv("BURNISH_CACHE_SIZE", "1MB")
    assert (FeatureCache().folder, FeatureCache().bound) == (tmp_path / "here", 10**6)


def test_each_platform_has_its_place(monkeypatch):
    for name in ("BURNISH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == FeatureCache().folder == Path.home() / "Library" / "Caches" / "burnish"
    monkeypatch.setenv("BURNISH_CACHE", "some/where")
    assert cache_folder() == Path.cwd() / "some" / "where"


def test_physical_cores_are_those_this_process_may_use(tmp_path, monkeypatch):
    file = tmp_path / "cpuinfo"
    file.write_text(CPUINFO)
    for allowed, physical in (({0, 1, 2, 3}, 3), ({0, 2}, 1)):
        monkeypatch.setattr("os.sched_getaffinity", lambda pid, allowed=allowed: allowed, raising=False)
        places.physical_cores.cache_clear()
        assert (places.physical_cores(file), places.logical_cores()) == (physical, len(allowed))
        assert (places.reading_threads(), places.reading_threads(7)) == (len(allowed), 7)
    assert places.physical_cores(tmp_path / "gone") == 2
    places.physical_cores.cache_clear()


@pytest.mark.parametrize(("said", "threads"), [("", 6), ("3", 3), ("3,2", 3), (" 2 ", 2)])
def test_threads_of_computation_without_an_option(monkeypatch, said, threads):
    monkeypatch.setattr(places, "physical_cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert (compute_threads(), compute_threads(5)) == (threads, 5)


@pytest.mark.parametrize("said", ["0", "-1", "many", "1.5"])
def test_no_number_of_threads(monkeypatch, said):
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    with pytest.raises(ConfigError, match=r"OMP_NUM_THREADS: .* is no number of threads\. Possible"):
        compute_threads()


# -- ahead ---------------------------------------------------------------------------------------------------


def test_results_come_in_order_and_at_most_one_item_more_than_workers_is_taken():
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    def slow_at_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    made = ahead(slow_at_first, items(), 3)
    for number in range(20):
        assert next(made) == number * number
        assert len(taken) <= number + 4
    assert next(made, None) is None


def test_a_window_that_shrinks_is_kept_to():
    window, taken = [4], []

    def items():
        for number in range(10):
            taken.append(number)
            yield number

    made = ahead(lambda number: number, items(), 4, lambda: window[0])
    assert next(made) == 0
    assert len(taken) == 4
    window[0] = 1
    for number in range(1, 10):
        assert next(made) == number
        assert len(taken) == max(4, number + 1)


def test_what_waits_is_never_begun_after_the_end():
    begun, go = [], threading.Event()

    def work(number):
        begun.append(number)
        if number:
            go.wait(5)

    made = ahead(work, range(100), 1)
    next(made)
    threading.Timer(0.1, go.set).start()
    made.close()
    assert begun == [0, 1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("burnish-ahead")]


def test_an_error_comes_at_the_place_of_its_item():
    made = ahead(lambda number: 1 // number, [1, 0, 1], 2)
    assert next(made) == 1
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_short_of_memory_an_item_is_tried_alone_and_then_one_at_a_time():
    working, most, failed = [], [], []

    def work(number):
        working.append(number)
        most.append((number, len(working)))
        time.sleep(0.005)
        working.remove(number)
        if number == 3 and not failed:
            failed.append(number)
            raise MemoryError
        return number

    assert list(ahead(work, range(12), 3)) == list(range(12))
    again = max(at for at, (number, _) in enumerate(most) if number == 3)
    assert {beside for _, beside in most[again:]} == {1}

    def never(number):
        raise MemoryError

    with pytest.raises(MemoryError):
        next(ahead(never, [1, 2], 2))
