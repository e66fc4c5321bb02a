"""The study folder: ``plan.yaml``, ``study.sqlite``, ``report.html``, ``predictors/``.

One process at a time. Light.

The same plan resumes, a plan that only adds rows extends, anything else is refused with what differs.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.engine.store import Store
from burnish.errors import StoreError
from burnish.files import ensure_folder, translate_os_errors, write_atomic

if TYPE_CHECKING:
    from burnish.plan import Plan

STORE, PLAN, REPORT, PREDICTORS = "study.sqlite", "plan.yaml", "report.html", "predictors"
_SHOWN = 6


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a study folder for this process; the operating system lets go of it however the process ends.

    Raises:
        StoreError: another process holds it.
    """
    ensure_folder(folder)
    path = folder / "lock"
    with translate_os_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            holder = os.read(handle, 200).decode(errors="replace").strip() or "another process"
            raise StoreError(
                f"{holder} is running this study",
                where=str(folder),
                todo="Wait for it, stop it, or give another --out",
            ) from error
        os.ftruncate(handle, 0)
        os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        os.close(handle)


def identity(plan: Plan) -> dict[str, Any]:
    """Return what decides whether a folder belongs to a plan, flat: dotted name -> value."""
    known: dict[str, Any] = {"code of burnish": plan.core}
    of_rows = (part for row in plan.rows for parts in row.parts().values() for part in parts)
    for part in (*of_rows, *plan.evaluators, *plan.summaries):
        known[f"code of {part.plugin}/{part.name}"] = part.code
        if part.fingerprint:
            known[f"files of {part.kind} {part.text}"] = part.fingerprint
    recipe = {key: value for key, value in plan.recipe.items() if key != "summary"}
    return _flat(recipe) | {f"numeric.{name}": value for name, value in plan.numeric.record().items()} | known


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested mappings and lists by dotted name.

    ``tuner.2.with.epochs`` is an option of the second tuner.
    """
    if isinstance(value, Mapping):
        items = [(str(name), item) for name, item in value.items()]
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        items = [(str(number), item) for number, item in enumerate(value, 1)]
    else:
        return {prefix: value}
    return {
        key: v
        for name, item in items
        for key, v in _flat(item, f"{prefix}.{name}" if prefix else name).items()
    }


def claim(store: Store, plan: Plan, folder: Path, plan_text: str) -> str:
    """Make a folder the plan's, or check that it is.

    Returns:
        ``"new"``, ``"resume"`` or ``"extend"``.

    Raises:
        StoreError: the folder belongs to another plan; the message names what differs.
        RecipeError: all trials are there, and the report names a measure or a split that none of them has.
    """
    wanted = [plan.measure_key(trial) for trial in plan.trials()]
    known = json.loads(store.meta("trials") or "[]")
    if not store.holds_results():
        # A run that ended before anything could be trained, say at a bad image, ties the folder to nothing:
        # what it stumbled over may be mended.
        if known and set(wanted) != set(known):
            store.clear()
        known = []
    state = "new" if not known else "resume" if set(wanted) == set(known) else "extend"
    if state == "extend" and not set(known) <= set(wanted):
        raise StoreError(
            "the folder holds another study:"
            f" {_difference(json.loads(store.meta('identity') or '{}'), identity(plan))}",
            where=str(folder),
            todo="Give another --out, or --fresh to start beside it",
        )
    if state != "resume" or store.meta("plan") != plan_text:
        if set(wanted) <= store.finished():
            from burnish.engine.jobs.summarise import check_names

            # Before the folder is told what to show: it can still show what it did.
            check_names(plan.report, store.records(wanted).values())
        # The file first: where it cannot be written, the store does not say that it is there.
        write_atomic(folder / PLAN, plan_text.encode())
        known_by = {"trials": json.dumps(wanted), "identity": json.dumps(identity(plan)), "plan": plan_text}
        store.set_meta(known_by | {"name": plan.name, "key": plan.key()})
    return state


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    changed = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    shown = [f"{name} was {_short(old.get(name))}, is {_short(new.get(name))}" for name in changed[:_SHOWN]]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return ("; ".join(shown) or "its trials have other keys") + more


def _short(value: Any) -> str:
    text = "not set" if value is None else json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 48 else text[:45] + "..."


def beside(folder: Path) -> Path:
    """Return the first free folder name beside a given one: ``study-2``, ``study-3`` ..."""
    number = 2
    while (candidate := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return candidate
