"""Where adapters, prompts and the like can be put into the towers of an open_clip model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from burnish.contracts.towers import Block, Sites
from burnish.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterable

_STAGES = ("layer1", "layer2", "layer3", "layer4")


def is_transformer(visual: object) -> bool:
    """Return whether a visual tower is open_clip's vision transformer."""
    return hasattr(visual, "transformer") and hasattr(visual, "_embeds")


def is_resnet(visual: object) -> bool:
    """Return whether a visual tower is open_clip's residual network with attention pooling."""
    return hasattr(visual, "attnpool") and hasattr(visual, "layer4")


def image_sites(visual: Any, where: str) -> Sites:
    """Return the sites of a visual tower.

    The blocks of a transformer, or the four stages of a residual network.

    Args:
        visual: the module named ``visual``.
        where: the backbone's name, for errors.

    Raises:
        PluginError: the tower is neither.
    """
    if is_transformer(visual):
        outside = _norms(visual, "visual", besides="transformer.")
        blocks, layout = _blocks(visual.transformer, "visual.transformer"), _layout(visual.transformer)
        return Sites(blocks, visual.transformer.width, layout, 1, outside, int(visual.patch_size[0]))
    if is_resnet(visual):
        stages = tuple(
            Block(f"visual.{stage}", norms=_norms(getattr(visual, stage), f"visual.{stage}"))
            for stage in _STAGES
        )
        return Sites(
            stages, visual.attnpool.c_proj.in_features, "BCHW", 0, _norms(visual, "visual", besides="layer")
        )
    raise PluginError(
        f"its visual tower is a {type(visual).__name__}, whose blocks are not known", where=where
    )


def text_sites(model: Any) -> Sites | None:
    """Return the sites of the text tower; None where it is not open_clip's own."""
    tower = getattr(model, "text", model)
    if not hasattr(tower, "token_embedding"):
        return None
    prefix = "" if tower is model else "text."
    return Sites(
        _blocks(tower.transformer, f"{prefix}transformer"),
        tower.transformer.width,
        _layout(tower.transformer),
        0,
        (f"{prefix}ln_final",),
    )


def _layout(transformer: Any) -> Literal["BND", "NBD"]:
    return "BND" if transformer.batch_first else "NBD"


def _blocks(transformer: Any, name: str) -> tuple[Block, ...]:
    return tuple(
        _block(block, f"{name}.resblocks.{number}") for number, block in enumerate(transformer.resblocks)
    )


def _block(block: Any, name: str) -> Block:
    """Return the parts of a residual attention block.

    Its query, key and value are bare parameters of ``attn``.
    """
    return Block(
        name,
        attention=f"{name}.attn",
        mlp=f"{name}.mlp",
        linears=(f"{name}.mlp.c_fc", f"{name}.mlp.c_proj"),
        norms=_norms(block, name),
    )


def _norms(module: nn.Module, name: str, besides: str = "\0") -> tuple[str, ...]:
    """Return the normalisation layers under a module, except under children whose names begin with `besides`.

    open_clip defines them in the order in which it applies them.
    """
    found: Iterable[tuple[str, nn.Module]] = module.named_modules()
    return tuple(
        f"{name}.{n}"
        for n, m in found
        if isinstance(m, nn.LayerNorm | nn.BatchNorm2d) and not n.startswith(besides)
    )
