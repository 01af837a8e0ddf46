"""Blocks that encoders and decoders are made of.

Every forward passes `*at` on to its layers: a `Setting` inside a supernet, nothing inside an extracted subnet. So one
definition of a topology serves both, and they cannot drift apart.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .channels import Channels
from .dilation import Reach
from .layers import SlimConv2d
from .norm import SlimBatchNorm2d
from .setting import Setting, rounded


class ConvNorm(nn.Sequential):
    """Convolution and batch norm, named `0` and `1` as torchvision does, then an optional activation."""

    def __init__(
        self,
        reads: Channels | tuple[Channels, ...],
        makes: Channels,
        kernel: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        activation: str | None = "relu",
    ):
        conv = SlimConv2d(reads, makes, kernel, stride=stride, dilation=dilation, groups=groups)
        super().__init__(conv, SlimBatchNorm2d(makes))
        self.activation = activation

    def forward(self, x: Tensor, *at: Setting) -> Tensor:
        """(N, in, H, W) -> (N, out, H / stride, W / stride)."""
        x = self[1](self[0](x, *at), *at)
        if self.activation == "relu6":
            return F.relu6(x)
        return F.relu(x) if self.activation == "relu" else x


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (ResNet, CVPR 2016)."""

    def __init__(self, reads: Channels, makes: Channels, reach: Reach):
        super().__init__()
        self.conv1 = SlimConv2d(reads, makes, 3, stride=reach.stride, dilation=reach.first)
        self.bn1 = SlimBatchNorm2d(makes)
        self.conv2 = SlimConv2d(makes, makes, 3, dilation=reach.dilation)
        self.bn2 = SlimBatchNorm2d(makes)
        self.downsample = _shortcut(reads, makes, reach.stride)

    def forward(self, x: Tensor, *at: Setting) -> Tensor:
        """(N, in, H, W) -> (N, out, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x, *at)
        x = F.relu(self.bn1(self.conv1(x, *at), *at))
        return F.relu(rounded(self.bn2(self.conv2(x, *at), *at), *at) + rounded(shortcut, *at))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut; the stride sits on the 3x3, as in torchvision."""

    expansion = 4

    def __init__(self, reads: Channels, makes: Channels, reach: Reach):
        super().__init__()
        middle = Channels(makes.full // self.expansion, makes.group, makes.multiple)
        self.conv1 = SlimConv2d(reads, middle, 1)
        self.bn1 = SlimBatchNorm2d(middle)
        self.conv2 = SlimConv2d(middle, middle, 3, stride=reach.stride, dilation=reach.first)
        self.bn2 = SlimBatchNorm2d(middle)
        self.conv3 = SlimConv2d(middle, makes, 1)
        self.bn3 = SlimBatchNorm2d(makes)
        self.downsample = _shortcut(reads, makes, reach.stride)

    def forward(self, x: Tensor, *at: Setting) -> Tensor:
        """(N, in, H, W) -> (N, out, H / stride, W / stride)."""
        shortcut = x if self.downsample is None else self.downsample(x, *at)
        x = F.relu(self.bn1(self.conv1(x, *at), *at))
        x = F.relu(self.bn2(self.conv2(x, *at), *at))
        return F.relu(rounded(self.bn3(self.conv3(x, *at), *at), *at) + rounded(shortcut, *at))


def _shortcut(reads: Channels, makes: Channels, stride: int) -> ConvNorm | None:
    """A projection where shape or width group changes, else the identity."""
    if stride == 1 and reads == makes:
        return None
    return ConvNorm(reads, makes, 1, stride=stride, activation=None)


class InvertedResidual(nn.Module):
    """Expand, depthwise, project (MobileNetV2, CVPR 2018); the hidden width bends with the block's own stage."""

    def __init__(self, reads: Channels, makes: Channels, reach: Reach, expansion: int):
        super().__init__()
        hidden = reads if expansion == 1 else Channels(reads.full * expansion, makes.group, makes.multiple)
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvNorm(reads, hidden, 1, activation="relu6"))
        depthwise = ConvNorm(
            hidden, hidden, 3, stride=reach.stride, dilation=reach.first, groups=hidden.full, activation="relu6"
        )
        layers += [depthwise, SlimConv2d(hidden, makes, 1), SlimBatchNorm2d(makes)]
        self.conv = nn.ModuleList(layers)
        self.residual = reach.stride == 1 and reads == makes

    def forward(self, x: Tensor, *at: Setting) -> Tensor:
        """(N, in, H, W) -> (N, out, H / stride, W / stride)."""
        out = x
        for layer in self.conv:
            out = layer(out, *at)
        return rounded(x, *at) + rounded(out, *at) if self.residual else out
