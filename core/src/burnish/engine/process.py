"""Which process a lock or a temporary file belongs to, and whether it still runs."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

FOREIGN_AGE: Final = 7 * 86_400.0
"""Seconds after which what a process on another machine left, and has not touched since, counts as abandoned."""


@dataclass(frozen=True)
class Owner:
    """A process, told apart from a later one with the same number.

    Attributes:
        pid: its number.
        host: short hash of the machine and of its last start.
        started: when the process started, in clock ticks since the machine did; 0 where the system does not say.
    """

    pid: int
    host: str
    started: int

    @classmethod
    def me(cls) -> Owner:
        """Return this process."""
        return _owner(os.getpid())

    def token(self) -> str:
        """Return it as a word of a file name."""
        return f"{self.host}-{self.pid}-{self.started}"

    @classmethod
    def from_token(cls, token: str) -> Owner | None:
        """Return the process that a token names; None where it is no token."""
        host, _, rest = token.partition("-")
        pid, _, started = rest.partition("-")
        if not (host and pid.isdecimal() and started.isdecimal()):
            return None
        return cls(int(pid), host, int(started))

    def alive(self, *, age: float) -> bool:
        """Return whether the process still runs, as far as can be told from here.

        Args:
            age: seconds since what it left was last touched: all there is to go by for another machine.
        """
        if self.host != Owner.me().host:
            return age < FOREIGN_AGE
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return not self.started or self.started == _started(self.pid)


@lru_cache(maxsize=2)
def _owner(pid: int) -> Owner:
    boot = Path("/proc/sys/kernel/random/boot_id")
    word = platform.node() + (boot.read_text() if boot.exists() else "")
    return Owner(pid, hashlib.sha256(word.encode()).hexdigest()[:8], _started(pid))


def _started(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # not Linux, or the process has just ended
        return 0
    # The name, in parentheses, may hold spaces; the start is field 22 of all.
    return int(text.rpartition(")")[2].split()[19])
