"""Decoders, one a task: what a task prefers is bought with the width of its decoder (ECMT, ICCV 2023).

A decoder's layers bend with the width group `decoder.<task>`; what it reads bends with the encoder's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .blocks import ConvNorm
from .channels import Channels
from .layers import SlimConv2d, SlimLinear
from .setting import Setting, rounded

SMALL = 0.01
"""Spread of fresh weights that should say nothing yet."""


class DenseDecoder(nn.Module):
    """A light DeepLabv3+ (ECCV 2018): ASPP on the coarsest features, one skip from the finest, two 3x3 convolutions.

    Image-level pooling is added to the projected features rather than concatenated: the same function class as
    DeepLab's fifth branch, without a resize of a single pixel. It has a bias and no batch norm: a batch norm over one
    position a image would be noise. `scores`: the output is scores of classes, no quantity.
    """

    def __init__(
        self,
        high: Channels,
        low: Channels,
        outputs: int,
        *,
        group: str,
        channels: int,
        skip: int,
        rates: tuple[int, ...],
        multiple: int,
        scores: bool = True,
    ):
        super().__init__()
        self.scores = scores
        inner = Channels(channels, group, multiple)
        lateral = Channels(skip, group, multiple)
        self.aspp = nn.ModuleList([ConvNorm(high, inner), *(ConvNorm(high, inner, 3, dilation=rate) for rate in rates)])
        self.pool = SlimConv2d(high, inner, 1, bias=True)
        self.project = ConvNorm((inner,) * len(self.aspp), inner, activation=None)
        self.skip = ConvNorm(low, lateral)
        self.fuse = ConvNorm((inner, lateral), inner, 3)
        self.refine = ConvNorm(inner, inner, 3)
        self.head = SlimConv2d(inner, Channels(outputs), 1, bias=True)

    @property
    def bare(self) -> tuple[SlimConv2d, ...]:
        """What no batch norm follows: the pooled branch and the head."""
        return self.pool, self.head

    def calm(self) -> None:
        """Draw anew what is bare: by its few outputs a head would begin far from what a loss can bear.

        Scores begin at about one, for a head that is much smaller is slow to tell classes apart; what is regressed
        begins in the middle of its range, and the pooled branch next to nothing, lest it drown the others.
        """
        nn.init.normal_(self.pool.weight, std=SMALL)
        nn.init.normal_(self.head.weight, std=self.head.in_channels**-0.5 if self.scores else SMALL)

    def forward(self, features: list[Tensor], size: tuple[int, int], *at: Setting) -> Tensor:
        """Encoder features -> raw output (N, outputs, *size)."""
        low, high = features[0], features[-1]
        branches = _joined([branch(high, *at) for branch in self.aspp], *at)
        pooled = self.pool(F.adaptive_avg_pool2d(high, 1), *at)
        x = F.relu(rounded(self.project(branches, *at), *at) + rounded(pooled, *at))
        x = _resize(x, (low.shape[2], low.shape[3]))
        x = self.fuse(_joined([x, self.skip(low, *at)], *at), *at)
        x = self.head(self.refine(x, *at), *at)
        return _resize(x, size)


def _joined(parts: list[Tensor], *at: Setting) -> Tensor:
    return torch.cat([rounded(part, *at) for part in parts], 1)


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    if (x.shape[2], x.shape[3]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class ClassificationHead(nn.Module):
    """Global average pooling, one hidden layer of slimmable width, class scores."""

    def __init__(self, high: Channels, outputs: int, *, group: str, channels: int, multiple: int):
        super().__init__()
        inner = Channels(channels, group, multiple)
        self.hidden = SlimLinear(high, inner)
        self.head = SlimLinear(inner, Channels(outputs))

    def forward(self, features: list[Tensor], size: tuple[int, int], *at: Setting) -> Tensor:
        """Encoder features -> raw scores (N, outputs); `size` is not used."""
        x = F.adaptive_avg_pool2d(features[-1], 1).flatten(1)
        return self.head(F.relu(self.hidden(x, *at)), *at)  # type: ignore[no-any-return]


class ConvolutionHead(nn.Module):
    """One 3x3 convolution of slimmable width, global average pooling, class scores.

    A preference can only choose with what decoders hold: of the multiply-adds of a ResNet-20 with twenty tasks a hidden
    layer after pooling holds next to nothing, this a third.
    """

    def __init__(self, high: Channels, outputs: int, *, group: str, channels: int, multiple: int):
        super().__init__()
        inner = Channels(channels, group, multiple)
        self.hidden = ConvNorm(high, inner, 3)
        self.head = SlimLinear(inner, Channels(outputs))

    def forward(self, features: list[Tensor], size: tuple[int, int], *at: Setting) -> Tensor:
        """Encoder features -> raw scores (N, outputs); `size` is not used."""
        x = self.hidden(features[-1], *at)
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1), *at)  # type: ignore[no-any-return]
