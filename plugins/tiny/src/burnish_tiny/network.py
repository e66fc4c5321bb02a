"""The network: a small residual network for 32 x 32 colour images that ends in 96 pooled features.

Residual basic blocks and their initialisation follow He et al., "Deep Residual Learning for Image
Recognition" (CVPR 2016), with one block a stage and a max-pooled stem, which leaves about 0.25 million
parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 32
"""Height and width of the images the network was made for, in pixels."""

DIM = 96
"""Width of the pooled features."""

MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)
"""Mean and standard deviation of CIFAR-10's training images for channels R, G, B, in units of full scale."""

_WIDTHS = (32, 64, DIM)


class _Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, which is projected where the shape changes."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1: nn.Module = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2: nn.Module = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


class TinyResNet(nn.Module):
    """Residual network from normalised images (B, 3, H, W) to pooled features (B, 96).

    H and W at least 8, made for 32.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, _WIDTHS[0], 3, 1, 1, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(_WIDTHS[0])
        before, blocks = _WIDTHS[0], []
        for stage, width in enumerate(_WIDTHS):
            blocks.append(_Block(before, width, stride=1 if stage == 0 else 2))
            before = width
        self.blocks = nn.ModuleList(blocks)

    def maps(self, x: Tensor) -> Tensor:
        """Return the last feature maps (B, 96, H/8, W/8), before pooling."""
        x = functional.relu(functional.max_pool2d(self.bn(self.stem(x)), 2))
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Return pooled features (B, 96)."""
        pooled: Tensor = self.maps(x).mean(dim=(2, 3))
        return pooled


def build(generator: torch.Generator | None = None) -> TinyResNet:
    """Return a network whose weights are drawn from a generator (He initialisation, fan out).

    Args:
        generator: source of the initial weights, on the CPU; None uses torch's global one.
    """
    network = TinyResNet()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
    return network


def fold(network: TinyResNet) -> TinyResNet:
    """Return the same function without batch normalisation.

    In eval mode it is affine and becomes part of the convolutions.

    Args:
        network: in eval mode; it is changed in place.
    """
    network.stem, network.bn = _folded(network.stem, network.bn), nn.Identity()
    for module in network.blocks:
        block = cast("_Block", module)
        block.conv1, block.bn1 = _folded(block.conv1, block.bn1), nn.Identity()
        block.conv2, block.bn2 = _folded(block.conv2, block.bn2), nn.Identity()
        if isinstance(block.shortcut, nn.Sequential):
            block.shortcut = _folded(cast("nn.Conv2d", block.shortcut[0]), block.shortcut[1])
    return network


def _folded(convolution: nn.Conv2d, normalisation: nn.Module) -> nn.Conv2d:
    return (
        fuse_conv_bn_eval(convolution, normalisation)
        if isinstance(normalisation, nn.BatchNorm2d)
        else convolution
    )


def normalise(images: Tensor, dtype: torch.dtype) -> Tensor:
    """Return uint8 images (B, H, W, 3), normalised, as floating (B, 3, H, W) in channels-last memory.

    Args:
        images: RGB, 0 to 255.
        dtype: type of the result; the arithmetic is done in float32.
    """
    mean = torch.tensor(MEAN, device=images.device) * 255
    scale = 1 / (torch.tensor(STD, device=images.device) * 255)
    # The permuted view of (B, H, W, 3) already has channels-last strides.
    return ((images.float() - mean) * scale).to(dtype).permute(0, 3, 1, 2)
