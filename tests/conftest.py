"""Fixtures of the tests across packages.

Burnish in processes of its own, each in a folder and with a cache of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FORKED = Path(__file__).with_name("forked.py")


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code; negative for a signal.
        out: what it wrote to stdout.
        err: what it wrote to stderr.
        log: physical operations of the write layer, where one was to fail.
    """

    code: int
    out: str
    err: str
    log: tuple[str, ...] = ()


class Burnish:
    """Runs ``burnish`` in a folder; whatever it writes lies below that folder."""

    def __init__(self, server: subprocess.Popen[str], folder: Path) -> None:
        self.server, self.folder = server, folder
        self.started = 0

    def environment(self, changes: Mapping[str, str]) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("BURNISH_", "PYTEST_"))
        }
        return kept | {
            "BURNISH_CACHE": str(self.folder / "cache"),
            "HOME": str(self.folder),
            "COLUMNS": "100",
            **changes,
        }

    def __call__(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        path: Sequence[Path] = (),
        largest_file: int = 0,
        fail_at: Mapping[str, Any] | None = None,
        meanwhile: Callable[[int, Path], None] | None = None,
    ) -> Ended:
        """Run a command to its end.

        Args:
            arguments: the command line.
            environment: variables to change.
            path: folders to put before `sys.path`, as if what lies there were installed.
            largest_file: bytes a file may have (``ulimit -f``); 0 for no limit.
            fail_at: ``{"number": k, "code": "ENOSPC"}``: which operation of the write layer fails, and how.
            meanwhile: called with the process id and the file that stderr goes to, while it runs.
        """
        self.started += 1
        out, err, log = (self.folder / f".{name}-{self.started}" for name in ("out", "err", "log"))
        request = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(self.folder),
            "environment": self.environment(environment or {}),
            "path": [str(folder) for folder in path],
            "out": str(out),
            "err": str(err),
            "largest_file": largest_file,
            "fail_at": {**fail_at, "log": str(log)} if fail_at else None,
        }
        pid = self._ask(json.dumps(request))["pid"]
        try:
            if meanwhile is not None:
                meanwhile(pid, err)
        finally:
            code = self._ask("")["code"]
        texts = [file.read_text("utf-8", "replace") if file.exists() else "" for file in (out, err, log)]
        return Ended(code, texts[0], texts[1], tuple(texts[2].splitlines()))

    def _ask(self, line: str) -> dict[str, Any]:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        if line:
            self.server.stdin.write(line + "\n")
            self.server.stdin.flush()
        answer = self.server.stdout.readline()
        assert answer, "the process that burnish is forked from has ended"
        return dict(json.loads(answer))

    @staticmethod
    def send(pid: int, number: int) -> None:
        """Send a signal to a run, unless it has ended meanwhile."""
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def afresh(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = ("-m", "burnish"),
    ) -> Ended:
        """Run a command in an interpreter that has imported nothing yet."""
        command = [sys.executable, *before, *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(environment or {}),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def server() -> Iterator[subprocess.Popen[str]]:
    """The process that runs are forked from."""
    with subprocess.Popen(
        [sys.executable, FORKED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline(), "the process that burnish is forked from cannot start"
        yield process
        process.stdin.close()


@pytest.fixture
def burnish(server: subprocess.Popen[str], tmp_path: Path) -> Burnish:
    """Runs burnish in the test's own folder."""
    return Burnish(server, tmp_path)


@pytest.fixture(scope="module")
def burnish_of_module(server: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory) -> Burnish:
    """Runs burnish in a folder that the tests of a module share."""
    return Burnish(server, tmp_path_factory.mktemp("shared"))
