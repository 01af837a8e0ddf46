"""Slimmable batch norm: the affine part is shared, the statistics are each configuration's own (US-Nets, ICCV 2019)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..devices.errors import ConfigError
from .channels import Channels, Ranges
from .reduction import AllReduce, batch_norm
from .setting import Moments, Setting, Statistics
from .space import SubnetConfig


class SlimBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose affine part is a prefix and whose statistics belong to one configuration.

    Running statistics are those of the full width only: a narrow subnet sees other features, so its statistics are
    recalibrated (US-Nets, ICCV 2019) and passed in the setting, keyed by `name`, the layer's place in the network.
    """

    name: str = ""

    def __init__(self, channels: Channels):
        super().__init__(channels.full)
        self.makes = channels

    def forward(self, input: Tensor, setting: Setting | None = None) -> Tensor:
        """Normalise (N, C, H, W) with the batch's moments in training, else with the configuration's statistics."""
        if setting is None:
            return super().forward(input)
        weight, bias = self._affine(input.shape[1])
        if setting.collect is not None:
            return self._collect(input, weight, bias, setting.collect)
        if self.training:
            return self._train(input, weight, bias, setting)
        mean, variance = self.statistics_at(setting.config, setting.statistics)
        return F.batch_norm(input, mean, variance, weight, bias, False, 0.0, self.eps)

    def _affine(self, count: int) -> tuple[Tensor, Tensor]:
        """Gain and bias of the first channels; of all there are no views, each of which costs a copy backward."""
        if count == self.num_features:
            return self.weight, self.bias
        return self.weight[:count], self.bias[:count]

    def _train(self, input: Tensor, weight: Tensor, bias: Tensor, setting: Setting) -> Tensor:
        """Only the widest keeps running statistics; others would spoil them, also where all channels are in use."""
        widest = setting.config.is_widest
        if isinstance(setting.reduction, AllReduce):
            output, mean, variance = batch_norm(input, weight, bias, self.eps, setting.reduction)
            if widest:
                self._follow(mean, variance)
            return output
        if widest:
            return super().forward(input)
        return F.batch_norm(input, None, None, weight, bias, True, 0.0, self.eps)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Running statistics, as torch keeps them."""
        share = 0.1 if self.momentum is None else self.momentum
        for running, found in ((self.running_mean, mean), (self.running_var, variance)):
            if running is not None:
                running.lerp_(found.to(running.dtype), share)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)

    def _collect(self, input: Tensor, weight: Tensor, bias: Tensor, collect: dict[str, Moments]) -> Tensor:
        """Normalise with the batch's moments, and note them.

        They are those that torch has just used: to find them again by `var_mean` took two fifths of an evaluation.
        """
        values = input.detach()
        output, mean, inverse = torch.native_batch_norm(values, weight, bias, None, None, True, 0.0, self.eps)
        variance = (inverse.double().pow(-2) - self.eps).clamp(min=0.0)
        moments = Moments(values.numel() // values.shape[1], mean.double(), variance)
        collect[self.name] = collect[self.name].merge(moments) if self.name in collect else moments
        return output

    def statistics_at(self, config: SubnetConfig, statistics: Statistics | None) -> tuple[Tensor, Tensor]:
        """Mean and variance for a configuration: the given ones, else a prefix of the full width's."""
        count = self.makes.at(config)
        if statistics is None:
            if self.running_mean is None or self.running_var is None:
                raise ConfigError(f"{self.name} keeps no running statistics and none were given")
            return self.running_mean[:count], self.running_var[:count]
        mean, variance = statistics[self.name]
        if mean.shape != (count,) or variance.shape != (count,):
            raise ConfigError(
                f"statistics of {self.name} are of another configuration: {tuple(mean.shape)}, not ({count},)"
            )
        return mean, variance

    def ranges(self, config: SubnetConfig) -> dict[str, Ranges]:
        """Which part of the affine parameters the configuration uses (its statistics are its own)."""
        part: Ranges = (((0, self.makes.at(config)),),)
        return {"weight": part, "bias": part}

    def extract(self, config: SubnetConfig, statistics: Statistics | None = None) -> nn.BatchNorm2d:
        """The plain layer of this configuration, with its statistics."""
        count = self.makes.at(config)
        plain = nn.BatchNorm2d(count, self.eps, device=self.weight.device, dtype=self.weight.dtype)
        plain.weight = nn.Parameter(self.weight.detach()[:count].clone())
        plain.bias = nn.Parameter(self.bias.detach()[:count].clone())
        mean, variance = self.statistics_at(config, statistics)
        plain.running_mean, plain.running_var = mean.detach().clone(), variance.detach().clone()
        return plain
