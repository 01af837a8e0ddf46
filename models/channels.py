"""How channel counts bend with a configuration, and which part of a wide tensor a narrow one is."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .space import SubnetConfig

Range = tuple[int, int]
AxisRanges = tuple[Range, ...]
Ranges = tuple[AxisRanges, ...]
"""Per axis, the [start, stop) ranges of a tensor that a subnet uses, in order."""


@dataclass(frozen=True)
class Channels:
    """A channel count that bends: `full` channels at width 1 of `group`, snapped to `multiple`.

    Without a group the count is fixed (images, classes).
    """

    full: int
    group: str | None = None
    multiple: int = 8

    def at(self, config: SubnetConfig) -> int:
        """Channels in a configuration: all at width 1, whether or not a multiple; else at least one, at most all."""
        width = 1.0 if self.group is None else config.width(self.group)
        if width == 1:
            return self.full
        snapped = math.floor(self.full * width / self.multiple + 0.5) * self.multiple
        return min(self.full, max(self.multiple, snapped))


def slice_ranges(tensor: Tensor, ranges: Ranges) -> Tensor:
    """The part of a tensor that `ranges` names, per axis; a view where every axis has one range."""
    for axis, parts in enumerate(ranges):
        if parts == ((0, tensor.shape[axis]),):
            continue
        pieces = [tensor.narrow(axis, start, stop - start) for start, stop in parts]
        tensor = pieces[0] if len(pieces) == 1 else torch.cat(pieces, axis)
    return tensor


def prefixes(parts: tuple[Channels, ...], config: SubnetConfig) -> AxisRanges:
    """Ranges of a concatenation's channels: a prefix of each part, at the part's place in the wide tensor."""
    ranges, place = [], 0
    for part in parts:
        ranges.append((place, place + part.at(config)))
        place += part.full
    if all(stop == start for (_, stop), (start, _) in itertools.pairwise(ranges)):
        return ((0, ranges[-1][1]),)
    return tuple(ranges)
