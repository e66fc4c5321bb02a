"""Flower's simulation of a federation, started by a tuner.

Every client is a `ClientApp` of its own in a Ray actor.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from burnish.errors import FitError, MissingExtraError
from burnish_fedclip.client_file import ClientData, file_of, write_client
from burnish_fedclip.local import Part, Table
from burnish_fedclip.models import AttentionAdapter, ClientModel
from burnish_fedclip.server import Federation, Group

_QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Nothing is reported to anybody."""

_STORE_BYTES = 200_000_000


def simulate(
    model: ClientModel, group: Group, federation: Federation, progress: Callable[[int, int], None]
) -> dict[str, Tensor]:
    """Run all rounds in Flower's simulation and return the parameters of the round to keep.

    On CPUs, an actor a core.

    The clients' items go through files in a temporary folder, as each client of a real federation has a file
    of its own.

    Args:
        model: what they train.
        group: the clients.
        federation: what all agree on.
        progress: called at the end; Flower runs the server in a thread of its own.

    Raises:
        FitError: a client failed.
        MissingExtraError: Flower or Ray is not installed.
    """
    for library in ("flwr", "ray"):
        if importlib.util.find_spec(library) is None:
            raise MissingExtraError(
                f"{library} is not installed",
                where="engine: flower",
                todo="pip install 'burnish-fedclip[flower]'",
            )
    found: dict[str, Tensor] = {}
    with _environment(), tempfile.TemporaryDirectory(prefix="burnish-fedclip-") as folder:
        write_clients(Path(folder), model, group)
        _run(Path(folder), model, len(group.parts), federation, found)
    progress(federation.rounds, federation.rounds)
    return found


def write_clients(folder: Path, model: ClientModel, group: Group) -> None:
    """Write a file for each client into a folder.

    Raises:
        OSError: one cannot be written.
    """
    dim = group.train.x.shape[1]
    texts = model.texts if isinstance(model, AttentionAdapter) else torch.zeros(0, dim)
    for part, judge in zip(group.parts, group.judges, strict=True):
        data = ClientData(part.number, _own(group.train, part), _own(group.validation, judge, dim), texts)
        write_client(file_of(folder, part.number), data)


def _own(table: Table, part: Part, dim: int = 0) -> Table:
    if not len(part.rows):
        return Table(
            torch.zeros(0, dim or table.x.shape[1]), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
        )
    rows = torch.from_numpy(part.rows).to(table.y.device)
    return Table(table.x[rows], table.y[rows], table.weights[rows])


def _run(
    folder: Path, model: ClientModel, clients: int, federation: Federation, found: dict[str, Tensor]
) -> None:
    from flwr.app import Context
    from flwr.serverapp import Grid, ServerApp
    from flwr.simulation import run_simulation

    from burnish_fedclip.flower_app import Recipe, client_app, serve

    def main(grid: Grid, context: Context) -> None:
        found.update(serve(grid, Recipe.of(model), federation, clients=clients, strict=True))

    server = ServerApp()
    server.main()(main)
    cores = max(1, torch.get_num_threads())
    start: Any = {
        "num_cpus": cores,
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
        "logging_level": "error",
        "log_to_driver": False,
    }
    backend: Any = {"init_args": start, "client_resources": {"num_cpus": 1, "num_gpus": 0.0}}
    try:
        run_simulation(
            server_app=server, client_app=client_app(folder), num_supernodes=clients, backend_config=backend
        )
    except FitError:
        raise
    except Exception as error:
        cause = error.__cause__ or error
        raise FitError(
            f"Flower's simulation ended: {type(cause).__name__}: {cause}", where="engine: flower"
        ) from error
    if not found:
        raise FitError("Flower's simulation ended without a result", where="engine: flower")


@contextmanager
def _environment() -> Iterator[None]:
    """Keep Flower and Ray from reporting and logging, and put back what they change in the environment."""
    before = dict(os.environ)
    os.environ.update(_QUIET)
    importlib.import_module(
        "flwr.simulation"
    )  # sets the level of its logger, and reads from the environment whether it reports
    logger = logging.getLogger("flwr")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)
