"""Where parts can be attached in the transformers of this library, found by what their modules are called."""

from __future__ import annotations

from typing import Final

from torch import nn

from burnish.contracts.towers import Block, Sites
from burnish.errors import PluginError

_ROLES: Final = {
    "query": ("q_proj", "query", "q_lin", "q"),
    "key": ("k_proj", "key", "k_lin", "k"),
    "value": ("v_proj", "value", "v_lin", "v"),
}
"""What the linear modules of query, key and value are called."""


def find_sites(module: nn.Module, tower: str, *, width: int, prefix: int = 0, patch: int = 0) -> Sites:
    """Return the sites of a transformer tower.

    Args:
        module: the whole module.
        tower: dotted name of the tower in it; empty where the module is the tower.
        width: width of its tokens.
        prefix: leading tokens that are no patches.
        patch: side of a patch in pixels; 0 where there are none.
    """
    stem = f"{tower}." if tower else ""
    inner = module.get_submodule(tower)
    lists = [(name, child) for name, child in inner.named_modules() if isinstance(child, nn.ModuleList)]
    if not lists:
        raise PluginError(
            f"{type(inner).__name__} has no list of blocks",
            where="huggingface",
            todo="Report it with the version of transformers",
        )
    name, layers = max(lists, key=lambda item: sum(weight.numel() for weight in item[1].parameters()))
    blocks = tuple(_block(layer, f"{stem}{name}.{row}") for row, layer in enumerate(layers))
    outside = tuple(stem + found for found in _norms(inner) if not found.startswith(f"{name}."))
    return Sites(blocks, width, "BND", prefix, outside, patch)


def _block(layer: nn.Module, name: str) -> Block:
    linears = [found for found, child in layer.named_modules() if isinstance(child, nn.Linear)]
    projections = tuple(
        (role, found)
        for role, names in _ROLES.items()
        for found in linears
        if found.rsplit(".", 1)[-1] in names
    )
    if len(projections) != len(_ROLES):
        raise PluginError(
            f"the projections of {name} are not known: {', '.join(linears)}", where="huggingface"
        )
    attention = projections[0][1].split(".", 1)[0]
    forward = [found for found in linears if found.split(".", 1)[0] != attention]
    parents = {found.split(".", 1)[0] for found in forward if "." in found}
    return Block(
        name=name,
        attention=f"{name}.{attention}",
        projections=tuple((role, f"{name}.{found}") for role, found in projections),
        mlp=f"{name}.{parents.pop()}" if len(parents) == 1 else "",
        linears=tuple(f"{name}.{found}" for found in forward),
        norms=tuple(f"{name}.{found}" for found in _norms(layer)),
    )


def _norms(module: nn.Module) -> list[str]:
    return [name for name, child in module.named_modules() if isinstance(child, nn.LayerNorm)]
