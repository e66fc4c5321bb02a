"""The tuners: FedCLIP, FedAvg and FedProx on a linear head, and heads that share nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from burnish.blocks import ensemble, finite_rows, scale_of
from burnish.data import Labels
from burnish.errors import ConfigError, FitError
from burnish_fedclip import (
    ClientsConfig,
    FedAvgHeadConfig,
    FedCLIPConfig,
    FederatedConfig,
    FedProxHeadConfig,
    LocalHeadConfig,
)
from burnish_fedclip.clients import Items, divide
from burnish_fedclip.local import LocalTraining, Part, Table
from burnish_fedclip.models import AttentionAdapter, ClientModel, LinearHead
from burnish_fedclip.predictors import AdaptedClassifier, LinearClassifier
from burnish_fedclip.server import Federation, Group, federate, train_alone

if TYPE_CHECKING:
    from torch import Tensor

    from burnish.contracts.tuner import Task
    from burnish.data import Classes


class FedCLIP:
    """Clients train an attention adapter on frozen image features.

    The server averages it (Lu et al. 2023, arXiv:2302.13485).
    """

    def __init__(self, config: FedCLIPConfig) -> None:
        self.config = config

    def fit(self, task: Task) -> AdaptedClassifier:
        """Train the adapter in rounds.

        Raises:
            FitError: no labels, an empty client, one client alone, or numbers that became NaN.
            ConfigError: there is no such column, or a template has no place for the name.
            burnish.errors.DataError: the classes have no names.
        """
        config, released = self.config, self.config.variant == "released"
        group = make_group(task, config, "tuner fedclip")
        texts = ensemble(task.class_embeddings(config.templates))
        federation = Federation(
            config.rounds,
            config.aggregate or ("uniform" if released else "size"),
            config.keep,
            local_training(task, config, config.local_epochs),
            task.seed,
        )
        scale = scale_of(task, config.scale)
        model = AttentionAdapter(texts.to(task.run.device), scale, config.loss)
        if max(len(part.rows) for part in group.parts) < model.least:
            what = (
                f"no client has the {model.least} labelled training items that the loss {config.loss} tells"
                " apart"
            )
            raise FitError(what, where="tuner fedclip", todo="Take clients with more items, or loss=class-ce")
        return AdaptedClassifier(
            run(config.engine, model, group, federation, task, "tuner fedclip"), texts, scale, task.classes
        )

    def restore(
        self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> AdaptedClassifier:
        """Return the predictor with this state.

        Raises:
            burnish.errors.ModelFileError: it does not fit.
        """
        return AdaptedClassifier.restore(state, info, classes, "tuner fedclip")


class _FederatedHead:
    """A linear head that clients train and the server averages."""

    word = ""

    def __init__(self, config: FederatedConfig) -> None:
        self.config = config

    def _model(self, dim: int, classes: int) -> LinearHead:
        raise NotImplementedError

    def fit(self, task: Task) -> LinearClassifier:
        """Train the head in rounds.

        Raises:
            FitError: no labels, an empty client, one client alone, or numbers that became NaN.
            ConfigError: there is no such column.
        """
        config, where = self.config, f"tuner {self.word}"
        group = make_group(task, config, where)
        federation = Federation(
            config.rounds,
            config.aggregate,
            config.keep,
            local_training(task, config, config.local_epochs),
            task.seed,
        )
        head = run(
            config.engine,
            self._model(group.train.x.shape[1], len(task.classes)),
            group,
            federation,
            task,
            where,
        )
        return LinearClassifier(head["weight"].unsqueeze(0), head["bias"].unsqueeze(0), task.classes)

    def restore(
        self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> LinearClassifier:
        """Return the predictor with this state.

        Raises:
            burnish.errors.ModelFileError: it does not fit.
        """
        return LinearClassifier.restore(state, info, classes, f"tuner {self.word}")


class FedAvgHead(_FederatedHead):
    """Federated averaging (McMahan et al. 2017, arXiv:1602.05629) of a linear head."""

    word = "fedavg-head"

    def __init__(self, config: FedAvgHeadConfig) -> None:
        super().__init__(config)

    def _model(self, dim: int, classes: int) -> LinearHead:
        return LinearHead(dim, classes)


class FedProxHead(_FederatedHead):
    """Federated averaging of a linear head with a pull to the server's (Li et al. 2020, arXiv:1812.06127)."""

    word = "fedprox-head"

    def __init__(self, config: FedProxHeadConfig) -> None:
        super().__init__(config)
        self._mu = config.mu

    def _model(self, dim: int, classes: int) -> LinearHead:
        return LinearHead(dim, classes, self._mu)


