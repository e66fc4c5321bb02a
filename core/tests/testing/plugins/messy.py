"""A plugin whose descriptions are wrong: nothing is frozen, helped, found, or left alone."""

from dataclasses import dataclass, field

import numpy as np  # noqa: F401 - what a light module must not do

import burnish

BURNISH_API = 1


@dataclass
class Open:
    q: float = field(default=0.7, metadata={"help": "an option"})


@dataclass(frozen=True)
class Silent:
    q: float = 0.7


@dataclass(frozen=True)
class Shifting:
    q: float = field(default=0.7, metadata={"help": "an option"})

    def __post_init__(self):
        object.__setattr__(self, "q", self.q + 1)


calls = []


@burnish.hookimpl
def burnish_losses():
    calls.append(1)
    target = "messy_targets:Loss"
    return [
        burnish.Loss(name="open", target=target, config=Open, summary="Not frozen"),
        burnish.Loss(name="silent", example="gamma=2", target=target, config=Silent, summary="No help"),
        burnish.Loss(name="shifting", target=target, config=Shifting, summary="Changes its options"),
        burnish.Loss(name="missing", target="messy_targets:Nowhere", summary="No such target"),
        burnish.Loss(name="seeding", target="messy_seeds:Loss", summary=f"Call {len(calls)}"),
    ]
