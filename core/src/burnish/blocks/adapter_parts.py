"""The small modules that `burnish.blocks.adapters` puts into a frozen tower."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import layer_norm, linear

Init = Literal["normal", "uniform"]


class Bottleneck(nn.Module):
    """alpha * Up(ReLU(Down(LN(x)))), which is 0 at first.

    AdaptFormer (arXiv:2205.13535) with a learnt alpha, as LIFT (arXiv:2309.10019) has it; the adapter of
    Houlsby et al. (arXiv:1902.00751) is the same without alpha. It holds 2w + (wr + r) + (rw + w) numbers,
    and alpha.

    Args:
        width: w of what it reads and gives.
        rank: r, the width of its middle.
        scaled: whether there is an alpha, 1 at first.
        init: of Down: Kaiming with a = sqrt(5), ``"normal"`` (LIFT's code) or ``"uniform"`` (that of LIFT+).
        generator: draws it.
    """

    def __init__(self, width: int, rank: int, *, scaled: bool, init: Init, generator: Generator) -> None:
        super().__init__()
        self.norm_weight, self.norm_bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.down, self.down_bias = (
            nn.Parameter(kaiming((rank, width), init, generator)),
            nn.Parameter(torch.zeros(rank)),
        )
        self.up, self.up_bias = nn.Parameter(torch.zeros(width, rank)), nn.Parameter(torch.zeros(width))
        self.alpha = nn.Parameter(torch.ones(())) if scaled else None

    def forward(self, x: Tensor) -> Tensor:
        """Return what is to be added, of the shape (..., w) and type of x."""
        h = layer_norm(x.to(self.norm_weight.dtype), self.norm_weight.shape, self.norm_weight, self.norm_bias)
        h = linear(linear(h, self.down, self.down_bias).relu(), self.up, self.up_bias)
        added: Tensor = (h if self.alpha is None else self.alpha * h).to(x.dtype)
        return added


class Sequential(nn.Module):
    """y + adapter(y), for a hook that replaces y."""

    def __init__(self, adapter: Bottleneck) -> None:
        super().__init__()
        self.adapter = adapter

    def forward(self, y: Tensor) -> Tensor:
        """Return y (..., w) with the adapter's share."""
        added: Tensor = self.adapter(y)
        return y + added


class LowRankQueryValue(nn.Module):
    """A fused projection's weight [W_q; W_k.

    W_v] with B A / r added to W_q and to W_v: LoRA (arXiv:2106.09685) where the linears are one.

    It holds 2 (v + w) r numbers and changes nothing at first, for B is 0.

    Args:
        width: w, input width of the projection.
        out: v, output width of each third, mostly w.
        rank: r.
        generator: draws A (`low_rank`).
    """

    def __init__(self, width: int, out: int, rank: int, generator: Generator) -> None:
        super().__init__()
        self.rank = rank
        self.query_a, self.query_b = (
            nn.Parameter(low_rank(rank, width, generator)),
            nn.Parameter(torch.zeros(out, rank)),
        )
        self.value_a, self.value_b = (
            nn.Parameter(low_rank(rank, width, generator)),
            nn.Parameter(torch.zeros(out, rank)),
        )

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight (3v, w) to use."""
        query, value = self.query_b @ self.query_a, self.value_b @ self.value_a
        return weight + (torch.cat([query, torch.zeros_like(query), value]) / self.rank).to(weight.dtype)


class Prompts(nn.Module):
    """Learnt tokens behind those of the input: visual prompts (arXiv:2203.12119).

    Args:
        count: p, how many.
        width: w.
        bound: they are drawn from U(-bound, bound).
        dim: the dimension of a tensor that counts tokens: 1 in (B, N, w), 0 in (N, B, w).
        replacing: whether the last p tokens of the input, the prompts of the block before, make way for them.
        generator: draws them.
    """

    def __init__(
        self, count: int, width: int, *, bound: float, dim: int, replacing: bool, generator: Generator
    ) -> None:
        super().__init__()
        self.tokens = nn.Parameter((torch.rand(count, width, generator=generator) * 2 - 1) * bound)
        self.dim, self.replacing = dim, replacing

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens with the prompts behind them."""
        if self.replacing:
            x = x.narrow(self.dim, 0, x.shape[self.dim] - len(self.tokens))
        shape = list(x.shape)
        shape[self.dim] = len(self.tokens)
        return torch.cat([x, self.tokens.unsqueeze(1 - self.dim).expand(shape).to(x.dtype)], dim=self.dim)


class WithoutPrompts(nn.Module):
    """The tokens without the last `count`, so that what pools them never sees a prompt."""

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.count, self.dim = count, dim

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens in front."""
        return x.narrow(self.dim, 0, x.shape[self.dim] - self.count)


class ScaleShift(nn.Module):
    """gamma * y + beta, column by column: SSF (arXiv:2210.08823). It holds 2w numbers.

    Args:
        width: w.
        generator: draws gamma from N(1, 0.02^2) and beta from N(0, 0.02^2).
    """

    def __init__(self, width: int, generator: Generator) -> None:
        super().__init__()
        self.gamma = nn.Parameter(1 + 0.02 * torch.randn(width, generator=generator))
        self.beta = nn.Parameter(0.02 * torch.randn(width, generator=generator))

    def forward(self, y: Tensor) -> Tensor:
        """Return y (..., w) scaled and shifted."""
        return (self.gamma * y + self.beta).to(y.dtype)


class ScaledWeight(nn.Module):
    """gamma * W: the half of `ScaleShift` behind a linear whose output no hook sees, in front of it.

    Gamma (W x + b) + beta = (gamma W) x + ...

    Args:
        behind: holds gamma and beta; they are learnt as this module's.
    """

    def __init__(self, behind: ScaleShift) -> None:
        super().__init__()
        self.behind = behind

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight (w, v) to use."""
        return (self.behind.gamma[:, None] * weight).to(weight.dtype)


class ScaledBias(nn.Module):
    """... + (gamma b + beta): the other half. Its numbers are those of the first, and counted there."""

    def __init__(self, behind: ScaleShift) -> None:
        super().__init__()
        self._behind = (behind,)  # in a tuple it is no submodule

    def forward(self, bias: Tensor) -> Tensor:
        """Return the bias (w,) to use."""
        shifted: Tensor = self._behind[0](bias)
        return shifted


def low_rank(rank: int, width: int, generator: Generator) -> Tensor:
    """Return LoRA's A (r, w) as LIFT's released code draws it: uniform within 1 / sqrt(r).

    Its Kaiming draw takes the rank for the fan-in. peft's, and LoRA's own, is within 1 / sqrt(w): sqrt(w / r)
    times smaller, so that B A grows w / r times more slowly at first.
    """
    return (torch.rand((rank, width), generator=generator) * 2 - 1) / math.sqrt(rank)


def kaiming(shape: tuple[int, int], init: Init, generator: Generator) -> Tensor:
    """Return a weight drawn as by He et al.

    With a = sqrt(5): variance 1 / (3 fan_in), as torch's own linear layers have.

    Args:
        shape: (out, in).
        init: the family of the distribution.
        generator: draws it.
    """
    deviation = 1 / math.sqrt(3 * shape[1])
    if init == "normal":
        return torch.randn(shape, generator=generator) * deviation
    return (torch.rand(shape, generator=generator) * 2 - 1) * deviation * math.sqrt(3)