class LocalHead:
    """Each client trains a linear head on its own items.

    Which client an item to predict is from is not known, so the mean of all heads' probabilities answers, or
    the head of one client.
    """

    def __init__(self, config: LocalHeadConfig) -> None:
        self.config = config

    def fit(self, task: Task) -> LinearClassifier:
        """Train the heads side by side.

        Raises:
            FitError: no labels, an empty client, one client alone, or numbers that became NaN.
            ConfigError: there is no such column, or no such client.
        """
        config, where = self.config, "tuner local-head"
        group = make_group(task, config, where)
        parts = list(group.parts)
        if config.client is not None:
            if config.client not in group.names:
                raise ConfigError(
                    f"there is no client {config.client!r}", where=where, possible=", ".join(group.names)
                )
            parts = [parts[list(group.names).index(config.client)]]
        model = LinearHead(group.train.x.shape[1], len(task.classes))
        heads = train_alone(model, group.train, parts, local_training(task, config, config.epochs), task.seed)
        task.run.progress(1, 1)
        return LinearClassifier(heads["weight"], heads["bias"], task.classes)

    def restore(
        self, state: Mapping[str, Tensor], info: Mapping[str, Any], classes: Classes
    ) -> LinearClassifier:
        """Return the predictor with this state.

        Raises:
            burnish.errors.ModelFileError: it does not fit.
        """
        return LinearClassifier.restore(state, info, classes, "tuner local-head")


def run(
    engine: str, model: ClientModel, group: Group, federation: Federation, task: Task, where: str
) -> dict[str, Tensor]:
    """Run the rounds on the engine that was asked for, and return the parameters of the round to keep."""
    if federation.keep == "best" and not len(group.validation):
        todo = "Set keep to last, or split.validation above 0"
        raise FitError(
            "the best round is chosen by labelled validation items, and the clients have none",
            where=where,
            todo=todo,
        )
    if engine == "in-process":
        return federate(model, group, federation, task.run.progress)
    from burnish_fedclip.simulation import simulate  # Flower and Ray are an extra

    return simulate(model, group, federation, task.run.progress)


def local_training(task: Task, config: ClientsConfig, epochs: int) -> LocalTraining:
    """Return how a client trains; tuners of one replicate share the order of batches."""
    return LocalTraining(
        config.lr, config.weight_decay, config.batch, epochs, int(task.generator("order").integers(2**62))
    )


def only_client(task: Task, number: int, where: str) -> Group:
    """Return the one client to whom all labelled items of a task belong.

    Raises:
        FitError: no labels, another type of supervision, or features that are not finite.
    """
    (train, _), (validation, _) = _both(task, where)
    parts, judges = ([Part(number, np.arange(len(table), dtype=np.int64))] for table in (train, validation))
    return Group(train, validation, parts, judges, [str(number)])


def make_group(task: Task, config: ClientsConfig, where: str) -> Group:
    """Return the clients of a task and their labelled items.

    Raises:
        FitError: no labels, another type of supervision, features that are not finite, an empty client, or
            one client alone.
        ConfigError: there is no such column.
    """
    (train, train_items), (validation, validation_items) = _both(task, where)
    rng = task.generator("clients")
    clients = divide(
        config.clients, config.number, train_items, validation_items, len(task.classes), rng, where
    )
    parts = [Part(k, client.train) for k, client in enumerate(clients)]
    judges = [Part(k, client.validation) for k, client in enumerate(clients)]
    theirs = np.concatenate([judge.rows for judge in judges])
    return Group(
        train,
        validation if len(theirs) else _none_of(validation),
        parts,
        judges,
        [client.name for client in clients],
    )


def _both(task: Task, where: str) -> list[tuple[Table, Items]]:
    """Return the labelled items of the splits train and validation."""
    if not isinstance(task.supervision, Labels):
        raise FitError(
            f"clients cannot be trained on {task.supervision.word}", where=where, possible="labels"
        )
    found = [_labelled(task, split, where) for split in ("train", "validation")]
    if not len(found[0][0]):
        raise FitError("no training item has a label and a weight above 0", where=where)
    return found


def _labelled(task: Task, split: str, where: str) -> tuple[Table, Items]:
    """Return the items of a split that have a label and a weight, and what is known of them."""
    index = task.splits[split].index if split in task.splits else np.empty(0, dtype=np.int64)
    own = task.supervision.take(index)
    assert isinstance(own, Labels)  # noqa: S101 - checked by the caller
    weights = np.ones(len(index), dtype=np.float32) if own.weights is None else own.weights.astype(np.float32)
    used = own.known & (weights > 0)
    x = (
        np.asarray(task.features(split), dtype=np.float32)[used, 0]
        if used.any()
        else np.empty((0, 1), dtype=np.float32)
    )
    if used.any() and not (finite := finite_rows(x)).all():
        raise FitError(
            f"a feature of {split} item {int(np.flatnonzero(used)[np.argmin(finite)])} is NaN or infinite",
            where=where,
        )
    device = task.run.device
    table = Table(
        *(
            torch.from_numpy(np.ascontiguousarray(part)).to(device)
            for part in (x, own.y[used].copy(), weights[used])
        )
    )
    return table, Items(own.y[used], {name: column[index][used] for name, column in task.groups.items()})


def _none_of(items: Table) -> Table:
    return Table(items.x[:0], items.y[:0], items.weights[:0])
