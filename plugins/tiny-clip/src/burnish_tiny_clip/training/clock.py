"""Time spent on a training, over all its runs."""

from __future__ import annotations

import time


class Clock:
    """Seconds since a training began, without the time between a run that was killed and the next one.

    Args:
        before: seconds of earlier runs.
    """

    def __init__(self, before: float = 0.0) -> None:
        self._before, self._start = before, time.monotonic()

    def seconds(self) -> float:
        """Return the seconds so far."""
        return self._before + time.monotonic() - self._start
