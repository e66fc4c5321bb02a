"""FedCLIP on Flower: a `ServerApp` and a `ClientApp`.

They are built around the same local training and the same average as in-process.

The server says in each message how to train; a client has its items on its own disk
(`burnish_fedclip.client_file`) and answers with its parameters alone. `burnish run` simulates the two; ``flwr
run`` deploys them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, MessageType, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from safetensors.torch import save_file
from torch import Tensor

from burnish.errors import DataError, FitError
from burnish_fedclip.client_file import ClientData, file_of, read_client
from burnish_fedclip.local import LocalTraining, Part, train_clients
from burnish_fedclip.models import AttentionAdapter, ClientModel, LinearHead
from burnish_fedclip.server import Federation, Keeper, average, mean_accuracy, require_finite, shares

ARRAYS, CONFIG, METRICS = "arrays", "config", "metrics"

_WAIT_SECONDS = 1.0

_log = logging.getLogger("burnish_fedclip")


@dataclass(frozen=True)
class Recipe:
    """What the server tells its clients to train, beside how.

    Attributes:
        model: ``"adapter"`` or ``"head"``.
        classes: number of classes C.
        dim: width D of the features.
        loss: of the adapter.
        scale: of the adapter.
        mu: of the head.
    """

    model: str
    classes: int
    dim: int
    loss: str = "infonce"
    scale: float = 100.0
    mu: float = 0.0

    @classmethod
    def of(cls, model: ClientModel) -> Recipe:
        """Return what describes a model."""
        if isinstance(model, LinearHead):
            return cls("head", model.classes, model.dim, mu=model.mu)
        if isinstance(model, AttentionAdapter):
            classes, dim = model.texts.shape
            return cls("adapter", classes, dim, loss=model.loss, scale=model.scale)
        raise FitError(
            f"{type(model).__name__} cannot be sent to clients", possible="AttentionAdapter, LinearHead"
        )

    def made(self, texts: Tensor) -> ClientModel:
        """Return the model, with a client's text features (C, D).

        Raises:
            DataError: they do not fit.
        """
        if texts.shape[1] != self.dim or (self.model == "adapter" and len(texts) != self.classes):
            raise DataError(
                f"text features of shape {tuple(texts.shape)}",
                where="client",
                possible=str((self.classes, self.dim)),
            )
        if self.model == "head":
            return LinearHead(self.dim, self.classes, self.mu)
        return AttentionAdapter(texts, self.scale, "class-ce" if self.loss == "class-ce" else "infonce")


# -- client --------------------------------------------------------------------------------------------------


def client_app(folder: Path | None = None) -> ClientApp:
    """Return a client.

    Args:
        folder: of the files of all clients, for simulations; without one, a client's file is the entry
            ``data`` of its node's config (``flower-supernode --node-config
            'data="/data/client.safetensors"'``), or of the run's config a folder of all of them.
    """
    app = ClientApp()
    app.train()(lambda message, context: train(message, _data(context, folder)))
    app.evaluate()(lambda message, context: evaluate(message, _data(context, folder)))
    return app


def train(message: Message, data: ClientData) -> Message:
    """Answer the server's parameters with those after a round of local training."""
    recipe, training, turn = _told(message)
    part = Part(data.number, np.arange(len(data.train), dtype=np.int64))
    trained = train_clients(
        recipe.made(data.texts), _tensors(message.content[ARRAYS]), data.train, [part], training, turn
    )
    metrics = MetricRecord({"client": data.number, "items": len(data.train)})
    return Message(
        RecordDict({ARRAYS: _record({name: t[0] for name, t in trained.items()}), METRICS: metrics}),
        reply_to=message,
    )


def evaluate(message: Message, data: ClientData) -> Message:
    """Answer the server's parameters with their accuracy on the client's validation items."""
    recipe, _, _ = _told(message)
    judge = Part(data.number, np.arange(len(data.validation), dtype=np.int64))
    accuracy = mean_accuracy(
        recipe.made(data.texts), _tensors(message.content[ARRAYS]), data.validation, [judge]
    )
    metrics = MetricRecord({"client": data.number, "items": len(data.validation), "accuracy": accuracy})
    return Message(RecordDict({METRICS: metrics}), reply_to=message)


def _data(context: Context, folder: Path | None) -> ClientData:
    given = context.node_config.get("data") or context.run_config.get("data")
    if folder is None and not given:
        todo = "Set data in --node-config of the supernode, or in the config of the run"
        raise DataError("the client's file is not named", where="client", todo=todo)
    path = Path(str(given)) if folder is None else folder
    return read_client(file_of(path, int(context.node_config["partition-id"])) if path.is_dir() else path)


# -- server --------------------------------------------------------------------------------------------------


