"""Channels that a depthwise convolution reads, each over the whole of its range, though the tensor has one scale.

A channel that is small beside the others gets few of a tensor's 255 steps. Where it is made by one convolution and
read by a depthwise one alone, it can be larger in between: multiplied on one side, divided on the other, the network
computes the same (cross-layer equalization: Data-free quantization, ICCV 2019). A depthwise row reads one channel, so
both factors go into scales per output channel, which are a subnet's own anyway; the integers, which all subnets share,
stay what they are. A cap as ReLU6's does no harm as long as a channel stays within MARGIN times what calibration saw of
it; beyond, it is cut off earlier than the tensor's range alone would. So a channel of which nothing was seen is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .placement import ACTIVATIONS, is_depthwise, maker
from .ranges import Range

Factors = NDArray[np.float32]
MOST = 16.0
"""Of a channel that is next to nothing: it keeps a sixteenth of the tensor's range, for images that say more."""

MARGIN = 1.5
"""Over what calibration saw of a channel: of one alone, images that come later exceed it more easily than of all."""


@dataclass(frozen=True)
class Pair:
    """The layers that make and that read a tensor, by name; only the second reads it, channel by channel."""

    made_by: str
    read_by: str
    tensor: str


def find_pairs(convolutions: Sequence[ir.Node]) -> tuple[Pair, ...]:
    """Of all of a graph's convolutions on integers, their batch norms folded already."""
    found = []
    for node in convolutions:
        value = node.inputs[0]
        if value is None or not is_depthwise(node) or len(list(value.uses())) != 1:
            continue
        producer, source = value.producer(), maker(value)
        if source is None or source not in convolutions:
            continue
        if len(list(source.outputs[0].uses())) != 1:
            continue
        if producer is not None and producer.op_type in ACTIVATIONS:  # so that 0 is the least
            found.append(Pair(source.name or "", node.name or "", value.name or ""))
    return tuple(found)


def factors(pairs: Sequence[Pair], ranges: Mapping[str, Range]) -> tuple[dict[str, Factors], dict[str, Factors]]:
    """By layer, what its output is multiplied with, and what its input was; nothing where channels are not known."""
    made: dict[str, Factors] = {}
    read: dict[str, Factors] = {}
    for pair in pairs:
        found = ranges[pair.tensor]
        if found.channels is not None and found.high > 0:
            highs = np.clip(found.channels.high.astype(np.float64) * MARGIN, found.high / MOST, found.high)
            larger = np.where(found.channels.high > 0, found.high / highs, 1.0)
            made[pair.made_by] = read[pair.read_by] = larger.astype(np.float32)
    return made, read
