"""FedCLIP: many clients train one small adapter on frozen image features, and share nothing but it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import burnish

BURNISH_API = 1

PAPER = "arXiv:2302.13485"

BY_CLASS = "class"
"""Clients hold shards of the items sorted by class."""

DIRICHLET = "dirichlet"
"""Clients' shares of each class are drawn from a Dirichlet distribution."""

DRAWN_CLIENTS = 10
"""How many clients are drawn where nothing is said."""


def dirichlet_alpha(clients: str) -> float | None:
    """Return the concentration of ``dirichlet:ALPHA``; None where the clients are not drawn so.

    Raises:
        ValueError: it is no number above 0.
    """
    word, _, text = clients.partition(":")
    if word != DIRICHLET:
        return None
    try:
        alpha = float(text)
    except ValueError:
        alpha = math.nan
    if not 0 < alpha < math.inf:
        raise ValueError(
            f"clients is {clients!r}, where ALPHA of {DIRICHLET}:ALPHA is no number above 0, such as"
            f" {DIRICHLET}:0.5"
        )
    return alpha


@dataclass(frozen=True)
class ClientsConfig:
    """Who the clients are, and how each of them trains."""

    clients: str = field(
        default="dirichlet:0.5",
        metadata={
            "help": (
                "a column of the data, a client each value; dirichlet:ALPHA, drawn shares of each class;"
                " class, two shards by class"
            )
        },
    )
    number: int | None = field(
        default=None,
        metadata={
            "help": f"how many clients are drawn: {DRAWN_CLIENTS}; those of a column are its values",
            "range": (2, 100_000),
        },
    )
    lr: float = field(
        default=1e-2, metadata={"help": "learning rate of a client's Adam, constant", "range": (0, 10)}
    )
    weight_decay: float = field(
        default=0.0, metadata={"help": "L2 penalty inside Adam (not decoupled)", "range": (0, 10)}
    )
    batch: int = field(
        default=32, metadata={"help": "items in a client's training batch", "range": (2, 1_000_000)}
    )

    def __post_init__(self) -> None:
        drawn = dirichlet_alpha(self.clients) is not None or self.clients == BY_CLASS
        if not self.clients:
            raise ValueError(
                f"clients is empty. Possible: a column of the data, {DIRICHLET}:ALPHA, {BY_CLASS}"
            )
        if self.number is not None and not drawn:
            raise ValueError(
                f"number says how many clients are drawn, but those of column {self.clients!r} are its"
                " values: leave number out"
            )


@dataclass(frozen=True)
class FederatedConfig(ClientsConfig):
    """What clients and server do in each round."""

    rounds: int = field(
        default=50, metadata={"help": "rounds of local training and averaging", "range": (1, 100_000)}
    )
    local_epochs: int = field(
        default=1, metadata={"help": "passes of a client over its items in a round", "range": (1, 1000)}
    )
    aggregate: Literal["uniform", "size"] = field(
        default="size",
        metadata={"help": "weight of a client in the average: equal, or its number of labelled items"},
    )
    keep: Literal["best", "last"] = field(
        default="best",
        metadata={
            "help": (
                "best: the round with the best mean of the clients' validation accuracies; last: the last"
                " round"
            )
        },
    )
    engine: Literal["in-process", "flower"] = field(
        default="in-process",
        metadata={
            "help": (
                "in-process: clients side by side as a batch; flower: Flower's simulation, a Ray actor a core"
            )
        },
    )


