"""Who the clients are: the values of a column, or shares of each class that are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.errors import ConfigError, FitError, suggestion
from burnish_fedclip import BY_CLASS, DIRICHLET, DRAWN_CLIENTS, dirichlet_alpha

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARDS = 2
"""Shards of a client where clients are made by class, as in McMahan et al.

2017 (arXiv:1602.05629, section 3).
"""

LEAST = 2
"""Fewest labelled items of a client that is drawn: with one there is no batch to tell an item from."""

_DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Client:
    """One client.

    Attributes:
        name: the value of the column, or its number.
        train: (n,) int64 places of its items among the labelled training items.
        validation: (m,) int64 places of its items among the labelled validation items; there may be none.
    """

    name: str
    train: NDArray[np.int64]
    validation: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Items:
    """Labelled items of a split.

    Attributes:
        y: (n,) int64 classes.
        columns: further columns (n,).
    """

    y: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]


def divide(
    clients: str,
    number: int | None,
    train: Items,
    validation: Items,
    classes: int,
    rng: np.random.Generator,
    where: str,
) -> list[Client]:
    """Return the clients: each labelled training item belongs to one of them.

    Args:
        clients: a column, ``dirichlet:ALPHA`` or ``class``.
        number: how many are drawn.
        train: the labelled training items.
        validation: the labelled validation items; those of a column value that no training item has belong to
            nobody.
        classes: C.
        rng: of the draw.
        where: the tuner, for errors.

    Raises:
        ConfigError: there is no such column.
        FitError: an empty client, or one client alone.
    """
    alpha = dirichlet_alpha(clients)
    if alpha is None and clients != BY_CLASS:
        return _by_column(clients, train, validation, where)
    count = number or DRAWN_CLIENTS
    if len(train.y) < LEAST * count:
        todo = f"Set number to {len(train.y) // LEAST} or less"
        raise FitError(
            f"{len(train.y)} labelled training items leave an empty client among {count}",
            where=where,
            todo=todo,
        )
    for _ in range(_DRAWS):
        shares = (
            _shard_shares(train.y, classes, count, rng)
            if alpha is None
            else rng.dirichlet(np.full(count, alpha), size=classes)
        )
        owners = _owners(train.y, shares, rng)
        if np.bincount(owners, minlength=count).min() >= LEAST:
            return _clients([str(k) for k in range(count)], owners, _owners(validation.y, shares, rng))
    todo = "Lower number, or raise ALPHA" if alpha else "Lower number"
    raise FitError(
        f"{clients} left an empty client, of fewer than {LEAST} items, in each of {_DRAWS} draws",
        where=where,
        todo=todo,
    )


def _by_column(column: str, train: Items, validation: Items, where: str) -> list[Client]:
    if column not in train.columns:
        columns = ", ".join([*sorted(train.columns), f"{DIRICHLET}:ALPHA", BY_CLASS])
        hint = suggestion(column, [*train.columns, BY_CLASS])
        raise ConfigError(
            f"clients: the data has no column {column!r}. {hint}".strip(), where=where, possible=columns
        )
    values = train.columns[column]
    absent = sum(
        value is None or value == "" or (isinstance(value, float) and math.isnan(value))
        for value in values.tolist()
    )
    if absent:
        raise FitError(
            f"{absent} of {len(values)} labelled training items have nothing in column {column!r}: they are"
            " nobody's",
            where=where,
        )
    names, owners = np.unique(values.astype(str), return_inverse=True)
    if len(names) < 2:
        todo = f"Take another column, {DIRICHLET}:ALPHA or {BY_CLASS}"
        raise FitError(
            f"column {column!r} is {str(names[0])!r} for all labelled training items: one client alone",
            where=where,
            todo=todo,
        )
    theirs = validation.columns[column].astype(str)
    place = np.searchsorted(names, theirs).clip(max=len(names) - 1)
    return _clients(names.tolist(), owners.reshape(-1), np.where(names[place] == theirs, place, len(names)))


def _clients(names: list[str], train: NDArray[Any], validation: NDArray[Any]) -> list[Client]:
    """Return the clients in the order of their names' numbers, given the number of each item's owner."""
    places = [
        np.split(np.argsort(o, kind="stable"), np.cumsum(np.bincount(o, minlength=len(names)))[: len(names)])
        for o in (train, validation)
    ]
    return [Client(name, places[0][k], places[1][k]) for k, name in enumerate(names)]


def _owners(y: NDArray[np.int64], shares: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the owner of each item (n,), K where nobody gets it.

    Client k gets the share ``shares[c, k]`` of class c in a random order.
    """
    owners = np.empty(len(y), dtype=np.int64)
    for c, share in enumerate(shares):
        members = rng.permutation(np.flatnonzero(y == c))
        bounds = np.rint(np.cumsum(share) * len(members))
        owners[members] = np.searchsorted(bounds, np.arange(len(members)), side="right")
    return owners


def _shard_shares(
    y: NDArray[np.int64], classes: int, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the share of each class (C, K) that each client has when shards are dealt out.

    The shards are equal, and cut from the items sorted by class.
    """
    ends = np.cumsum(np.bincount(y, minlength=classes)) / len(y)
    starts = np.concatenate([[0.0], ends[:-1]])
    edges = np.arange(SHARDS * count + 1) / (SHARDS * count)
    overlap = np.minimum(ends[:, None], edges[None, 1:]) - np.maximum(starts[:, None], edges[None, :-1])
    overlap = (
        overlap.clip(min=0)[:, rng.permutation(SHARDS * count)].reshape(classes, count, SHARDS).sum(axis=2)
    )
    width = ends - starts
    shares: NDArray[np.float64] = np.divide(
        overlap, width[:, None], out=np.zeros_like(overlap), where=width[:, None] > 0
    )
    return shares
