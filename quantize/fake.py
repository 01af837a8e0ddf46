"""Fake quantization: a subnet computes in floats what its int8 graph would, for training that is to bear it.

Weights are rounded as the suite stores them, full width first and once for all subnets (weights.py), activations where
the graph has its Q/DQ pairs (`models/rounding.py`). As batch norm normalises with its batch's own moments in training,
ranges are those of the batch, of the very subnet: they bend with every configuration and nothing is kept. The supernet
is exported as ever, its subnets calibrated one by one. Gradients pass through the rounding (straight-through, Bengio
et al., 2013; Quantization and training of neural networks for integer-arithmetic-only inference, CVPR 2018).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..models.layers import SlimConv2d
from ..models.reduction import HERE, Reduction
from ..models.supernet import Supernet
from .equalize import MARGIN, MOST
from .policy import Policy
from .weights import LEVELS

_TINY = 1e-12
_STEPS = 255
"""Of uint8, above the least."""


class FakeInt8:
    """The `Rounding` of one forward pass of one subnet, by the usual policy: all convolutions but the heads.

    `reduction` says where the rest of the batch is; ranges are those of all of it. With `symmetric` activations are
    signed, zero being the middle of their steps, as TensorRT has them: after a ReLU half of the steps lie idle. (Of an
    addition TensorRT's graphs round the residual alone; here both inputs are, for every engine.)
    """

    def __init__(self, supernet: Supernet, reduction: Reduction = HERE, *, symmetric: bool = False):
        usual = Policy()
        self._layers = {
            id(layer)
            for name, layer in supernet.slim_layers().items()
            if isinstance(layer, SlimConv2d) and usual.of(name, head=name.endswith(".head")) == "int8"
        }
        self._reduction, self._symmetric = reduction, symmetric
        # What several layers read is rounded once. Tensors are kept: an id means nothing once its tensor is gone.
        self._done: dict[int, tuple[Tensor, Tensor]] = {}

    def values(self, x: Tensor, *, depthwise: bool = False) -> Tensor:
        """Asymmetric uint8 or symmetric int8, zero exact, over the whole batch's range.

        What a `depthwise` layer reads has its channels equalized, as the graph has (equalize.py).
        """
        if id(x) not in self._done:
            self._done[id(x)] = (x, self._rounded(x, depthwise))
        return self._done[id(x)][1]

    def weight(self, layer: nn.Module) -> Tensor | None:
        """Symmetric int8, a scale an output channel of the full width."""
        if id(layer) not in self._layers or not isinstance(layer, SlimConv2d):
            return None
        whole = layer.weight
        peaks = whole.detach().flatten(1).abs().amax(1).clamp(min=_TINY)
        scales = (peaks / LEVELS).view(-1, *([1] * (whole.ndim - 1)))
        return _on_steps(whole, scales, -LEVELS, LEVELS)

    def _rounded(self, x: Tensor, depthwise: bool) -> Tensor:
        low, high = torch.aminmax(x.detach())
        below, above = self._reduction.largest(-low, high)
        below, above = below.float().clamp(min=0.0), above.float().clamp(min=0.0)
        larger = self._larger(x, below, above) if depthwise else 1.0
        if self._symmetric:
            return _on_steps(x, (torch.maximum(below, above) / LEVELS).clamp(min=_TINY) / larger, -LEVELS, LEVELS)
        scale = ((below + above) / _STEPS).clamp(min=_TINY)
        zero = (below / scale).round()
        return _on_steps(x, scale / larger, -zero, _STEPS - zero)

    def _larger(self, x: Tensor, below: Tensor, high: Tensor) -> Tensor:
        """By how much each channel (1, C, 1, 1) is made larger, where integers are and nothing is below zero."""
        (seen,) = self._reduction.largest(x.detach().amax((0, 2, 3)))
        highs = (seen.float() * MARGIN).clamp(min=high / MOST).clamp(max=high)
        return torch.where((seen > 0) & (below == 0), high / highs, 1.0).view(1, -1, 1, 1)


def _on_steps(x: Tensor, scale: Tensor, least: Tensor | float, most: Tensor | float) -> Tensor:
    """The nearest multiples of `scale` from `least` to `most` times it, with the gradient of `x` itself."""
    found: Tensor = _Straight.apply(x, scale, least, most)  # type: ignore[no-untyped-call]
    return found


class _Straight(torch.autograd.Function):
    """torch's own fake quantization takes no float64, and keeps a mask of what it clamped, which is nothing here."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, least: Tensor | float, most: Tensor | float) -> Tensor:
        # bfloat16 has not the digits to tell 255 steps apart.
        wide = x if x.dtype == torch.float64 else x.float()
        steps = (wide / scale).round_().clamp_(least, most)  # type: ignore[arg-type]
        return steps.mul_(scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return gradients[0], None, None, None
