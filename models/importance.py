"""How much each channel matters, so that the channels a narrow subnet keeps are those that count.

A channel's score is the share of variance that it contributes to what its readers compute, summed over the readers. The
variance, not the second moment: a subnet's batch norm is recalibrated (US-Nets, ICCV 2019), which makes up for the mean
of a missing channel. Two measures differ in where the channel's own variance comes from:

- `norm`: from the batch norm that makes it, whose weight is its standard deviation (Network Slimming, ICCV 2017); no
  data needed.
- `activation`: from images (the product of weight and activation norms, as in Wanda, ICLR 2024); it sees what ReLU cuts
  off and which channels are alike in nothing but their batch norm.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..devices.errors import ConfigError
from .layers import SlimConv2d, SlimLinear
from .norm import SlimBatchNorm2d
from .observing import observed
from .streams import Axis, Streams
from .supernet import Supernet

MEASURES = ("norm", "activation")


def channel_importance(
    supernet: Supernet, streams: Streams, measure: str = "norm", images: Iterable[Tensor] = ()
) -> dict[str, Tensor]:
    """Stream -> score of each unit (units,), float64, higher matters more.

    `images` are batches (N, 3, H, W), normalised, for `activation`. Nothing of the supernet changes. Raises ConfigError
    for an unknown measure, or where `activation` gets no images.
    """
    if measure not in MEASURES:
        raise ConfigError(f"there is no importance measure {measure!r}: choose one of {', '.join(MEASURES)}")
    with torch.no_grad():
        if measure == "norm":
            variances = _predicted_variances(supernet, streams)
        else:
            variances = _measured_variances(supernet, images)
        scores = {name: torch.zeros(units, dtype=torch.float64) for name, units in streams.units.items()}
        for name, layer in _readers(supernet).items():
            spread = _outgoing(layer) * variances[name]
            _add_parts(scores, streams.reads[name], spread / spread.sum().clamp(min=1e-300))
    return scores


def _readers(supernet: Supernet) -> dict[str, SlimConv2d | SlimLinear]:
    """Layers in which channels compete; in a depthwise one each has its own, and batch norm rescales it at once."""
    return {
        name: layer
        for name, layer in supernet.slim_layers().items()
        if isinstance(layer, SlimLinear) or (isinstance(layer, SlimConv2d) and layer.groups < layer.in_channels)
    }


def _outgoing(layer: SlimConv2d | SlimLinear) -> Tensor:
    """Squared norm of the weights that read each input channel, (in,)."""
    weight = layer.weight.detach().cpu().double()
    if isinstance(layer, SlimLinear):
        return weight.square().sum(0)
    # (out, in / groups, kh, kw): each group's filters read that group's channels only.
    grouped = weight.reshape(layer.groups, -1, *weight.shape[1:])
    return grouped.square().sum((1, 3, 4)).flatten()


def _predicted_variances(supernet: Supernet, streams: Streams) -> dict[str, Tensor]:
    """Per reader, the variance of each input channel (in,) that the stream's batch norms give it."""
    layers = supernet.slim_layers()
    made: dict[tuple[str, int], Tensor] = {}
    for name, layer in layers.items():
        axis, variance = streams.makes[name], _makers_variance(layer)
        if isinstance(layer, SlimConv2d) and layer.groups == layer.in_channels:
            # Depthwise: what comes after it sees its batch norm, not the one before, though both are of one stream.
            made.pop((axis[0].stream, axis[0].size), None)
        if variance is None:
            continue
        for part, share in zip(axis, variance.split([part.size for part in axis]), strict=True):
            key = (part.stream, part.size)
            made[key] = made[key] + share if key in made else share
    return {
        name: torch.cat([made.get((p.stream, p.size), torch.ones(p.size).double()) for p in streams.reads[name]])
        for name in _readers(supernet)
    }


def _makers_variance(layer: nn.Module) -> Tensor | None:
    """What a layer adds to the variance of the channels that it makes; None where a batch norm decides that.

    In this house a layer without a bias is followed by a batch norm, which takes the scale of its filters away.
    """
    if isinstance(layer, SlimBatchNorm2d):
        return layer.weight.detach().cpu().double().square()
    if isinstance(layer, SlimConv2d | SlimLinear) and layer.bias is not None:
        return layer.weight.detach().cpu().double().flatten(1).square().sum(1)
    return None


def _measured_variances(supernet: Supernet, images: Iterable[Tensor]) -> dict[str, Tensor]:
    """Per reader, the variance of each input channel (in,) over images, in the full-width network."""
    device = next(supernet.parameters()).device
    with observed(_readers(supernet)) as moments:
        for batch in images:
            # With `collect` batch norm uses each batch's moments, whatever mode the supernet is in, and keeps none.
            supernet(batch.to(device), supernet.space.widest, collect={})
    if not moments:
        raise ConfigError("the importance measure 'activation' needs images: give some batches, or take 'norm'")
    return {name: found.variance.cpu() for name, found in moments.items()}


def _add_parts(scores: dict[str, Tensor], axis: Axis, shares: Tensor) -> None:
    for part, share in zip(axis, shares.split([part.size for part in axis]), strict=True):
        scores[part.stream] += share.view(len(scores[part.stream]), -1).sum(1)
