"""Int8 weights, stored once for all subnets.

A layer's weight is rounded with one scale an output channel, taken from the full-width row; a narrow subnet reads a
part of the same integers. Its batch norm, which differs, does not touch them: `gamma / sqrt(var + eps)` multiplies
the scales instead. Only the sign of gamma, which all subnets share, is in the stored integers, because a scale must
be positive (Integer-arithmetic-only inference, CVPR 2018, section 3; the sharing is ours).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ..devices.errors import QuantizeError

Floats = NDArray[np.float32]
LEVELS = 127
_MIN_RELATIVE_SCALE = 1e-7
_MAX_BIAS = float(2**31 - 256)
_MIN_SCALE = np.float32(1e-30)
"""Engines refuse a scale of 0; integers times this are nothing beside anything."""


@dataclass(frozen=True)
class SharedWeight:
    """A full-width weight (O, ...) in int8 and float32 (O,) scales: `weight[o] = values[o] * sign[o] * scales[o]`."""

    values: NDArray[np.int8]
    scales: Floats


@dataclass(frozen=True)
class Norm:
    """A batch norm's vectors, each (C,), and its epsilon."""

    gamma: Floats
    beta: Floats
    mean: Floats
    variance: Floats
    epsilon: float

    @property
    def gain(self) -> Floats:
        """What a channel is multiplied with: gamma / sqrt(var + eps)."""
        deviation = np.sqrt(self.variance.astype(np.float64) + self.epsilon)
        return np.asarray(self.gamma / deviation, np.float32)


def share_weight(name: str, weight: Floats, gamma: Floats | None) -> SharedWeight:
    """Round a full-width weight (O, ...) per output channel, with the signs of its batch norm's gamma (O,)."""
    if not np.isfinite(weight).all():
        raise QuantizeError(f"{name} has weights that are not finite: the training diverged, use an earlier checkpoint")
    rows = weight.reshape(len(weight), -1)
    peaks = np.abs(rows).max(axis=1).astype(np.float64)
    # Dead channels would need scales below what float32 holds; as zeros they do no harm.
    floor = max(float(peaks.max()) * _MIN_RELATIVE_SCALE, 1e-30)
    scales = (np.maximum(peaks, floor) / LEVELS).astype(np.float32)
    signs = 1.0 if gamma is None else np.where(gamma < 0, -1.0, 1.0)
    values = np.rint(rows * (signs / scales.astype(np.float64)).reshape(-1, 1))
    return SharedWeight(np.clip(values, -LEVELS, LEVELS).astype(np.int8).reshape(weight.shape), scales)


@dataclass(frozen=True)
class Window:
    """How a convolution goes over a map: strides and dilations (down, across), pads (left, right, top, bottom)."""

    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)


def rounding_shift(weight: Floats, scales: Floats, mean: Floats, window: Window) -> Floats:
    """What rounding a weight (O, I, kh, kw) adds to the mean of each output (O,), of inputs whose mean is (C, H, W).

    A filter that looks for differences adds up large values that cancel out, and what is left of them when weights are
    rounded can be as large as what it finds, though it is much the same everywhere: so it is taken off the bias (bias
    correction: Data-free quantization, ICCV 2019, section 4.2). A convolution is linear, so that of the mean is exact,
    padding and dilation included.
    """
    wide, steps = weight.astype(np.float64), scales.astype(np.float64).reshape(-1, 1, 1, 1)
    rounding = np.clip(np.rint(wide / steps), -LEVELS, LEVELS) * steps - wide
    padded = F.pad(torch.from_numpy(mean.astype(np.float64))[None], list(window.pads))
    groups = len(mean) // weight.shape[1]
    made: torch.Tensor = F.conv2d(padded, torch.from_numpy(rounding), None, window.strides, 0, window.dilations, groups)
    shift: Floats = made.mean((0, 2, 3)).numpy().astype(np.float32)
    return shift


def folded_scales(scales: Floats, norm: Norm | None) -> Floats:
    """Weight scales (O,) of a subnet, positive: the shared ones, times its batch norm's gain, which may be 0."""
    folded: Floats = scales if norm is None else (scales * np.abs(norm.gain)).astype(np.float32)
    return np.maximum(folded, _MIN_SCALE)


def folded_bias(bias: Floats | None, norm: Norm | None, channels: int) -> Floats:
    """Bias (O,) of a layer after its batch norm is folded into it."""
    own = np.zeros(channels, np.float32) if bias is None else bias
    folded: Floats = own if norm is None else norm.beta + (own - norm.mean) * norm.gain
    return folded.astype(np.float32)


def quantize_bias(bias: Floats, input_scale: float, scales: Floats) -> tuple[NDArray[np.int32], Floats, Floats]:
    """Bias in int32, its scales `input_scale * scales`, and the weight scales, widened where int32 could not hold it.

    A channel with a gain of almost nothing would need an enormous integer for its bias; its scale is raised to what
    int32 can hold, which makes its (still almost vanishing) weights a little larger.
    """
    needed = np.abs(bias).astype(np.float64) / (_MAX_BIAS * input_scale)
    widened = np.maximum(np.maximum(scales, needed), _MIN_SCALE).astype(np.float32)
    bias_scales = (widened * np.float32(input_scale)).astype(np.float32)
    bias_scales = np.maximum(bias_scales, np.finfo(np.float32).tiny)
    integers = np.clip(np.rint(bias.astype(np.float64) / bias_scales), -_MAX_BIAS, _MAX_BIAS)
    return integers.astype(np.int32), bias_scales, widened


def dequantize(values: NDArray[Any], scales: Floats) -> Floats:
    """Float weight (O, ...) of integers and their scales per output channel."""
    shape = (-1, *([1] * (values.ndim - 1)))
    out: Floats = values.astype(np.float32) * scales.reshape(shape)
    return out
