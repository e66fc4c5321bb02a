"""Where adapters, prompts and the like can be put into models of the known families."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from burnish.contracts.towers import Block, Sites
from burnish.errors import PluginError
from burnish_timm.families import STAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUERY_KEY_VALUE = (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"))


def sites(model: Any, family: str, where: str) -> Sites:
    """Return the sites of a model: the blocks of a transformer, or the stages of a convolutional network.

    Args:
        model: of timm.
        family: `burnish_timm.families.family` of its architecture.
        where: its name, for errors.

    Raises:
        PluginError: the family is unknown.
    """
    if family == "transformer":
        blocks = tuple(_block(block, f"blocks.{number}") for number, block in enumerate(model.blocks))
        patch = int(getattr(model.patch_embed, "patch_size", (0,))[0])
        return Sites(
            blocks,
            int(model.embed_dim),
            "BND",
            int(model.num_prefix_tokens),
            _norms(model, besides=("blocks",)),
            patch,
        )
    if family in STAGES:
        stages = tuple(Block(name, norms=_norms(model.get_submodule(name), name)) for name in STAGES[family])
        layout: Literal["BCHW"] = "BCHW"
        return Sites(stages, _width(model), layout, 0, _norms(model, besides=STAGES[family]))
    raise PluginError(
        f"where parts can be put into {where} is not known",
        where="timm",
        possible=f"vision transformers, {', '.join(STAGES)}",
    )


def _width(model: Any) -> int:
    """Return the channels of the last stage."""
    return int(model.feature_info[-1]["num_chs"])


def _block(block: nn.Module, name: str) -> Block:
    attention, mlp = getattr(block, "attn", None), getattr(block, "mlp", None)
    return Block(
        name,
        attention="" if attention is None else f"{name}.attn",
        projections=tuple(_projections(attention, f"{name}.attn")),
        mlp="" if mlp is None else f"{name}.mlp",
        linears=()
        if mlp is None
        else tuple(f"{name}.mlp.{n}" for n, m in mlp.named_modules() if isinstance(m, nn.Linear)),
        norms=_norms(block, name),
        norms_first="Post" not in type(block).__name__,  # ResPostBlock, ResPostRelPosBlock, EvaBlockPostNorm
    )


def _projections(attention: nn.Module | None, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(getattr(attention, "qkv", None), nn.Linear):
        yield "qkv", f"{name}.qkv"
    elif all(isinstance(getattr(attention, part, None), nn.Linear) for _, part in _QUERY_KEY_VALUE):
        yield from ((what, f"{name}.{part}") for what, part in _QUERY_KEY_VALUE)


def _norms(module: nn.Module, name: str = "", besides: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the normalisation layers under a module, but for some of its children.

    Timm defines them in the order in which it applies them.
    """
    prefix = f"{name}." if name else ""
    left_out = tuple(f"{child}." for child in besides)
    return tuple(
        prefix + n
        for n, m in module.named_modules()
        if _is_norm(m) and n and not f"{n}.".startswith(left_out or "\0")
    )


def _is_norm(module: nn.Module) -> bool:
    """Return whether a module normalises.

    Torch's own classes, and timm's by their names, such as RmsNorm and GroupNorm1.
    """
    if isinstance(module, nn.LayerNorm | nn.GroupNorm | nn.modules.batchnorm._BatchNorm | nn.RMSNorm):
        return True
    return "norm" in type(module).__name__.lower() and "weight" in dict(
        module.named_parameters(recurse=False)
    )