@dataclass(frozen=True)
class FedCLIPConfig(ClientsConfig):
    """Options of `fedclip`; aggregate, where it is not given, is the variant's."""

    variant: Literal["paper", "released"] = field(
        default="released",
        metadata={"help": "released: clients weigh the same in the average; paper: by their labelled items"},
    )
    loss: Literal["infonce", "class-ce"] = field(
        default="infonce",
        metadata={
            "help": (
                "infonce: captions of the batch against its images, both ways; class-ce: cross-entropy over"
                " the classes"
            )
        },
    )
    rounds: int = field(
        default=200, metadata={"help": "rounds of local training and averaging", "range": (1, 100_000)}
    )
    local_epochs: int = field(
        default=1, metadata={"help": "passes of a client over its items in a round", "range": (1, 1000)}
    )
    lr: float = field(
        default=5e-5, metadata={"help": "learning rate of a client's Adam, constant", "range": (0, 10)}
    )
    weight_decay: float = field(
        default=0.2, metadata={"help": "L2 penalty inside Adam (not decoupled)", "range": (0, 10)}
    )
    aggregate: Literal["uniform", "size"] | None = field(
        default=None,
        metadata={
            "help": (
                "weight of a client in the average: equal (released), or its number of labelled items (paper)"
            )
        },
    )
    keep: Literal["best", "last"] = field(
        default="best",
        metadata={
            "help": (
                "best: the round with the best mean of the clients' validation accuracies; last: the last"
                " round"
            )
        },
    )
    templates: tuple[str, ...] = field(
        default=("a picture of a {}",), metadata={"help": "prompts; {} stands for the class name"}
    )
    scale: float | None = field(
        default=None,
        metadata={
            "help": (
                "what cosine similarities are multiplied with to be logits; none: what the backbone learnt,"
                " or 100"
            ),
            "range": (0.01, 1e4),
        },
    )
    engine: Literal["in-process", "flower"] = field(
        default="in-process",
        metadata={
            "help": (
                "in-process: clients side by side as a batch; flower: Flower's simulation, a Ray actor a core"
            )
        },
    )


@dataclass(frozen=True)
class FedAvgHeadConfig(FederatedConfig):
    """Options of `fedavg-head`."""


@dataclass(frozen=True)
class FedProxHeadConfig(FederatedConfig):
    """Options of `fedprox-head`."""

    mu: float = field(
        default=0.01,
        metadata={
            "help": "pull towards the round's start: mu / 2 times the squared distance",
            "range": (0, 1e4),
        },
    )


@dataclass(frozen=True)
class LocalHeadConfig(ClientsConfig):
    """Options of `local-head`."""

    epochs: int = field(
        default=50, metadata={"help": "passes of a client over its items", "range": (1, 100_000)}
    )
    client: str | None = field(
        default=None,
        metadata={
            "help": (
                "the client whose head alone predicts: a value of the column, or its number; by default all"
                " heads, averaged"
            )
        },
    )


_FEATURES = frozenset({"features"})
_OWN_LOSS = frozenset({"own-loss"})


@burnish.hookimpl
def burnish_tuners() -> list[burnish.Tuner]:
    """Return the tuners."""
    return [
        burnish.Tuner(
            name="fedclip",
            summary="Attention adapter on image features, trained by clients that share only the adapter",
            paper=PAPER,
            target="burnish_fedclip.tuners:FedCLIP",
            config=FedCLIPConfig,
            needs=_FEATURES | {"text-tower"},
            provides=_OWN_LOSS | {"open-vocabulary"},
        ),
        burnish.Tuner(
            name="fedavg-head",
            summary="Linear head, averaged over the clients in each round",
            paper="arXiv:1602.05629",
            target="burnish_fedclip.tuners:FedAvgHead",
            config=FedAvgHeadConfig,
            needs=_FEATURES,
            provides=_OWN_LOSS,
        ),
        burnish.Tuner(
            name="fedprox-head",
            summary="Linear head, averaged over clients that are held near the server's",
            paper="arXiv:1812.06127",
            target="burnish_fedclip.tuners:FedProxHead",
            config=FedProxHeadConfig,
            needs=_FEATURES,
            provides=_OWN_LOSS,
        ),
        burnish.Tuner(
            name="local-head",
            summary="Linear heads, each trained by one client alone: nothing is shared",
            target="burnish_fedclip.tuners:LocalHead",
            config=LocalHeadConfig,
            needs=_FEATURES,
            provides=_OWN_LOSS,
        ),
    ]


@burnish.hookimpl
def burnish_recipes() -> list[burnish.RecipeFile]:
    """Return the recipes."""
    return burnish.recipes("burnish_fedclip")
