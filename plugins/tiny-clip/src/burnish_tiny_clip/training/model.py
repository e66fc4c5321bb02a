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
"""Mean and standard deviation of channels R, G, B, in units of full scale (CIFAR-10's training images)."""

MODEL: Final[dict[str, Any]] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": SIDE,
        "patch_size": 4,
        "width": 128,
        "layers": 6,
        "head_width": 32,
        "mlp_ratio": 4.0,
    },
    "text_cfg": {
        "context_length": CONTEXT,
        "vocab_size": VOCABULARY,
        "hf_tokenizer_name": "burnish-tiny-clip",
        "width": 96,
        "heads": 3,
        "layers": 2,
    },
}
"""The model's part of ``open_clip_config.json``.

The tokenizer's name only says that its files lie beside it.
"""

PREPROCESS: Final[dict[str, Any]] = {
    "size": [SIDE, SIDE],
    "mode": "RGB",
    "mean": list(MEAN),
    "std": list(STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "fill_color": 0,
}


_CODE = 3.0
_PEAK = 6.0
_LOOKS = (
    (((-1, 0), (1, 0), (0, -1), (0, 1)), 0.7),
    (((-1, -1), (1, 1), (1, -1), (-1, 1)), 0.7),
    (((-2, 0), (2, 0), (0, -2), (0, 2)), 0.7),
    (((0, 0),) * 4, 1.5),
)
"""For each of the first blocks, where its heads look, in patches down and right, and how blurred.

`_PEAK` is the largest logit.
"""


def build(seed: int) -> CLIP:
    """Return a model with fresh weights; changes torch's global seed."""
    torch.manual_seed(seed)
    model = CLIP(**deepcopy(MODEL))
    with torch.no_grad():
        _begin_local(model)
    return model


def _begin_local(model: CLIP) -> None:
    """Begin the visual tower near what trained ones look like: its patches attend to neighbours.

    Of the first four blocks each head looks at one place beside a patch, so that they begin as convolutions
    (Zheng et al. 2024, arXiv:2404.01139); what heads do beyond this begins as queries times keys near a
    multiple of the identity, and values times output near a negative one (Trockman and Kolter 2023,
    arXiv:2305.09828). A position is the code of its row and that of its column, in 16 orthogonal directions.
    """
    visual: Any = model.visual
    grid, width = int(visual.grid_size[0]), int(visual.positional_embedding.shape[1])
    code = torch.linalg.qr(torch.randn(width, width))[0][:, : 2 * grid]
    visual.positional_embedding[0] = 0
    visual.positional_embedding[1:] = _positions(grid) @ code.T
    for number, block in enumerate(visual.transformer.resblocks):
        attention = block.attn
        size = width // attention.num_heads
        query, key, value = attention.in_proj_weight.chunk(3)
        for head in range(attention.num_heads):
            part = slice(head * size, (head + 1) * size)
            u, s, v = torch.linalg.svd(0.7 * torch.randn(width, width) / width**0.5 + 0.7 * torch.eye(width))
            query[part], key[part] = (u[:, :size] * s[:size].sqrt()).T, s[:size].sqrt()[:, None] * v[:size]
            if number < len(_LOOKS):
                where, blur = _LOOKS[number]
                look = (_PEAK / 2 * size**0.5) ** 0.5 / _CODE
                query[part] = torch.cat(
                    [look * _beside(grid, *where[head], blur).T @ code.T, query[part][: size - 2 * grid] / 2]
                )
                key[part] = torch.cat([look * code.T, key[part][: size - 2 * grid] / 2])
        u, s, v = torch.linalg.svd(0.4 * torch.randn(width, width) / width**0.5 - 0.4 * torch.eye(width))
        value.copy_(s.sqrt()[:, None] * v)
        attention.out_proj.weight.copy_(u * s.sqrt())


def _positions(grid: int) -> Tensor:
    """Return the codes of the row and the column of each patch less their mean, (grid * grid, 2 * grid)."""
    number, out = torch.arange(grid * grid), torch.zeros(grid * grid, 2 * grid)
    out[number, number // grid] = _CODE
    out[number, grid + number % grid] = _CODE
    return out - out.mean(0)


def _beside(grid: int, down: int, right: int, blur: float) -> Tensor:
    """Return (2 grid, 2 grid).

    Which rows, and which columns, the codes of a patch look at, `down` and `right` of it, blurred.
    """
    number = torch.arange(grid)
    out = torch.zeros(2 * grid, 2 * grid)
    for part, step in ((slice(grid), down), (slice(grid, None), right)):
        out[part, part] = torch.exp(-((number[:, None] + step - number[None]) ** 2) / (2 * blur**2))
    return out
