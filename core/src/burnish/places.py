"""Where things lie and how many hands there are: the cache's folder and size, cores, threads that read ahead.

Light: neither torch nor numpy.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from burnish.errors import ConfigError

if TYPE_CHECKING:
    from concurrent.futures import Future

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

FOLDER_VARIABLE: Final = "BURNISH_CACHE"
"""Environment variable: the folder of caches."""

SIZE_VARIABLE: Final = "BURNISH_CACHE_SIZE"
"""Environment variable: how much the cached features may hold."""

THREADS_VARIABLE: Final = "OMP_NUM_THREADS"
"""Environment variable: threads of computation where nothing else says."""

DEFAULT_SIZE: Final = 20 * 10**9
"""Bytes the cached features may hold where `SIZE_VARIABLE` says nothing."""

_UNITS: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def cache_folder() -> Path:
    """Return the folder of caches: ``BURNISH_CACHE``, else the platform's place. It need not exist."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "burnish"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "burnish"


def cache_bound() -> int:
    """Return how many bytes the cached features may hold (``BURNISH_CACHE_SIZE``, default 20 GB).

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
        raise ConfigError(
            f"{text!r} is no size", where=where, possible="such as 500MB, 20GB or a number of bytes"
        )
    return int(value)


def logical_cores() -> int:
    """Return the number of cores this process may use, hyper-threads counted each."""
    return len(_allowed())


@cache
def physical_cores(cpuinfo: Path = Path("/proc/cpuinfo")) -> int:
    """Return the number of physical cores this process may use: hyper-threads of one core count once."""
    allowed = _allowed()
    cores = {
        (block.get("physical id", "0"), block["core id"])
        for block in processors(cpuinfo)
        if int(block["processor"]) in allowed and "core id" in block
    }
    return max(1, min(len(cores) or len(allowed), len(allowed)))


def processors(cpuinfo: Path = Path("/proc/cpuinfo")) -> list[dict[str, str]]:
    """Return what Linux says of each logical core, by field; nothing where that cannot be read."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    blocks = []
    for block in text.split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, _, value in pairs}
        if fields.get("processor", "").isdigit():
            blocks.append(fields)
    return blocks


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def compute_threads(threads: int = 0) -> int:
    """Return the threads of computation: those given, else ``OMP_NUM_THREADS``, else the physical cores.

    Args:
        threads: as ``--threads``; 0 where nobody said.

    Raises:
        ConfigError: the variable holds no number from 1 on.
    """
    if threads:
        return threads
    # OpenMP allows a list, a number for each level of nesting; the first is that of the outermost.
    text = os.environ.get(THREADS_VARIABLE, "").partition(",")[0].strip()
    if not text:
        return physical_cores()
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ConfigError(f"{text!r} is no number of threads", where=THREADS_VARIABLE, possible="1 or more")
    return int(text)


def reading_threads(workers: int = 0) -> int:
    """Return the threads that read and decode: those given, else one for each logical core.

    Args:
        workers: as ``--workers``; 0 where nobody said.
    """
    return workers or logical_cores()


def ahead(
    function: Callable[[ItemT], ResultT],
    items: Iterable[ItemT],
    workers: int,
    window: Callable[[], int] | None = None,
) -> Generator[ResultT, None, None]:
    """Yield what a function makes of each item, in order, while threads work on the next ones.

    An item for which memory runs out is tried once more when no other is worked on, and from then on there
    is one at a time. What waits when the generator is closed is never begun.

    Args:
        function: called in the threads.
        items: taken in the caller's thread, at most one more than there are workers in advance.
        workers: threads.
        window: asked before items are taken: how many may be in the works or wait, where that is fewer.

    Raises:
        MemoryError: an item alone has too little memory.
    """
    from concurrent.futures import ThreadPoolExecutor, wait

    most, rest = workers + 1, iter(items)
    waiting: deque[tuple[ItemT, Future[ResultT]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="burnish-ahead")
    try:
        while True:
            room = min(most, window() if window else most) - len(waiting)
            waiting.extend((item, pool.submit(function, item)) for item in islice(rest, max(0, room)))
            if not waiting:
                return
            item, future = waiting.popleft()
            try:
                result = future.result()
            except MemoryError:
                most = 1
                wait([other for _, other in waiting])
                result = function(item)
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
