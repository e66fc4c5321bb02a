"""The two towers' forward passes for training, from open_clip's own modules: the same numbers, in less time.

open_clip drops patches after it has embedded all of them and always reads the whole context; on a CPU both
cost. Its fused attention is also slow backwards there. The tests compare these functions with open_clip's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from open_clip.model import CLIP
    from torch import Tensor


def encode_images(
    model: CLIP, pixels: Tensor, keep: Tensor | None, taps: Sequence[int] = ()
) -> tuple[Tensor, list[Tensor]]:
    """Return the features of images, and the patches (B, K, width) after some blocks.

    The features are as ``model.encode_image`` gives them.

    Args:
        model: the model.
        pixels: (B, 3, H, W) normalised.
        keep: (B, K) int64 which patches to look at; None for all.
        taps: which blocks, from 0.
    """
    visual: Any = model.visual
    size, width = visual.conv1.kernel_size[0], visual.conv1.out_channels
    patches = functional.unfold(pixels, size, stride=size).transpose(1, 2)
    positions = visual.positional_embedding[1:]
    if keep is None:
        positions = positions[None]
    else:
        patches = patches.gather(1, keep[:, :, None].expand(-1, -1, patches.shape[2]))
        positions = positions[keep]
    x = functional.linear(patches, visual.conv1.weight.reshape(width, -1))
    start = (visual.class_embedding + visual.positional_embedding[0]).to(x.dtype).expand(len(x), 1, -1)
    x = _norm(visual.ln_pre, torch.cat([start, x + positions.to(x.dtype)], dim=1))
    patches_after = []
    for number, block in enumerate(visual.transformer.resblocks):
        x = _block(block, x, None)
        if number in taps:
            patches_after.append(x[:, 1:])
    return _norm(visual.ln_post, x[:, 0]) @ visual.proj, patches_after


def encode_texts(model: CLIP, tokens: Tensor) -> Tensor:
    """Return the features of texts, as ``model.encode_text`` gives them.

    Args:
        model: the model.
        tokens: (B, L) int64, L up to the context's length: columns of padding may be left out.
    """
    text: Any = model
    length = tokens.shape[1]
    x = (text.token_embedding(tokens) + text.positional_embedding[:length]).to(
        text.token_embedding.weight.dtype
    )
    mask = text.attn_mask[:length, :length]
    for block in text.transformer.resblocks:
        x = _block(block, x, mask)
    x = _norm(text.ln_final, x)
    features: Tensor = x[torch.arange(len(x)), tokens.argmax(dim=1)] @ text.text_projection
    return features


def _norm(layer: Any, x: Tensor) -> Tensor:
    return functional.layer_norm(x, layer.normalized_shape, layer.weight, layer.bias, layer.eps)


def _block(block: Any, x: Tensor, mask: Tensor | None) -> Tensor:
    """Apply a residual attention block with plain matrix products."""
    attention = block.attn
    batch, length, width = x.shape
    heads = attention.num_heads
    joint = functional.linear(_norm(block.ln_1, x), attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = joint.view(batch, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    scores = query @ key.transpose(-1, -2) * (width // heads) ** -0.5
    weights = (scores if mask is None else scores + mask).softmax(dim=-1)
    mixed = (weights.to(value.dtype) @ value).transpose(1, 2).reshape(batch, length, width)
    x = x + attention.out_proj(mixed)
    out: Tensor = x + block.mlp(_norm(block.ln_2, x))
    return out
