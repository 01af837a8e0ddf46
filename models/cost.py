"""What a subnet costs before anyone runs it: multiply-adds and weight bytes, by part."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from .layers import SlimConv2d, SlimLinear
from .norm import SlimBatchNorm2d
from .space import SubnetConfig
from .supernet import Supernet


@dataclass(frozen=True)
class PartCost:
    """Multiply-adds of one image and bytes of fp32 weights (batch-norm statistics included)."""

    macs: int
    bytes: int

    def __add__(self, other: PartCost) -> PartCost:
        return PartCost(self.macs + other.macs, self.bytes + other.bytes)

    def to_json(self) -> dict[str, int]:
        """JSON object."""
        return {"macs": self.macs, "bytes": self.bytes}


@dataclass(frozen=True)
class Cost:
    """Cost of a subnet: its encoder, and each decoder."""

    encoder: PartCost
    decoders: dict[str, PartCost]

    @property
    def total(self) -> PartCost:
        """The whole subnet."""
        return sum(self.decoders.values(), self.encoder)

    @property
    def macs(self) -> int:
        """Multiply-adds of one image."""
        return self.total.macs

    @property
    def bytes(self) -> int:
        """Bytes of fp32 weights."""
        return self.total.bytes

    def to_json(self) -> dict[str, Any]:
        """JSON object."""
        decoders = {task: part.to_json() for task, part in self.decoders.items()}
        return {"encoder": self.encoder.to_json(), "decoders": decoders}


class CostModel:
    """Costs of every configuration of one supernet.

    Output sizes do not depend on widths, so they are measured once, with the narrowest subnet; a configuration then
    costs arithmetic only (exact, tested against counting on the extracted network).
    """

    def __init__(self, supernet: Supernet):
        self._layers = supernet.slim_layers()
        self._positions = _output_positions(supernet)
        self._tasks = [task.name for task in supernet.tasks]

    def __call__(self, config: SubnetConfig) -> Cost:
        """Cost of a configuration, at one image of the architecture's size."""
        decoders = {task: self._part(f"decoders.{task}.", config) for task in self._tasks}
        return Cost(self._part("encoder.", config), decoders)

    def _part(self, prefix: str, config: SubnetConfig) -> PartCost:
        macs = size = 0
        for name, layer in self._layers.items():
            if not name.startswith(prefix):
                continue
            for ranges in layer.ranges(config).values():
                size += 4 * prod(sum(stop - start for start, stop in axis) for axis in ranges)
            if isinstance(layer, SlimBatchNorm2d):
                size += 8 * layer.makes.at(config)
            else:
                macs += layer.macs(config, self._positions[name])
        return PartCost(macs, size)


def _output_positions(supernet: Supernet) -> dict[str, int]:
    """Output positions (pixels, or 1) of every convolution and linear layer, for one image."""
    positions: dict[str, int] = {}

    def record(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            positions[name] = prod(output.shape[2:])

        return hook

    layers = [(n, m) for n, m in supernet.slim_layers().items() if isinstance(m, SlimConv2d | SlimLinear)]
    handles = [layer.register_forward_hook(record(name)) for name, layer in layers]
    parameter = next(supernet.parameters())
    size = (supernet.architecture.height, supernet.architecture.width)
    was_training = supernet.training
    try:
        supernet.eval()
        with torch.no_grad():
            supernet(torch.zeros(1, 3, *size, device=parameter.device, dtype=parameter.dtype), supernet.space.narrowest)
    finally:
        supernet.train(was_training)
        for handle in handles:
            handle.remove()
    return positions
