"""What subnets cost in the precision that each names: in int8 there are as many multiply-adds, and fewer bytes.

Bytes are what a suite holds of a subnet for onnxruntime, exactly: of a layer in int8 a byte for each weight, and for
each channel scales and a bias in place of the batch norm that is folded into it; and for each rounded tensor its range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from ..models.cost import Cost, CostModel, PartCost
from ..models.norm import SlimBatchNorm2d
from ..models.space import SubnetConfig
from ..models.supernet import Supernet
from ..quantize.lowering import Lowered, external_names


@dataclass(frozen=True)
class _Stored:
    """An array: the task whose decoder it belongs to (None: the encoder), and `each` bytes for every one `of` what."""

    task: str | None
    each: int
    of: str


class PrecisionCosts:
    """Cost of each configuration of one supernet, in fp32 or in one of the precisions that it was `lowered` to."""

    def __init__(self, supernet: Supernet, lowered: Mapping[str, Lowered]):
        self._layers, self._fp32 = supernet.slim_layers(), CostModel(supernet)
        tasks = [task.name for task in supernet.tasks]
        self._stored = {
            name: [_stored(array, each, tasks, shared) for array in external_names(each.model)]
            for name, each in lowered.items()
            for shared in [_shared(each, tasks)]
        }

    def __call__(self, config: SubnetConfig) -> Cost:
        """Cost of a configuration, at one image of the architecture's size."""
        cost = self._fp32(config)
        if config.precision not in self._stored:
            return cost
        counts, sizes = self._counts(config), dict.fromkeys([None, *cost.decoders], 0)
        for array in self._stored[config.precision]:
            sizes[array.task] += array.each * counts[array.of]
        decoders = {task: PartCost(part.macs, sizes[task]) for task, part in cost.decoders.items()}
        return Cost(PartCost(cost.encoder.macs, sizes[None]), decoders)

    def _counts(self, config: SubnetConfig) -> dict[str, int]:
        """Elements by the name of a parameter, and channels by that of a layer; of the whole graph there is one."""
        found = {"": 1}
        for name, layer in self._layers.items():
            found[name] = layer.makes.at(config)
            for parameter, axes in layer.ranges(config).items():
                found[f"{name}.{parameter}"] = prod(sum(stop - start for start, stop in axis) for axis in axes)
            if isinstance(layer, SlimBatchNorm2d):
                found |= dict.fromkeys((f"{name}.running_mean", f"{name}.running_var"), layer.makes.at(config))
        return found


def _shared(lowered: Lowered, tasks: list[str]) -> set[str]:
    """Rounded tensors that several decoders read, as what all of them pool alike: named after the first, they are the
    encoder's."""
    readers: dict[str, set[str | None]] = {}
    for node in lowered.model.graph.node:
        for name in node.input:
            readers.setdefault(name, set()).add(_task(node.name, tasks))
    rounded = "/dequantized"
    several = (name for name, found in readers.items() if len(found) > 1)
    return {name.removesuffix(rounded) for name in several if name.endswith(rounded)}


def _task(name: str, tasks: list[str]) -> str | None:
    """The task whose decoder something belongs to, by its name; None for the encoder."""
    return next((task for task in tasks if name.startswith((f"decoders.{task}.", f"decoders.{task}/"))), None)


def _stored(name: str, lowered: Lowered, tasks: list[str], shared: set[str]) -> _Stored:
    bare = name.removeprefix("int8/")
    task = None if name.rpartition("/")[0] in shared else _task(bare, tasks)
    if bare != name:
        return _Stored(task, 1, bare)
    owner, slash, what = name.rpartition("/")
    if not slash:
        return _Stored(task, 4, name)
    for layer in lowered.layers:
        if layer.name == owner and what in ("weight_scale", "bias", "bias_scale"):
            return _Stored(task, 4, layer.weight.removesuffix(".weight"))
    return _Stored(task, 1 if what == "zero_point" else 4, "")