def serve(
    grid: Grid,
    recipe: Recipe,
    federation: Federation,
    *,
    clients: int,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Tensor]:
    """Run all rounds and return the parameters of the round to keep.

    Args:
        grid: the connection to the clients.
        recipe: what they train.
        federation: rounds, average, and how they train.
        clients: how many must be there for a round to begin.
        strict: whether a client that fails ends it all; else the others go on without it.
        progress: called with (rounds done, rounds in all).

    Raises:
        FitError: a client failed, or all of them; or parameters became NaN or infinite.
    """
    texts = torch.zeros(recipe.classes, recipe.dim)
    current: dict[str, Tensor] = recipe.made(texts).start(federation.seed)
    told = {f"recipe.{key}": value for key, value in asdict(recipe).items()}
    told |= {f"training.{key}": value for key, value in asdict(federation.training).items()}
    keeper = Keeper(federation.keep)
    for turn in range(federation.rounds):
        nodes = _nodes(grid, clients)
        trained = _ask(grid, nodes, MessageType.TRAIN, current, told | {"turn": turn}, strict)
        counted = shares([int(_metric(reply, "items")) for reply in trained], federation.aggregate)
        replies = [_tensors(reply[ARRAYS]) for reply in trained]
        current = average(
            {name: torch.stack([r[name] for r in replies]) for name in current}, torch.tensor(counted)
        )
        require_finite(current, "the average", turn, federation.training.lr)
        accuracy = 0.0
        if federation.keep == "best":
            judged = _ask(grid, nodes, MessageType.EVALUATE, current, told | {"turn": turn}, strict)
            found = [_metric(reply, "accuracy") for reply in judged if _metric(reply, "items")]
            if not found:
                raise FitError(
                    "the best round is chosen by labelled validation items, and no client has any",
                    todo="Set keep to last",
                )
            accuracy = sum(found) / len(found)
        keeper.offer(turn, current, accuracy)
        if progress is not None:
            progress(turn + 1, federation.rounds)
    return keeper.parameters


def server_app() -> ServerApp:
    """Return a server that reads what to do from the config of the run.

    It writes the adapter to the file that the config's entry ``out`` names.
    """

    def main(grid: Grid, context: Context) -> None:
        recipe, federation, clients = read_run(context.run_config)
        out = Path(str(context.run_config.get("out") or "adapter.safetensors"))
        parameters = serve(grid, recipe, federation, clients=clients)
        save_file({name: t.contiguous() for name, t in parameters.items()}, out)
        _log.info("the parameters of the round to keep are in %s", out.resolve())

    app = ServerApp()
    app.main()(main)
    return app


def read_run(config: Mapping[str, Any]) -> tuple[Recipe, Federation, int]:
    """Return what the config of a run says: what to train, how, and how many clients must be there.

    Raises:
        DataError: an entry is missing or has another type than it should.
    """
    wanted: dict[str, type] = {
        "model": str,
        "classes": int,
        "dim": int,
        "loss": str,
        "scale": float,
        "mu": float,
        "rounds": int,
        "aggregate": str,
        "keep": str,
        "lr": float,
        "weight-decay": float,
        "batch": int,
        "local-epochs": int,
        "order": int,
        "seed": int,
        "clients": int,
    }
    for name, kind in wanted.items():
        if not isinstance(config.get(name), kind):
            where, todo = f"run config, {name}", "Set it under [tool.flwr.app.config], or with --run-config"
            raise DataError(
                f"it is {config.get(name)!r}",
                where=where,
                possible=f"a value of type {kind.__name__}",
                todo=todo,
            )
    choices = {
        "model": ("adapter", "head"),
        "loss": ("infonce", "class-ce"),
        "aggregate": ("uniform", "size"),
        "keep": ("best", "last"),
    }
    for name, possible in choices.items():
        if config[name] not in possible:
            raise DataError(
                f"it is {config[name]!r}", where=f"run config, {name}", possible=", ".join(possible)
            )
    training = LocalTraining(
        config["lr"], config["weight-decay"], config["batch"], config["local-epochs"], config["order"]
    )
    recipe = Recipe(*(config[name] for name in ("model", "classes", "dim", "loss", "scale", "mu")))
    return (
        recipe,
        Federation(config["rounds"], config["aggregate"], config["keep"], training, config["seed"]),
        config["clients"],
    )


def _nodes(grid: Grid, clients: int) -> list[int]:
    """Wait until enough clients are there, and return all of them."""
    while len(nodes := sorted(grid.get_node_ids())) < clients:
        _log.info("%d of %d clients are there", len(nodes), clients)
        time.sleep(_WAIT_SECONDS)
    return nodes


def _ask(
    grid: Grid,
    nodes: Iterable[int],
    kind: str,
    parameters: Mapping[str, Tensor],
    told: Mapping[str, Any],
    strict: bool,
) -> list[RecordDict]:
    """Send parameters to the clients and return their answers, in the order of the clients' numbers.

    Sums then do not depend on who was first.
    """
    content = RecordDict({ARRAYS: _record(parameters), CONFIG: ConfigRecord(dict(told))})
    replies = list(
        grid.send_and_receive([Message(content, dst_node_id=node, message_type=kind) for node in nodes])
    )
    failed = [reply.error.reason for reply in replies if reply.has_error()]
    answers = [reply.content for reply in replies if not reply.has_error()]
    if failed and (strict or not answers):
        raise FitError(
            f"{len(failed)} of {len(replies)} clients failed: {failed[0]}", where=f"Flower, {kind}"
        )
    for reason in failed:
        _log.warning("a client is left out of this round: %s", reason)
    return sorted(answers, key=lambda answer: _metric(answer, "client"))


# -- messages ------------------------------------------------------------------------------------------------


def _told(message: Message) -> tuple[Recipe, LocalTraining, int]:
    told: Mapping[str, Any] = message.content[CONFIG]
    parts: dict[str, dict[str, Any]] = {"recipe": {}, "training": {}}
    for key, value in told.items():
        part, dot, name = key.partition(".")
        if dot:
            parts[part][name] = value
    return Recipe(**parts["recipe"]), LocalTraining(**parts["training"]), int(told["turn"])


def _metric(answer: RecordDict, name: str) -> float:
    metrics: Any = answer[METRICS]
    return float(metrics[name])


def _record(parameters: Mapping[str, Tensor]) -> ArrayRecord:
    return ArrayRecord({name: Array(tensor.detach().cpu().numpy()) for name, tensor in parameters.items()})


def _tensors(record: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(array.numpy())) for name, array in record.items()}
