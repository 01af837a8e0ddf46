"""Channels in the order of their importance: then the prefix that a narrow subnet takes is its best part.

Sorting before nesting is what one-shot pruning, EA-ViT and Nemotron Elastic do. The widest network stays the same
function, up to the order in which floats are summed, because channels that are read or added together move together
(`streams`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..devices.errors import ConfigError
from .importance import channel_importance
from .streams import Axis, Streams, channel_streams
from .supernet import Supernet

Places = tuple[Tensor | None, ...]
"""Per axis of a tensor: where each channel comes from (n,), None for an axis that stays."""


@dataclass(frozen=True)
class ChannelOrder:
    """A new order of a supernet's channels: `places` of every parameter and buffer, by its name."""

    places: dict[str, Places]

    def inverse(self) -> ChannelOrder:
        """The order that undoes this one."""
        return ChannelOrder(
            {
                name: tuple(None if axis is None else torch.argsort(axis) for axis in places)
                for name, places in self.places.items()
            }
        )


def sort_supernet(
    supernet: Supernet,
    optimizer: torch.optim.Optimizer | None = None,
    batches: Iterable[Tensor] | None = None,
    measure: str | None = None,
) -> ChannelOrder:
    """Sort a supernet's channels in place, most important first, and its optimizer's state with them.

    `batches` are images (N, 3, H, W), normalised. `measure` (see `importance`) is `activation` where there are batches
    and `norm` where there are none, unless it is given. Statistics that were recalibrated for subnets before are void:
    other channels are in them now. Raises ConfigError where the network or the optimizer cannot be permuted; nothing
    has moved then.
    """
    chosen = measure or ("norm" if batches is None else "activation")
    order = importance_order(supernet, chosen, () if batches is None else batches)
    permute_channels(supernet, order, optimizer)
    return order


def importance_order(supernet: Supernet, measure: str = "norm", images: Iterable[Tensor] = ()) -> ChannelOrder:
    """The order in which every stream's channels fall in importance (equals keep theirs); changes nothing."""
    streams = channel_streams(supernet)
    scores = channel_importance(supernet, streams, measure, images)
    falling = {name: torch.argsort(score, descending=True, stable=True) for name, score in scores.items()}
    return channel_order(supernet, streams, falling)


def channel_order(supernet: Supernet, streams: Streams, units: Mapping[str, Tensor]) -> ChannelOrder:
    """The order of every tensor's channels from that of each stream's units: `units[stream]` (n,), a permutation.

    Raises ConfigError for what is no permutation, and for tensors whose channels are not known.
    """
    for name, count in streams.units.items():
        if not torch.equal(units[name].sort().values, torch.arange(count)):
            raise ConfigError(f"the order of {name} is no permutation of {count}")
    places: dict[str, Places] = {}
    for name, layer in supernet.slim_layers().items():
        made = _axis_places(streams.makes[name], units)
        weight: Places = (made,) if layer.weight.ndim == 1 else (made, _axis_places(streams.reads[name], units))
        # Grouped: the second axis counts within a group, and groups move as wholes.
        if getattr(layer, "groups", 1) > 1:
            weight = (made,)
        places[f"{name}.weight"] = weight
        for other in ("bias", "running_mean", "running_var"):
            places[f"{name}.{other}"] = (made,)
    own = {name: tensor for name, tensor in supernet.state_dict().items() if tensor.ndim}
    unknown = [name for name in own if name not in places]
    if unknown:
        raise ConfigError(f"{unknown[0]} is no part of a slimmable layer, so its channels cannot be permuted")
    return ChannelOrder({name: places[name] for name in own})


def permuted(tensors: Mapping[str, Tensor], order: ChannelOrder) -> dict[str, Tensor]:
    """Tensors with their channels in the new order; the given ones stay.

    Names are those of the supernet's parameters and buffers, or `<name>/<state>` as an optimizer's state is kept in
    checkpoints; those that the order does not know, such as counters, pass as they are.
    """
    found = {}
    for name, tensor in tensors.items():
        places = order.places.get(name, order.places.get(name.rpartition("/")[0], ()))
        found[name] = _moved(tensor, places) if tensor.ndim else tensor
    return found


def permute_channels(supernet: Supernet, order: ChannelOrder, optimizer: torch.optim.Optimizer | None = None) -> None:
    """Put the channels of a supernet, and of its optimizer's state, into the new order, in place.

    Raises ConfigError, before anything moves, where a state has another shape than its parameter.
    """
    state = [] if optimizer is None else _state_tensors(supernet, optimizer)
    own = supernet.state_dict()
    with torch.no_grad():
        for name, tensor in permuted(own, order).items():
            own[name].copy_(tensor)
        for name, tensor in state:
            tensor.copy_(_moved(tensor, order.places[name]))


def _state_tensors(supernet: Supernet, optimizer: torch.optim.Optimizer) -> list[tuple[str, Tensor]]:
    """(parameter's name, tensor) of every state that has an entry for each weight; counters have none."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in supernet.named_parameters()}
    found = []
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if not isinstance(value, Tensor) or value.numel() == 1 or parameter not in names:
                continue
            if value.shape != parameter.shape:
                raise ConfigError(
                    f"the optimizer's {key} of {names[parameter]} cannot be permuted: sort before it runs"
                )
            found.append((names[parameter], value))
    return found


def _axis_places(axis: Axis, units: Mapping[str, Tensor]) -> Tensor:
    """Where each channel of an axis comes from: its parts stay in place, units move within each."""
    places, start = [], 0
    for part in axis:
        order = units[part.stream]
        inside = torch.arange(part.size).view(len(order), -1)
        places.append(start + inside[order].flatten())
        start += part.size
    return torch.cat(places)


def _moved(tensor: Tensor, places: Places) -> Tensor:
    for axis, place in enumerate(places):
        if place is not None:
            tensor = tensor.index_select(axis, place.to(tensor.device))
    return tensor
