"""What the contracts ask of a fresh process: what importing and describing a plugin brings with it.

It is run as ``python -m burnish.testing.probe QUESTION ARGUMENTS`` and prints one line of JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from importlib import import_module
from typing import Any, Final

_HEAVY = """
torch torchvision numpy scipy sklearn pandas pyarrow PIL cv2 safetensors matplotlib jinja2 rich
timm transformers open_clip tensorflow jax faiss tokenizers huggingface_hub
"""
HEAVY: Final = frozenset(_HEAVY.split())
"""Top-level packages that nothing light may import."""


@cache
def ask(question: str, *arguments: str) -> dict[str, Any]:
    """Return what a fresh process answers; each question is asked once.

    Args:
        question: ``"plugin"`` (argument: its name) or ``"component"`` (plugin, kind, name, key, JSON list of
            options).
        arguments: of the question.

    Raises:
        AssertionError: the process fails.
    """
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "BURNISH_PLUGINS": arguments[0],
    }
    command = [sys.executable, "-m", "burnish.testing.probe", question, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603 (the arguments are the test's own)
    if done.returncode:
        raise AssertionError(f"a process that describes plugin {arguments[0]!r} fails: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def heavy_modules(before: frozenset[str]) -> list[str]:
    """Return the heavy packages imported since, by name."""
    return sorted(HEAVY & {name.partition(".")[0] for name in set(sys.modules) - before})


def about_plugin(before: frozenset[str], plugin: str) -> dict[str, Any]:
    """Return heavy imports, what ``burnish show`` says of each component, what resolving each target does."""
    from burnish.manager import Manager

    manager = Manager(only=frozenset({plugin}))
    components = [c for kind in import_module("burnish.descriptors").KINDS for c in manager.components(kind)]
    shown = {f"{c.kind} {c.name}": _show(c.kind, c.name) for c in components}
    heavy = heavy_modules(before)
    return {
        "heavy": heavy,
        "shown": shown,
        "targets": {f"{c.kind} {c.name}": _resolved(manager, c) for c in components},
    }


def _show(kind: str, name: str) -> tuple[int, str]:
    """Return exit code and output of ``burnish show``.

    The command line as a user's process has it, above this layer.
    """
    main: Callable[[Sequence[str]], None] = import_module("burnish.cli").main
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            main(["show", kind, name])
        except SystemExit as end:
            return int(end.code or 0), text.getvalue()
    return 0, text.getvalue()


def _resolved(manager: Any, component: Any) -> dict[str, str]:
    """Return what is wrong with each target of a component; the empty string where nothing is."""
    from burnish.errors import BurnishError

    found = {}
    for item in fields(component.descriptor):
        target = getattr(component.descriptor, item.name)
        if not (item.metadata.get("target") and target):
            continue
        before = _state()
        try:
            problem = (
                "" if callable(manager.resolve(component, target)) else "it is nothing that can be called"
            )
        except BurnishError as error:
            problem = str(error)
        changed = [name for name, value in _state().items() if before[name] != value]
        found[target] = problem or (f"importing it changes {', '.join(changed)}" if changed else "")
    return found


def _state() -> dict[str, Any]:
    import random

    import numpy as np
    import rich.default_styles  # core's own; it draws from Python's generator where it is first imported
    import torch

    del rich
    return {
        "torch's global generator": torch.get_rng_state().numpy().tobytes(),
        "torch's default dtype": torch.get_default_dtype(),
        "torch's number of threads": torch.get_num_threads(),
        "numpy's global generator": repr(np.random.get_state()),
        "Python's global generator": random.getstate(),
        "the handlers of the root logger": list(logging.getLogger().handlers),
    }


def about_component(
    before: frozenset[str], plugin: str, kind: str, name: str, key: str, options: str
) -> dict[str, Any]:
    """Return what the light functions of a component give for each set of options.

    And what heavy packages they import.
    """
    from burnish.config import make_config
    from burnish.manager import Manager

    manager = Manager(only=frozenset({plugin}))
    component = manager.get(kind, f"{plugin}/{name}")
    descriptor, config_class = component.descriptor, component.descriptor.configs()[key]
    found: dict[str, list[Any]] = {"provides": [], "fingerprints": [], "views": [], "measures": []}
    given: list[Mapping[str, Any]] = json.loads(options)
    for single in given:
        config = make_config(config_class, single)
        found["provides"].append(sorted(manager.provides(component, config)))
        if kind in {"backbone", "source"}:
            found["fingerprints"].append(manager.fingerprint(component, config, ""))
        if kind == "tuner" and descriptor.views:
            found["views"].append(manager.views(component, config))
        if kind == "evaluator":
            found["measures"].append(manager.measures(component, config))
    return found | {"heavy": heavy_modules(before)}


if __name__ == "__main__":
    _before = frozenset(sys.modules)
    _questions: dict[str, Callable[..., dict[str, Any]]] = {
        "plugin": about_plugin,
        "component": about_component,
    }
    print(json.dumps(_questions[sys.argv[1]](_before, *sys.argv[2:])))
