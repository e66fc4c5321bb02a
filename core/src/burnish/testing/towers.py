"""A small image and text model for tests of methods that run inside a backbone.

It has everything that `burnish.contracts.towers` speaks of. Its weights are random, of one seed: what it sees
of a picture is enough to learn from, what it makes of a text means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from burnish.contracts.backbone import Prepared, View
from burnish.contracts.towers import Block, Sites
from burnish.data.images import open_rgb
from burnish.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from burnish.data import Item

SIDE: Final = 16
_PATCH, _WIDTH, _BLOCKS, _DIM, _CONTEXT, _WORDS = 4, 16, 2, 12, 24, 128
_START, _END = 1, 2


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.out(scaled_dot_product_attention(self.query(x), self.key(x), self.value(x)))
        return mixed


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.attention = nn.LayerNorm(width), nn.LayerNorm(width), _Attention(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        mixed: Tensor = x + self.mlp(self.norm2(x))
        return mixed


class _Tower(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(_Block(_WIDTH) for _ in range(_BLOCKS)))
        self.norm = nn.LayerNorm(_WIDTH)
        self.projection = nn.Parameter(torch.randn(_WIDTH, _DIM) * _WIDTH**-0.5)


class _Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image, self.text = _Tower(), _Tower()
        self.patches = nn.Linear(3 * _PATCH * _PATCH, _WIDTH)
        self.first = nn.Parameter(torch.randn(_WIDTH))
        self.places = nn.Parameter(0.1 * torch.randn(1 + (SIDE // _PATCH) ** 2, _WIDTH))
        self.words = nn.Embedding(_WORDS, _WIDTH)
        self.positions = nn.Parameter(0.1 * torch.randn(_CONTEXT, _WIDTH))


class PracticeTowers:
    """A backbone that reads images and has a text tower.

    Implements `Encodes` and every protocol of `burnish.contracts.towers`.
    """

    dim, modality, views = _DIM, "image", True
    context_length, text_width, logit_scale = _CONTEXT, _WIDTH, 10.0

    def __init__(self) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.module: nn.Module = _Towers().eval().requires_grad_(False)
        self.sites, self.text_sites = _sites("image", 1), _sites("text", 0)
        self.text_tower = PracticeText(self)

    @property
    def projection(self) -> Tensor:
        """(w, D)."""
        return self._part("image.projection")

    def _part(self, name: str) -> Tensor:
        tensor: Tensor = self.module.get_parameter(name)
        return tensor

    # -- images ----------------------------------------------------------------------------------------------

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Prepared:
        """Return pictures as uint8 (B, 16, 16, 3).

        An augmented view is shifted by a pixel or two, as its seed says.
        """
        pixels = np.stack([np.asarray(open_rgb(item).resize((SIDE, SIDE))) for item in items])
        if view.number is not None:
            pixels = np.stack(
                [
                    np.roll(one, int(seed) % 3 - 1, axis=1)
                    for one, seed in zip(pixels, view.seeds(ids), strict=True)
                ]
            )
        return {"pixels": pixels}

    def tokens(self, inputs: Prepared, layer: int = -1) -> Tensor:
        """Return (B, 17, w)."""
        module: Any = self.module
        x: Tensor = torch.from_numpy(np.array(inputs["pixels"])).float() / 127.5 - 1
        n = SIDE // _PATCH
        patches = x.reshape(len(x), n, _PATCH, n, _PATCH, 3).transpose(2, 3).reshape(len(x), n * n, -1)
        x = torch.cat([module.first.expand(len(x), 1, -1), module.patches(patches)], dim=1) + module.places
        for block in module.image.blocks[: None if layer == -1 else max(layer + 1, 0)]:
            x = block(x)
        return x

    def forward(self, inputs: Prepared, *, projected: bool = True) -> Tensor:
        """Return (B, D), or (B, w) before the projection, of the first token."""
        module: Any = self.module
        pooled: Tensor = module.image.norm(self.tokens(inputs)[:, 0])
        return pooled @ self.projection if projected else pooled

    def encode(self, inputs: Prepared) -> Tensor:
        """Return (B, D) float32 without gradient."""
        with torch.no_grad():
            return self.forward(inputs)

    # -- texts -----------------------------------------------------------------------------------------------

    def tokenise(self, texts: Sequence[str]) -> Tensor:
        """Return (K, L) int64: a token a character, between a start and an end."""
        ids = torch.zeros(len(texts), _CONTEXT, dtype=torch.int64)
        for row, text in enumerate(texts):
            if len(text) > _CONTEXT - 2:
                raise DataError(
                    f"the text {text[:20]!r} ... has {len(text)} characters",
                    possible=f"at most {_CONTEXT - 2}",
                )
            codes = [_START, *(3 + ord(char) % (_WORDS - 3) for char in text), _END]
            ids[row, : len(codes)] = torch.tensor(codes)
        return ids

    def embed_tokens(self, ids: Tensor) -> Tensor:
        """Return (K, L, w)."""
        embedded: Tensor = self.module.get_submodule("words")(ids)
        return embedded

    def encode_embedded(self, embedded: Tensor, ids: Tensor) -> Tensor:
        """Return (K, D): the mean over the text's own tokens, projected."""
        module: Any = self.module
        own = (ids != 0).unsqueeze(-1).float()
        x = module.text.norm(module.text.blocks((embedded + module.positions) * own))
        pooled: Tensor = (x * own).sum(dim=1) / own.sum(dim=1)
        return pooled @ self._part("text.projection")


class PracticeText:
    """The text tower of `PracticeTowers`."""

    dim, modality, views = _DIM, "text", False

    def __init__(self, towers: PracticeTowers) -> None:
        self._towers = towers

    def prepare(self, items: Sequence[Item], view: View, ids: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return token ids (B, L)."""
        return {"ids": self._towers.tokenise([item.payload for item in items]).numpy()}

    def encode(self, inputs: Prepared) -> Tensor:
        """Return (B, D) float32 without gradient."""
        ids = torch.from_numpy(np.array(inputs["ids"]))
        with torch.no_grad():
            return self._towers.encode_embedded(self._towers.embed_tokens(ids), ids)


def _sites(tower: str, prefix: int) -> Sites:
    blocks = tuple(
        Block(
            name=f"{tower}.blocks.{i}",
            attention=f"{tower}.blocks.{i}.attention",
            mlp=f"{tower}.blocks.{i}.mlp",
            projections=tuple(
                (part, f"{tower}.blocks.{i}.attention.{part}") for part in ("query", "key", "value")
            ),
            linears=(f"{tower}.blocks.{i}.mlp.0", f"{tower}.blocks.{i}.mlp.2"),
            norms=(f"{tower}.blocks.{i}.norm1", f"{tower}.blocks.{i}.norm2"),
        )
        for i in range(_BLOCKS)
    )
    return Sites(blocks, _WIDTH, "BND", prefix, (f"{tower}.norm",), _PATCH if tower == "image" else 0)
