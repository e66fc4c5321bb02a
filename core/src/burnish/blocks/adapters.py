"""Light fine-tuning of a frozen tower.

Each function puts one kind of small part into a module on loan, at the sites a backbone names.

All take a `burnish.blocks.lease.Lease` and the `burnish.contracts.towers.Sites` of the tower, and the numbers
of the blocks to change (all, where none are given). What they add is learnt as the lease's parameters.
AdaptFormer, adapter and LoRA change nothing before the first step; prompts and SSF do. Formulas and initial
values are those of LIFT (arXiv:2309.10019), which compares them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor, nn

from burnish.blocks.adapter_parts import (
    Bottleneck,
    Init,
    LowRankQueryValue,
    Prompts,
    ScaledBias,
    ScaledWeight,
    ScaleShift,
    Sequential,
    WithoutPrompts,
    low_rank,
)
from burnish.blocks.lease import Lease
from burnish.contracts.towers import Block, Sites
from burnish.errors import FitError, MissingExtraError

_WHERE = "blocks.adapters"


def chosen_blocks(sites: Sites, last: int | None = None) -> tuple[int, ...]:
    """Return the numbers of the last blocks; of all where `last` is None.

    Raises:
        FitError: the tower has fewer.
    """
    count = len(sites.blocks)
    if last is not None and not 1 <= last <= count:
        raise FitError(
            f"the last {last} blocks were asked for",
            where=_WHERE,
            possible=f"1 to {count}: that many blocks it has",
        )
    return tuple(range(count - (count if last is None else last), count))


def adaptformer(
    lease: Lease,
    sites: Sites,
    *,
    rank: int,
    generator: Generator,
    init: Init = "normal",
    blocks: Sequence[int] | None = None,
) -> None:
    """Let each block give y + alpha Up(ReLU(Down(LN(x)))) for its output y.

    Here x is what the normalisation before its MLP reads. That is x + MLP(LN2(x)) with a branch beside the
    MLP (AdaptFormer, arXiv:2205.13535): 2w + (wr + r) + (rw + w) + 1 numbers a block.

    Args:
        lease: the module.
        sites: of its tower: blocks that normalise before attention and before the MLP.
        rank: r.
        generator: draws Down.
        init: how.
        blocks: which blocks.

    Raises:
        FitError: the blocks have no such normalisation.
    """
    for number, block in _blocks(sites, blocks):
        inside = tuple(f"{name}." for name in (block.attention, block.mlp) if name)
        norms = [
            norm for norm in block.norms if not norm.startswith(inside)
        ]  # some attention normalises queries, some MLPs what they hold
        if len(norms) < 2 or sites.layout == "BCHW" or not block.norms_first:
            raise FitError(
                f"{block.name} has no normalisation before its MLP",
                where=_WHERE,
                todo="Use another kind of adapter, such as bias",
            )
        part = Bottleneck(sites.width, rank, scaled=True, init=init, generator=generator)
        lease.parallel(f"adaptformer.{number}", block.name, part.to(lease.device), reads=norms[-1])


def sequential_adapter(
    lease: Lease,
    sites: Sites,
    *,
    rank: int,
    generator: Generator,
    init: Init = "normal",
    blocks: Sequence[int] | None = None,
) -> None:
    """Let the MLP of each block give m + Up(ReLU(Down(LN(m)))) for its output m.

    2w + (wr + r) + (rw + w) numbers a block.

    Source: the adapter of arXiv:1902.00751, behind the MLP alone.

    Args:
        lease: the module.
        sites: of its tower.
        rank: r.
        generator: draws Down.
        init: how.
        blocks: which blocks.

    Raises:
        FitError: the blocks have no MLP.
    """
    for number, block in _blocks(sites, blocks):
        site = block.mlp or (block.linears[-1] if block.linears else "")
        if not site:
            raise FitError(
                f"{block.name} has no MLP", where=_WHERE, todo="Use another kind of adapter, such as bias"
            )
        part = Sequential(Bottleneck(sites.width, rank, scaled=False, init=init, generator=generator))
        lease.after(f"adapter.{number}", site, part.to(lease.device))


def lora(
    lease: Lease, sites: Sites, *, rank: int, generator: Generator, blocks: Sequence[int] | None = None
) -> None:
    """Add B A x / r to query and value of each block (LoRA, arXiv:2106.09685): 4wr numbers a block.

    Separate linear projections become peft's LoRA layers; a fused one, or the bare parameter of
    `torch.nn.MultiheadAttention`, is given another weight while it is on loan, which is the same map.

    Args:
        lease: the module.
        sites: of its tower.
        rank: r.
        generator: draws A, uniform within 1 / sqrt(r) (`burnish.blocks.adapter_parts.low_rank`); B is 0.
        blocks: which blocks.

    Raises:
        FitError: the blocks have no attention.
        MissingExtraError: peft is needed and not installed.
    """
    for number, block in _blocks(sites, blocks):
        linears = dict(block.projections)
        if {"query", "value"} <= linears.keys():
            for role in ("query", "value"):
                lease.replace(
                    f"lora.{number}.{role}",
                    linears[role],
                    lambda original: _peft_linear(original, rank, generator),
                )
        else:
            site, parameter, (out, width) = _fused(lease, block)
            part = LowRankQueryValue(width, out // 3, rank, generator)
            lease.reparametrise(f"lora.{number}", site, parameter, part.to(lease.device))


def visual_prompts(
    lease: Lease,
    sites: Sites,
    *,
    count: int,
    generator: Generator,
    deep: bool = True,
    blocks: Sequence[int] | None = None,
) -> None:
    """Put learnt tokens behind those of the first block, in deep prompting others before each further block.

    The tokens of a further block take the place of those before. After the last block they are taken away.
    They are drawn from U(-v, v), v = sqrt(6 / (3 p^2 + w)) for patches of p x p pixels (visual prompt tuning,
    arXiv:2203.12119): count * w numbers, in deep prompting for each block.

    Args:
        lease: the module.
        sites: of its tower, a transformer.
        count: how many tokens.
        generator: draws them.
        deep: whether each block has its own.
        blocks: which blocks, one after the other; prompts run from the first to the last of them.

    Raises:
        FitError: the tower has no tokens, or the side of its patches is not known; or the blocks leave one
            out.
    """
    if sites.layout == "BCHW":
        raise FitError(
            "prompts are tokens, and this tower has maps",
            where=_WHERE,
            todo="Use another kind of adapter, such as bias",
        )
    chosen = list(_blocks(sites, blocks))
    if chosen[-1][0] - chosen[0][0] != len(chosen) - 1:
        raise FitError("prompts run through blocks that follow one another", where=_WHERE)
    dim = 1 if sites.layout == "BND" else 0
    bound = math.sqrt(6 / (_patch_inputs(lease, sites) + sites.width))
    for place, (number, block) in enumerate(chosen if deep else chosen[:1]):
        part = Prompts(count, sites.width, bound=bound, dim=dim, replacing=place > 0, generator=generator)
        lease.before(f"prompts.{number}", block.name, part.to(lease.device))
    lease.after("prompts.end", chosen[-1][1].name, WithoutPrompts(count, dim))


def scale_shift(
    lease: Lease, sites: Sites, *, generator: Generator, blocks: Sequence[int] | None = None
) -> None:
    """Let query, key and value, and the output of attention, of each block be gamma y + beta.

    This is SSF (arXiv:2210.08823): 8w numbers a block.

    Args:
        lease: the module.
        sites: of its tower.
        generator: draws gamma from N(1, 0.02^2) and beta from N(0, 0.02^2).
        blocks: which blocks.

    Raises:
        FitError: the blocks have no attention.
    """
    for number, block in _blocks(sites, blocks):
        linears = {role: site for role, site in block.projections if role in ("query", "key", "value", "qkv")}
        for role, site in linears.items():
            lease.after(
                f"ssf.{number}.{role}", site, ScaleShift(_width(lease, site), generator).to(lease.device)
            )
        if not linears:
            site, parameter, (out, _) = _fused(lease, block)
            behind = ScaleShift(out, generator).to(lease.device)
            lease.reparametrise(f"ssf.{number}.qkv", site, parameter, ScaledWeight(behind))
            lease.reparametrise(
                f"ssf.{number}.qkv_bias", site, parameter.removesuffix("weight") + "bias", ScaledBias(behind)
            )
        lease.after(
            f"ssf.{number}.attention", block.attention, ScaleShift(sites.width, generator).to(lease.device)
        )


def biases(lease: Lease, sites: Sites, *, blocks: Sequence[int] | None = None) -> None:
    """Train the biases of the blocks in place (BitFit, arXiv:2106.10199).

    With all blocks also those of the tower's other normalisation layers.

    Raises:
        FitError: there is none.
    """
    under = [block.name for _, block in _blocks(sites, blocks)] + _outside(sites, blocks)
    _unfreeze(lease, under, lambda name: name.endswith("bias"), "biases")


def layer_norms(lease: Lease, sites: Sites, *, blocks: Sequence[int] | None = None) -> None:
    """Train weights and biases of the blocks' normalisation layers in place.

    With all blocks also those of the tower's others.

    Statistics of batch normalisation stay as they are.

    Raises:
        FitError: there is none.
    """
    under = [norm for _, block in _blocks(sites, blocks) for norm in block.norms] + _outside(sites, blocks)
    _unfreeze(lease, under, lambda name: True, "normalisation layers")


def unfrozen(lease: Lease, sites: Sites, *, blocks: Sequence[int] | None = None) -> None:
    """Train every parameter of the blocks in place.

    Full fine-tuning of the blocks, or partial of the last ones.
    """
    _unfreeze(lease, [block.name for _, block in _blocks(sites, blocks)], lambda name: True, "parameters")


def require_reached(lease: Lease, features: Tensor) -> None:
    """Refuse parts that the module does not run, for it takes another way than its sites tell.

    Nothing would be learnt in them.

    Args:
        lease: with all parts in.
        features: what the module gave of some items, with gradient.

    Raises:
        FitError: there is one.
    """
    parts = {name: p for name, p in lease.parameters().items() if name.startswith("parts.")}
    if not parts:
        return
    if not features.requires_grad:
        raise FitError(
            "the model runs none of the parts that were put into it",
            where=_WHERE,
            todo="Use another kind of adapter",
        )
    gradients = torch.autograd.grad(features.sum(), list(parts.values()), allow_unused=True)
    if silent := [name for name, gradient in zip(parts, gradients, strict=True) if gradient is None]:
        what = f"the model does not run {silent[0].removeprefix('parts.')} where it was put"
        raise FitError(what, where=_WHERE, todo="Use another kind of adapter")


# -- inside --------------------------------------------------------------------------------------------------


def _blocks(sites: Sites, blocks: Sequence[int] | None) -> list[tuple[int, Block]]:
    numbers = range(len(sites.blocks)) if blocks is None else sorted(blocks)
    if not len(numbers) or numbers[0] < 0 or numbers[-1] >= len(sites.blocks):
        raise FitError(
            f"blocks {list(numbers)} were asked for", where=_WHERE, possible=f"0 to {len(sites.blocks) - 1}"
        )
    return [(number, sites.blocks[number]) for number in numbers]


def _outside(sites: Sites, blocks: Sequence[int] | None) -> list[str]:
    return list(sites.norms) if len(_blocks(sites, blocks)) == len(sites.blocks) else []


def _unfreeze(lease: Lease, under: Sequence[str], also: Any, what: str) -> None:
    prefixes = tuple(f"{name}." for name in under)
    names = [name for name, _ in lease.module.named_parameters() if name.startswith(prefixes) and also(name)]
    if not names:
        raise FitError(f"the tower has no {what} to train", where=_WHERE, todo="Use another kind of adapter")
    chosen = set(names)
    lease.unfreeze(lambda name: name in chosen)


def _fused(lease: Lease, block: Block) -> tuple[str, str, tuple[int, int]]:
    """Return module, parameter and shape of the one weight [W_q; W_k; W_v] of a block's attention."""
    site, parameter = (
        (dict(block.projections)["qkv"], "weight")
        if "qkv" in dict(block.projections)
        else (block.attention, "in_proj_weight")
    )
    weight = getattr(lease.module.get_submodule(site), parameter, None) if site else None
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2 or len(weight) % 3:
        raise FitError(
            f"{block.name} has no attention whose projections are known",
            where=_WHERE,
            todo="Use another kind of adapter, such as bias",
        )
    return site, parameter, (weight.shape[0], weight.shape[1])


