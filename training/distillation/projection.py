"""Learned projections to a teacher's channels, for CI-KD (as FitNets' regressors, ICLR 2015, arXiv 1412.6550).

One matrix a stage serves every pair of widths, as a slimmable layer's: c channels are brought to C by its first C rows
and c columns. It begins near the identity, where the first channels of a stage are compared with the same of the
teacher's, as in the form `prefix`; a little noise lets the other rows learn from the first step.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NOISE = 0.1


class Projection(nn.Module):
    """A slimmable 1x1 convolution of up to `channels` channels, without a bias."""

    def __init__(self, channels: int):
        super().__init__()
        noise = torch.randn(channels, channels) * (NOISE / math.sqrt(channels))
        self.weight = nn.Parameter(torch.eye(channels) + noise)

    def forward(self, features: Tensor, channels: int) -> Tensor:
        """(N, c, H, W) -> (N, channels, H, W)."""
        weight = self.weight[:channels, : features.shape[1]]
        return F.conv2d(features, weight[:, :, None, None])
