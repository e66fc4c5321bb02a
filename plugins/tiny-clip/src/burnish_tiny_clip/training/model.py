"""The model: open_clip's own CLIP with two small transformers, and how its weights begin."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import torch
from open_clip.model import CLIP

from burnish_tiny_clip.training.vocabulary import CONTEXT
from burnish_tiny_clip.training.vocabulary import SIZE as VOCABULARY

if TYPE_CHECKING:
    from torch import Tensor

SIDE: Final = 32
"""Height and width of the images, in pixels."""

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
"""Mean and standard deviation of the channels R, G, B, in units of full scale (CIFAR-10's training images)."""

MODEL: Final[dict[str, Any]] = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": SIDE, "patch_size": 4, "width": 128, "layers": 6, "head_width": 32, "mlp_ratio": 4.0},
    "text_cfg": {
        "context_length": CONTEXT,
        "vocab_size": VOCABULARY,
        "hf_tokenizer_name": "burnish-tiny-clip",
        "width": 96,
        "heads": 3,
        "layers": 2,
    },
}
"""The model's part of ``open_clip_config.json``; the tokenizer's name only says that its files lie beside it."""

PREPROCESS: Final[dict[str, Any]] = {
    "size": [SIDE, SIDE],
    "mode": "RGB",
    "mean": list(MEAN),
    "std": list(STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


def build(seed: int) -> CLIP:
    """Return a model with fresh weights; changes torch's global seed."""
    torch.manual_seed(seed)
    model = CLIP(**deepcopy(MODEL))
    with torch.no_grad():
        _mimetic(model)
    return model


def _mimetic(model: CLIP) -> None:
    """Begin the visual tower's attention near what trained ones look like (Trockman and Kolter 2023, arXiv:2305.09828).

    Queries times keys begin near a multiple of the identity, so that with positions as sines and cosines a patch attends to its
    neighbours; values times output begin near a negative one.
    """
    visual: Any = model.visual
    grid, width = int(visual.grid_size[0]), int(visual.positional_embedding.shape[1])
    visual.positional_embedding[1:] = 0.6 * _positions(grid, width)
    for block in visual.transformer.resblocks:
        attention = block.attn
        heads, size = attention.num_heads, width // attention.num_heads
        query, key, value = attention.in_proj_weight.chunk(3)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            u, s, v = torch.linalg.svd(0.7 * torch.randn(width, width) / width**0.5 + 0.7 * torch.eye(width))
            query[part] = (u[:, :size] * s[:size].sqrt()).T
            key[part] = s[:size].sqrt()[:, None] * v[:size]
        u, s, v = torch.linalg.svd(0.4 * torch.randn(width, width) / width**0.5 - 0.4 * torch.eye(width))
        value.copy_(s.sqrt()[:, None] * v)
        attention.out_proj.weight.copy_(u * s.sqrt())


def _positions(grid: int, width: int) -> Tensor:
    """Return sines and cosines of the row and the column of each patch, (grid * grid, width)."""
    rates = 1.0 / 10000 ** (torch.arange(width // 4) / (width // 4))
    angles = torch.arange(grid)[:, None] * rates
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = line[:, None].expand(grid, grid, -1), line[None].expand(grid, grid, -1)
    return torch.cat([rows, columns], dim=2).reshape(grid * grid, width)