def _width(lease: Lease, site: str) -> int:
    linear = lease.module.get_submodule(site)
    if not isinstance(linear, nn.Linear):
        raise FitError(
            f"{site} is no linear layer but a {type(linear).__name__}",
            where=_WHERE,
            todo="Use another kind of adapter, such as bias",
        )
    return linear.out_features


def _patch_inputs(lease: Lease, sites: Sites) -> int:
    """Return the size 3 p^2 of a patch.

    Where the sites do not tell p, that of what the convolution reads that embeds patches.
    """
    if sites.patch:
        return 3 * sites.patch**2
    for module in lease.module.modules():
        if (
            isinstance(module, nn.Conv2d)
            and module.out_channels == sites.width
            and module.kernel_size == module.stride
        ):
            return module.weight[0].numel()
    raise FitError(
        "the backbone does not tell the side of its patches, by which prompts are drawn", where=_WHERE
    )


def _peft_linear(original: nn.Module, rank: int, generator: Generator) -> nn.Module:
    """Return peft's LoRA layer around a linear one, its A drawn anew.

    Peft itself draws from torch's global generator.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError(
            "LoRA in separate projections needs peft", where=_WHERE, todo="pip install peft"
        ) from error
    if not isinstance(original, nn.Linear):
        raise FitError(
            f"LoRA goes around a linear projection, and this is a {type(original).__name__}", where=_WHERE
        )
    around = nn.ModuleDict({"linear": original})
    with torch.random.fork_rng(devices=[]):
        inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=1, target_modules=["linear"]), around)  # type: ignore[no-untyped-call, unused-ignore]
    layer: Any = around["linear"]
    layer.lora_A.float()
    layer.lora_B.float()
    with torch.no_grad():
        layer.lora_A["default"].weight.copy_(low_rank(rank, original.in_features, generator))
    module: nn.Module = layer
    return module
