"""One pace for all: a machine's speed changes while subnets are timed, and alike for all that are timed at that moment.

So every subnet is timed in turns with the widest one, and what counts is how many times as long it takes. Milliseconds
are that many times the median of what the widest took.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..devices.errors import InputError
from ..models.space import SubnetConfig


@dataclass(frozen=True)
class Timed:
    """Milliseconds of a subnet's quickest runs, and `pace`, those of the widest subnet in fp32 in turns with it."""

    milliseconds: float
    pace: float

    def __post_init__(self) -> None:
        if not (0.0 < self.milliseconds < math.inf and 0.0 < self.pace < math.inf):
            raise InputError(f"a subnet cannot take {self.milliseconds} ms, nor the widest {self.pace} ms")


def pace_of(found: Iterable[Timed]) -> float:
    """The median pace of at least one."""
    return float(np.median([each.pace for each in found]))


def at_one_pace(found: Mapping[SubnetConfig, Timed], pace: float | None = None) -> dict[SubnetConfig, float]:
    """Milliseconds of all as if the machine had kept one pace, their median where none is given."""
    if not found:
        return {}
    pace = pace_of(found.values()) if pace is None else pace
    return {config: each.milliseconds * pace / each.pace for config, each in found.items()}
