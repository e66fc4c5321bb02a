"""Which parts LIFT puts into the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from burnish.blocks import adapters

if TYPE_CHECKING:
    from torch import Generator

    from burnish.blocks import Lease
    from burnish.contracts.towers import Sites
    from burnish_lift import LiftConfig


def default_rank(classes: int, blocks: int) -> int:
    """Return r = 2^max(0, floor(log2(C / (2 L)))).

    With it the parts inside L blocks hold about as many numbers as a classifier of C classes.
    """
    return int(2 ** max(0, math.floor(math.log2(classes / (2 * blocks)))))


def put_parts(lease: Lease, sites: Sites, config: LiftConfig, classes: int, generator: Generator) -> None:
    """Put what the config names into a tower on loan.

    Args:
        lease: of the module.
        sites: of its visual tower.
        config: kind, blocks, rank.
        classes: C, by which the rank is chosen where the config gives none.
        generator: draws initial values, on the CPU.

    Raises:
        burnish.errors.FitError: the tower has no such places.
    """
    blocks = adapters.chosen_blocks(sites, config.blocks)
    rank = config.rank or default_rank(classes, len(sites.blocks))
    kinds: dict[str, Callable[..., None]] = {
        "adaptformer": partial(adapters.adaptformer, generator=generator, rank=rank, init=config.down),
        "adapter": partial(adapters.sequential_adapter, generator=generator, rank=rank, init=config.down),
        "lora": partial(adapters.lora, generator=generator, rank=rank),
        "vpt-shallow": partial(
            adapters.visual_prompts, generator=generator, count=config.prompts, deep=False
        ),
        "vpt-deep": partial(adapters.visual_prompts, generator=generator, count=config.prompts),
        "ssf": partial(adapters.scale_shift, generator=generator),
        "bias": adapters.biases,
        "layer-norm": adapters.layer_norms,
        "partial": adapters.unfrozen,
    }
    if config.adapter != "none":
        kinds[config.adapter](lease, sites, blocks=blocks)
