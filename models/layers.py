"""Slimmable layers: a narrower layer is a prefix of the wider one (Slimmable Networks, ICLR 2019; ECMT, ICCV 2023).

A layer knows how its channels bend (`Channels`), and is told the configuration with each call (`Setting`). Called
without a setting it is the ordinary full-width layer. `ranges` says which part of each parameter a configuration uses,
and `extract` gives that part as a plain `torch.nn` layer.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from ..devices.errors import ConfigError
from .channels import Channels, Ranges, prefixes, slice_ranges
from .convolution import convolve
from .norm import SlimBatchNorm2d
from .setting import Setting
from .space import SubnetConfig


class SlimConv2d(nn.Conv2d):
    """A convolution with slimmable input and output channels; (N, in, H, W) -> (N, out, H', W').

    `reads` has several entries where the input is a concatenation. Grouped convolutions keep the channels of a group
    and drop whole groups; a depthwise one is the case of one channel a group.
    """

    def __init__(
        self,
        reads: Channels | tuple[Channels, ...],
        makes: Channels,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = False,
    ):
        parts = reads if isinstance(reads, tuple) else (reads,)
        padding = dilation * (kernel - 1) // 2
        inputs = sum(part.full for part in parts)
        super().__init__(inputs, makes.full, kernel, stride, padding, dilation, groups, bias)
        if groups > 1 and len(parts) > 1:
            raise ConfigError("a grouped convolution cannot read a concatenation")
        self.reads, self.makes = parts, makes

    def forward(self, input: Tensor, setting: Setting | None = None) -> Tensor:
        """Convolve with the part of the weight that the setting's configuration uses."""
        if setting is None:
            return super().forward(input)
        ranges = self.ranges(setting.config)
        weight, values = self._rounded(input, setting)
        weight = slice_ranges(weight, ranges["weight"])
        bias = None if self.bias is None else slice_ranges(self.bias, ranges["bias"])
        groups = self.groups_at(setting.config)
        padding = (int(self.padding[0]), int(self.padding[1]))
        return convolve(values, weight, bias, self.stride, padding, self.dilation, groups)

    def _rounded(self, values: Tensor, setting: Setting) -> tuple[Tensor, Tensor]:
        """The full-width weight and what is read, as the setting rounds them."""
        weight = None if setting.rounding is None else setting.rounding.weight(self)
        if setting.rounding is None or weight is None:
            return self.weight, values
        return weight, setting.rounding.values(values, depthwise=self.groups == self.in_channels)

    def groups_at(self, config: SubnetConfig) -> int:
        """Groups that remain in a configuration; ConfigError where it would split one."""
        if self.groups == 1:
            return 1
        size = self.in_channels // self.groups
        groups, rest = divmod(self.reads[0].at(config), size)
        if rest or groups * (self.out_channels // self.groups) != self.makes.at(config):
            raise ConfigError(f"a convolution of {self.groups} groups cannot have {self.makes.at(config)} channels")
        return groups

    def ranges(self, config: SubnetConfig) -> dict[str, Ranges]:
        """Which part of each parameter the configuration uses."""
        outputs = ((0, self.makes.at(config)),)
        inputs = ((0, self.weight.shape[1]),) if self.groups > 1 else prefixes(self.reads, config)
        kernel = tuple(((0, size),) for size in self.weight.shape[2:])
        found: dict[str, Ranges] = {"weight": (outputs, inputs, *kernel)}
        return found if self.bias is None else {**found, "bias": (outputs,)}

    def macs(self, config: SubnetConfig, positions: int) -> int:
        """Multiply-adds of one image at `positions` output pixels."""
        ranges = self.ranges(config)["weight"]
        return positions * math.prod(sum(stop - start for start, stop in axis) for axis in ranges)

    def extract(self, config: SubnetConfig) -> nn.Conv2d:
        """The plain convolution of this configuration, with its own copy of the weights."""
        ranges = self.ranges(config)
        weight = slice_ranges(self.weight.detach(), ranges["weight"]).contiguous().clone()
        groups = self.groups_at(config)
        plain = nn.Conv2d(
            weight.shape[1] * groups,
            weight.shape[0],
            (self.kernel_size[0], self.kernel_size[1]),
            (self.stride[0], self.stride[1]),
            (int(self.padding[0]), int(self.padding[1])),
            (self.dilation[0], self.dilation[1]),
            groups,
            self.bias is not None,
            device=weight.device,
            dtype=weight.dtype,
        )
        plain.weight = nn.Parameter(weight)
        if self.bias is not None:
            plain.bias = nn.Parameter(slice_ranges(self.bias.detach(), ranges["bias"]).clone())
        return plain


class SlimLinear(nn.Linear):
    """A fully connected layer with slimmable inputs and outputs; (N, in) -> (N, out)."""

    def __init__(self, reads: Channels, makes: Channels, *, bias: bool = True):
        super().__init__(reads.full, makes.full, bias)
        self.reads, self.makes = reads, makes

    def forward(self, input: Tensor, setting: Setting | None = None) -> Tensor:
        """Multiply with the part of the weight that the setting's configuration uses."""
        if setting is None:
            return super().forward(input)
        ranges = self.ranges(setting.config)
        bias = None if self.bias is None else slice_ranges(self.bias, ranges["bias"])
        return F.linear(input, slice_ranges(self.weight, ranges["weight"]), bias)

    def ranges(self, config: SubnetConfig) -> dict[str, Ranges]:
        """Which part of each parameter the configuration uses."""
        outputs = ((0, self.makes.at(config)),)
        found: dict[str, Ranges] = {"weight": (outputs, ((0, self.reads.at(config)),))}
        return found if self.bias is None else {**found, "bias": (outputs,)}

    def macs(self, config: SubnetConfig, positions: int = 1) -> int:
        """Multiply-adds of one image."""
        return positions * self.reads.at(config) * self.makes.at(config)

    def extract(self, config: SubnetConfig) -> nn.Linear:
        """The plain layer of this configuration, with its own copy of the weights."""
        ranges = self.ranges(config)
        weight = slice_ranges(self.weight.detach(), ranges["weight"]).contiguous().clone()
        plain = nn.Linear(weight.shape[1], weight.shape[0], self.bias is not None, weight.device, weight.dtype)
        plain.weight = nn.Parameter(weight)
        if self.bias is not None:
            plain.bias = nn.Parameter(slice_ranges(self.bias.detach(), ranges["bias"]).clone())
        return plain


SlimLayer = SlimConv2d | SlimLinear | SlimBatchNorm2d
SLIM_LAYERS = (SlimConv2d, SlimLinear, SlimBatchNorm2d)
