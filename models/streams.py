"""Which layers share channels: found by following a call through the network, so it cannot drift from the forward.

Channels that are added to each other (residual streams) or pass through a depthwise convolution or a batch norm must be
permuted alike; a concatenation is read part by part. A stream is one such set. Groups of a grouped convolution move as
wholes: a stream's `units` are what can change places (DepGraph, CVPR 2023, has the same relations for pruning).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

from ..devices.errors import ConfigError
from .layers import SlimConv2d, SlimLayer
from .norm import SlimBatchNorm2d
from .supernet import Supernet


@dataclass(frozen=True)
class Part:
    """`size` channels in a row that belong to the stream `stream`."""

    stream: str
    size: int


Axis = tuple[Part, ...]
"""The channels of a tensor, in order: one part, or those of a concatenation."""

_ADDING = {"add", "add_", "__add__", "__radd__", "__iadd__"}
_JOINING = {"cat", "concat", "concatenate"}
# They work on each channel alone and leave the axis where it is.
_KEEPING = {
    "relu",
    "relu_",
    "relu6",
    "hardtanh",
    "max_pool2d",
    "_max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "interpolate",
    "flatten",
    "contiguous",
    "detach",
    "dropout",
}


@dataclass(frozen=True)
class Streams:
    """Streams by name (that of one of their layers), and the channels that each layer reads and makes.

    `units` counts what can change places: channels, groups of them, or 1 where the order is fixed (images, classes).
    """

    units: dict[str, int]
    reads: dict[str, Axis]
    makes: dict[str, Axis]


def channel_streams(supernet: Supernet) -> Streams:
    """Follow one full-width call on meta tensors, which computes nothing and changes nothing.

    Raises ConfigError where channels meet an operation that is not known to keep them apart.
    """
    trace = _Trace()
    handles = [handle for name, layer in supernet.slim_layers().items() for handle in trace.watch(name, layer)]
    own = {**dict(supernet.named_parameters()), **dict(supernet.named_buffers())}
    tensors = {name: torch.empty_like(tensor, device="meta") for name, tensor in own.items()}
    size = (supernet.architecture.height, supernet.architecture.width)
    images = torch.empty(2, 3, *size, device="meta", dtype=next(supernet.parameters()).dtype)
    trace.begin(images)
    try:
        with torch.no_grad(), trace:
            functional_call(supernet, tensors, (images, supernet.space.widest))
    finally:
        for handle in handles:
            handle.remove()
    missed = set(supernet.slim_layers()) - set(trace.makes)
    if missed:
        raise ConfigError(f"{sorted(missed)[0]} was not reached, so which channels it shares is not known")
    return trace.result()


@dataclass
class _Links:
    """Disjoint sets of streams, each with the units that all of its links leave whole."""

    parents: dict[str, str] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, units: int) -> None:
        self.parents[name], self.units[name] = name, units

    def root(self, name: str) -> str:
        while self.parents[name] != name:
            name = self.parents[name]
        return name

    def join(self, first: str, second: str, units: int) -> None:
        one, other = self.root(first), self.root(second)
        self.units[one] = math.gcd(self.units[one], self.units[other], units)
        self.parents[other] = one


class _Trace(TorchFunctionMode):
    """Knows, during a call, to which streams the channels of each tensor belong."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: dict[str, Axis] = {}
        self.makes: dict[str, Axis] = {}
        self._links = _Links()
        # The tensors themselves are kept: an id means nothing once its tensor is gone.
        self._axes: dict[int, tuple[Tensor, Axis]] = {}
        self._inside_layer = False

    def begin(self, images: Tensor) -> None:
        self._links.add("images", 1)
        self._mark(images, (Part("images", images.shape[1]),))

    def watch(self, name: str, layer: SlimLayer) -> tuple[Any, Any]:
        """Handles of hooks that note what a layer reads and makes."""

        def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            self._inside_layer = True

        def after(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            self._inside_layer = False
            read = self._axis(inputs[0])
            if read is None:
                raise ConfigError(f"the channels that {name} reads cannot be followed to where they are made")
            self.reads[name] = read
            self.makes[name] = self._made(name, layer, read)
            self._mark(output, self.makes[name])

        return layer.register_forward_pre_hook(before), layer.register_forward_hook(after)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self._inside_layer and isinstance(result, Tensor):
            self._follow(func.__name__, args, kwargs or {}, result)
        return result

    def result(self) -> Streams:
        def named(axes: dict[str, Axis]) -> dict[str, Axis]:
            return {
                layer: tuple(Part(self._links.root(part.stream), part.size) for part in axis)
                for layer, axis in axes.items()
            }

        units = {name: self._links.units[name] for name in self._links.parents if self._links.root(name) == name}
        return Streams(units, named(self.reads), named(self.makes))

    def _follow(self, operation: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Tensor) -> None:
        tensors = [each for each in _flat((*args, *kwargs.values())) if isinstance(each, Tensor)]
        axes = [axis for each in tensors if (axis := self._axis(each)) is not None]
        if not axes:
            return
        if operation in _JOINING and len(axes) == len(tensors) and (args[1:] or kwargs.get("dim")) in ((1,), 1):
            axis = tuple(part for each in axes for part in each)
        elif operation in _ADDING and len(axes) == len(tensors):
            axis = self._added(axes)
        elif operation in _KEEPING and len(axes) == 1:
            axis = axes[0]
        else:
            raise ConfigError(f"channels cannot be followed through {operation}, so they cannot be permuted")
        if result.ndim < 2 or result.shape[1] != sum(part.size for part in axis):
            raise ConfigError(f"{operation} moved the channels, so they cannot be permuted")
        self._mark(result, axis)

    def _added(self, axes: list[Axis]) -> Axis:
        for other in axes[1:]:
            if [part.size for part in other] != [part.size for part in axes[0]]:
                raise ConfigError("concatenations of different parts are added, so channels cannot be permuted")
            for mine, theirs in zip(axes[0], other, strict=True):
                self._links.join(mine.stream, theirs.stream, mine.size)
        return axes[0]

    def _made(self, name: str, layer: SlimLayer, read: Axis) -> Axis:
        if isinstance(layer, SlimBatchNorm2d):
            return read
        reads = layer.reads if isinstance(layer, SlimConv2d) else (layer.reads,)
        if tuple(part.size for part in read) != tuple(channels.full for channels in reads):
            raise ConfigError(f"{name} does not read the channels that it declares")
        self._links.add(name, 1 if layer.makes.group is None else layer.makes.full)
        if isinstance(layer, SlimConv2d) and layer.groups > 1:
            self._links.join(read[0].stream, name, layer.groups)
        return (Part(name, layer.makes.full),)

    def _axis(self, tensor: Tensor) -> Axis | None:
        known = self._axes.get(id(tensor))
        return known[1] if known else None

    def _mark(self, tensor: Tensor, axis: Axis) -> None:
        self._axes[id(tensor)] = (tensor, axis)


def _flat(values: Any) -> list[Any]:
    """The values of nested lists and tuples."""
    if not isinstance(values, list | tuple):
        return [values]
    return [each for value in values for each in _flat(value)]
