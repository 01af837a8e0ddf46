"""Convolutions in a form whose backward is quick on CPUs; the sums are the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def convolve(
    values: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """`torch.nn.functional.conv2d`; (N, in, H, W) -> (N, out, H', W')."""
    on_cpu = values.device.type == "cpu"
    alone = tuple(weight.shape[2:]) == (1, 1) and not any(padding)
    if on_cpu and alone and tuple(stride) != (1, 1) and not values.is_contiguous():
        # torch 2.13's CPU backward of a strided 1x1 convolution with fewer than 16 input channels corrupts memory on
        # channels-last features, which are what a supernet is trained on.
        return F.conv2d(values[:, :, :: stride[0], :: stride[1]], weight, bias, groups=groups)
    if on_cpu and torch.is_grad_enabled() and tuple(dilation) != (1, 1) and tuple(stride) == (1, 1):
        return _dilated(values, weight, bias, padding, dilation, groups)
    return F.conv2d(values, weight, bias, stride, padding, dilation, groups)


def _dilated(
    values: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """A dilated convolution without what oneDNN's backward of such is slow at."""
    weight, padding = _within(values, weight, padding, dilation)
    if groups == values.shape[1] and tuple(weight.shape[2:]) == (3, 3) and tuple(padding) == tuple(dilation):
        return _by_grids(values, weight, bias, dilation, groups)
    return F.conv2d(values, weight, bias, (1, 1), padding, dilation, groups)


def _within(
    values: Tensor, weight: Tensor, padding: Sequence[int], dilation: Sequence[int]
) -> tuple[Tensor, Sequence[int]]:
    """The weight without rows and columns that read nothing but padding, and the padding that is left to it.

    So a 3x3 kernel that is dilated as far as the picture is large is the 1x1 of its middle.
    """
    kept = list(padding)
    for axis, (size, pad, step) in enumerate(zip(values.shape[2:], padding, dilation, strict=True), 2):
        if weight.shape[axis] == 3 and pad == step >= size:
            weight, kept[axis - 2] = weight.narrow(axis, 1, 1), 0
    return weight, kept


def _by_grids(values: Tensor, weight: Tensor, bias: Tensor | None, dilation: Sequence[int], groups: int) -> Tensor:
    """A dilated depthwise 3x3 convolution as one that is not dilated.

    A dilation of d reads d x d grids that know nothing of each other. They are laid beside one another with a zero
    after each, convolved at once, and put together again.
    """
    count, _, height, width = values.shape
    down, across = dilation
    rows, columns = -(-height // down), -(-width // across)
    filled = F.pad(values, (0, columns * across - width, 0, rows * down - height)).permute(0, 2, 3, 1)
    grids = filled.reshape(count, rows, down, columns, across, -1).permute(0, 2, 1, 4, 3, 5)
    beside = F.pad(grids, (0, 0, 0, 1, 0, 0, 0, 1)).reshape(count, down * (rows + 1), across * (columns + 1), -1)
    made = F.conv2d(beside.permute(0, 3, 1, 2), weight, bias, padding=1, groups=groups).permute(0, 2, 3, 1)
    apart = made.reshape(count, down, rows + 1, across, columns + 1, -1)[:, :, :rows, :, :columns]
    together = apart.permute(0, 2, 1, 4, 3, 5).reshape(count, rows * down, columns * across, -1)
    return together[:, :height, :width].permute(0, 3, 1, 2)
