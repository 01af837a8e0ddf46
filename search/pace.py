"""One pace for all: a machine's speed changes while subnets are timed, and alike for all that are timed at that moment.

So every subnet is timed in turns with the widest one, and what counts is how many times as long it takes. Milliseconds
are that many times what the widest took in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
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


def at_one_pace(found: Mapping[SubnetConfig, Timed]) -> dict[SubnetConfig, float]:
    """Milliseconds of all as if the machine had kept the median of their paces."""
    if not found:
        return {}
    pace = float(np.median([each.pace for each in found.values()]))
    return {config: each.milliseconds * pace / each.pace for config, each in found.items()}
