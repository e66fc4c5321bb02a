"""Where caches lie, how much they may hold, and how many threads work: asked for in one place. Light."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from burnish.errors import ConfigError

FOLDER_VARIABLE: Final = "BURNISH_CACHE"
"""Environment variable: the folder of caches."""

SIZE_VARIABLE: Final = "BURNISH_CACHE_SIZE"
"""Environment variable: what the feature cache may hold, such as ``500MB``."""

THREADS_VARIABLE: Final = "OMP_NUM_THREADS"
"""Environment variable: threads that compute, where ``--threads`` says nothing."""

DEFAULT_SIZE: Final = 20 * 10**9
"""Bytes the feature cache may hold where `SIZE_VARIABLE` says nothing."""

_UNITS: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def cache_folder() -> Path:
    """Return the folder of caches: `FOLDER_VARIABLE`, else the platform's place. It need not exist."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given).expanduser().absolute()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "burnish" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "burnish"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "burnish"


def cache_bound() -> int:
    """Return how many bytes the feature cache may hold (`SIZE_VARIABLE`, default 20 GB).

    Raises:
        ConfigError: the variable holds no size.
    """
    text = os.environ.get(SIZE_VARIABLE)
    return parse_size(text, SIZE_VARIABLE) if text else DEFAULT_SIZE


def parse_size(text: str, where: str) -> int:
    """Return a number of bytes: ``"500MB"``, ``"1.5 GB"`` (powers of 1,000), ``"1000000"``.

    Args:
        text: what to read.
        where: for the message.

    Raises:
        ConfigError: it is no size.
    """
    word = text.strip().lower().replace(" ", "")
    digits = word.rstrip("bkmgt")
    try:
        value = float(digits) * _UNITS[word[len(digits) :]]
    except (ValueError, KeyError):
        value = -1.0
    if not 0 <= value < 2**63:
        possible = "such as 500MB, 20GB or a number of bytes"
        raise ConfigError(f"{text!r} is no size", where=where, possible=possible)
    return int(value)


def logical_cores() -> int:
    """Return the number of processors this process may use; hyper-threads of one core count each."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers(asked: int = 0) -> int:
    """Return how many threads read and decode: what is asked for, else one a processor."""
    return asked or logical_cores()


def threads_of_environment() -> int:
    """Return the number of computing threads that `THREADS_VARIABLE` asks for; 0 where it says nothing.

    Raises:
        ConfigError: it holds no number of threads.
    """
    text = os.environ.get(THREADS_VARIABLE, "").partition(",")[0].strip()
    if not text:
        return 0
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{text!r} is no number of threads", where=THREADS_VARIABLE, possible="1 or more")
    return int(text)


def ahead(
    function: Callable[[ItemT], ResultT], items: Iterable[ItemT], threads: int, name: str = "burnish-read"
) -> Generator[tuple[ItemT, ResultT], None, None]:
    """Yield items with what a function makes of them, in order, while threads make the next ones.

    At most one more than there are threads waits. What the function raises is raised in its turn; what has
    not begun by then is not begun.

    Args:
        function: is called in threads.
        items: taken as they are needed.
        threads: how many.
        name: of the threads.
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    rest = iter(items)
    waiting: deque[tuple[ItemT, Future[ResultT]]] = deque()
    try:
        while True:
            for item in islice(rest, threads + 1 - len(waiting)):
                waiting.append((item, pool.submit(function, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            yield item, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
