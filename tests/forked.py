"""Runs burnish's command line in processes of their own, forked from one that has imported torch already.

A run then costs no start.

Not a test: started by the fixture `burnish`. Reads a request a line (JSON) from stdin, answers with the
process id and then with how it ended (as `os.waitstatus_to_exitcode` says it: negative for a signal).
"""

from __future__ import annotations

import atexit
import errno
import gc
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

PRELOADED = (
    "burnish.cli.run",
    "burnish.cli.check",
    "burnish.engine.runner",
    "burnish.engine.check",
    "burnish.report.html",
    "burnish_basics.evaluators",
    "burnish_basics.losses",
    "burnish_basics.tuners",
    "burnish_tiny.backbone",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "matplotlib.ticker",
    "rich.progress",
    "safetensors.torch",
    "sklearn.datasets",
    "torch.func",
)


def main() -> None:
    """Serve until stdin ends."""
    for name in PRELOADED:
        __import__(name)
    _answer({"ready": True})
    gc.freeze()  # what was imported stays shared memory
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if not pid:
            _end(_become, request)
        _answer({"pid": pid})
        _, status = os.waitpid(pid, 0)
        _answer({"code": os.waitstatus_to_exitcode(status)})


def _end(run: Callable[[dict[str, Any]], None], request: dict[str, Any]) -> None:
    """End this process as the interpreter would, but without taking apart what it shares with the others."""
    code = 1
    try:
        run(request)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)


def _answer(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _become(request: dict[str, Any]) -> None:
    """Turn this forked process into ``burnish <arguments>``; ends with `SystemExit`."""
    os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = request["path"]
    for number, name in enumerate((os.devnull, request["out"], request["err"])):
        handle = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["largest_file"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest_file"],) * 2)
    from burnish.cli import main as burnish

    sys.argv = ["burnish", *request["arguments"]]
    if request["fail_at"] is None:
        burnish()
    else:
        _with_fault(burnish, **request["fail_at"])


def _with_fault(burnish: Any, number: int, code: str, log: str) -> None:
    """Let one physical operation of the write layer fail, counted from 0.

    The log gets a line for each that was tried.
    """
    from burnish import files

    with Path(log).open("w", buffering=1) as seen:

        def hook(step: int, operation: str, path: Path) -> None:
            seen.write(f"{operation} {path}\n")
            if step == number:
                raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)), str(path))

        with files.faults(hook):
            burnish()


if __name__ == "__main__":
    main()
