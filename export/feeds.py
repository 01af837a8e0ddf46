"""What feeds a subnet's graph: views into the wide weights, and arrays of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ..models.channels import Ranges
from ..models.setting import Statistics
from ..models.space import SubnetConfig
from ..models.supernet import Supernet, views
from ..quantize.arrays import own_arrays, share_weights
from ..quantize.lowering import Lowered, external_names
from ..quantize.ranges import Range
from ..runtime.format.record import View
from .narrow import narrow, serialize

Array = NDArray[Any]
_STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Feed:
    """A subnet's graph (weightless) and, by initializer, its views and its own arrays; `arrays` has both, cut out."""

    graph: onnx.ModelProto
    views: dict[str, View]
    own: dict[str, Array]
    arrays: dict[str, Array]

    @cached_property
    def data(self) -> bytes:
        """The graph, serialized."""
        return serialize(self.graph)


class Wide:
    """The full-width tensors of a supernet, in fp32, and in int8 where any of the lowered graphs has a layer so."""

    def __init__(self, supernet: Supernet, *lowered: Lowered):
        state = supernet.state_dict()
        self.supernet = supernet
        self.tensors: dict[str, Array] = {
            f"weights/{name}": np.ascontiguousarray(state[name].detach().cpu().numpy())
            for name in views(supernet, supernet.space.widest)
        }
        parameters = {name.removeprefix("weights/"): array for name, array in self.tensors.items()}
        layers = {layer.weight: layer for each in lowered for layer in each.layers}
        self.shared = share_weights(tuple(layers.values()), parameters)
        self.tensors.update({f"int8/{name}": weight.values for name, weight in self.shared.items()})

    def views(self, config: SubnetConfig) -> dict[str, View]:
        """The fp32 view of each parameter."""
        return {
            name: View(f"weights/{name}", trim(ranges, self.tensors[f"weights/{name}"].shape))
            for name, ranges in views(self.supernet, config).items()
        }

    def read(self, view: View) -> Array:
        """The part of a wide tensor that a view names, contiguous."""
        return cut(self.tensors[view.tensor], view.ranges)


def fp32_feed(template: onnx.ModelProto, wide: Wide, config: SubnetConfig, statistics: Statistics) -> Feed:
    """A subnet in fp32; its own are its batch-norm statistics."""
    own = {
        f"{layer}.{kind}": np.ascontiguousarray(moment.detach().cpu().numpy(), np.float32)
        for layer, moments in statistics.items()
        for kind, moment in zip(_STATISTICS, moments, strict=True)
    }
    return _feed(template, wide, wide.views(config), own)


def int8_feed(lowered: Lowered, wide: Wide, fp32: Feed, ranges: Mapping[str, Range]) -> Feed:
    """The same subnet in int8; its own are scales, zero points, biases, and statistics of layers left in fp32."""
    own = own_arrays(lowered, wide.shared, fp32.arrays, ranges)
    integers = {layer.integers: View(layer.integers, fp32.views[layer.weight].ranges) for layer in lowered.layers}
    return _feed(lowered.model, wide, {**fp32.views, **integers}, {**fp32.own, **own})


def _feed(template: onnx.ModelProto, wide: Wide, found: dict[str, View], own: dict[str, Array]) -> Feed:
    """Keep what the graph names, and narrow the graph to it."""
    names = list(external_names(template))
    kept = {name: found[name] for name in names if name in found and name not in own}
    mine = {name: own[name] for name in names if name in own}
    arrays = {**{name: wide.read(view) for name, view in kept.items()}, **mine}
    return Feed(narrow(template, {name: array.shape for name, array in arrays.items()}), kept, mine, arrays)


def beside(feed: Feed, other: Feed, suffix: str) -> Feed:
    """The feed, to be stored with another of the same subnet: what both have by one name must be one array.

    Its own arrays that differ from the other's get a name with the suffix.
    """
    renamed = {
        name: f"{name}/{suffix}"
        for name, array in feed.own.items()
        if name in other.own and other.own[name].tobytes() != array.tobytes()
    }
    if not renamed:
        return feed
    model = onnx.ModelProto()
    model.CopyFrom(feed.graph)
    for tensor in model.graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    own, arrays = (
        {renamed.get(name, name): array for name, array in found.items()} for found in (feed.own, feed.arrays)
    )
    return Feed(model, feed.views, own, arrays)


def cut(tensor: Array, ranges: Ranges) -> Array:
    """The part of a tensor that ranges name, per axis; whole trailing axes may be omitted."""
    for axis, pieces in enumerate(ranges):
        parts = [tensor[(slice(None),) * axis + (slice(start, stop),)] for start, stop in pieces]
        tensor = parts[0] if len(parts) == 1 else np.concatenate(parts, axis)
    return np.ascontiguousarray(tensor)


def trim(ranges: Ranges, shape: tuple[int, ...]) -> Ranges:
    """Ranges without trailing axes that are whole."""
    kept = list(ranges)
    while kept and kept[-1] == ((0, shape[len(kept) - 1]),):
        kept.pop()
    return tuple(kept)
