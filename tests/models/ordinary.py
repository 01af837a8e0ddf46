"""ResNet and MobileNetV2 as their papers have them, written apart from the product: plain functions of named weights.

Names are torchvision's. Evaluation mode, no dilation; each returns the feature maps at the ends of four (or three)
stages, finest first.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = Mapping[str, Tensor]


def resnet(
    x: Tensor, w: Weights, blocks: tuple[int, ...], *, bottleneck: bool = False, cifar: bool = False
) -> list[Tensor]:
    """He et al., CVPR 2016, table 1 (`cifar`: section 4.2, three stages and no pooling)."""
    x = _conv_norm(x, w, "conv1", "bn1", 1 if cifar else 2).relu()
    if not cifar:
        x = F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
    features = []
    for stage, count in enumerate(blocks, start=1):
        for index in range(count):
            stride = 2 if stage > 1 and index == 0 else 1
            x = _residual(x, w, f"layer{stage}.{index}", stride, bottleneck)
        features.append(x)
    return features


def _residual(x: Tensor, w: Weights, at: str, stride: int, bottleneck: bool) -> Tensor:
    shortcut = x
    if f"{at}.downsample.0.weight" in w:
        shortcut = _conv_norm(x, w, f"{at}.downsample.0", f"{at}.downsample.1", stride)
    strides = (1, stride, 1) if bottleneck else (stride, 1)
    for number, step in enumerate(strides, start=1):
        x = _conv_norm(x, w, f"{at}.conv{number}", f"{at}.bn{number}", step)
        if number < len(strides):
            x = x.relu()
    return (x + shortcut).relu()


def mobilenetv2(x: Tensor, w: Weights) -> list[Tensor]:
    """Sandler et al., CVPR 2018, table 2, up to the last bottleneck; features at strides 4, 8, 16 and 32."""
    x = F.relu6(_conv_norm(x, w, "features.0.0", "features.0.1", 2))
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    features, place = [], 0
    for expansion, channels, repeats, stride in table:
        for index in range(repeats):
            place += 1
            x = _inverted(x, w, f"features.{place}.conv", stride if index == 0 else 1, expansion > 1)
        if channels in (24, 32, 96, 320):
            features.append(x)
    return features


def _inverted(x: Tensor, w: Weights, at: str, stride: int, expands: bool) -> Tensor:
    out, layer = x, 0
    if expands:
        out, layer = F.relu6(_conv_norm(out, w, f"{at}.0.0", f"{at}.0.1", 1)), 1
    depthwise = _conv_norm(out, w, f"{at}.{layer}.0", f"{at}.{layer}.1", stride, groups=out.shape[1])
    out = _conv_norm(F.relu6(depthwise), w, f"{at}.{layer + 1}", f"{at}.{layer + 2}", 1)
    return x + out if stride == 1 and x.shape[1] == out.shape[1] else out


def _conv_norm(x: Tensor, w: Weights, conv: str, norm: str, stride: int, groups: int = 1) -> Tensor:
    kernel = w[f"{conv}.weight"]
    x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2, groups=groups)
    mean, variance = w[f"{norm}.running_mean"], w[f"{norm}.running_var"]
    scale = w[f"{norm}.weight"] / torch.sqrt(variance + 1e-5)
    return x * scale[:, None, None] + (w[f"{norm}.bias"] - mean * scale)[:, None, None]
