"""Where a deployed network rounds its values, for training that is to bear it (Jacob et al., CVPR 2018).

A network says with `rounded` (setting.py) where integers meet: what convolutions read, what is added and what is
concatenated. These are the places where an int8 graph has its Q/DQ pairs; how to round is the business of whoever
passes a `Rounding` in the setting. Without one nothing is rounded.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn


class Rounding(Protocol):
    """How values and weights are rounded during one forward pass of one subnet."""

    def values(self, x: Tensor, *, depthwise: bool = False) -> Tensor:
        """Activations (N, ...), rounded, with a gradient that passes; `depthwise` if such a layer reads them."""

    def weight(self, layer: nn.Module) -> Tensor | None:
        """A layer's full-width weight, rounded; None where the layer stays in floats, with what it reads."""
