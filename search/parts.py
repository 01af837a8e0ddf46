"""What subnets cost, put together from parts that are each computed once: an encoder, and every decoder on it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..models.cost import Cost, PartCost
from ..models.space import SearchSpace, SubnetConfig
from ..training.evaluator import Encoder


class PartCosts:
    """Multiply-adds and bytes of a space's subnets, the same as `cost` says of each."""

    def __init__(self, space: SearchSpace, cost: Callable[[SubnetConfig], Cost]):
        self._space, self._cost = space, cost
        self._known: dict[Encoder, dict[float, Cost]] = {}

    def __call__(self, config: SubnetConfig) -> PartCost:
        """Cost of a whole subnet."""
        known = self._of(config.encoder)
        encoder = known[self._space.decoder_widths[0]].encoder
        return sum((known[width].decoders[task] for task, width in config.decoders), encoder)

    def encoder_macs(self, encoder: Encoder) -> int:
        """Multiply-adds of an encoder alone."""
        return self._of(encoder)[self._space.decoder_widths[0]].encoder.macs

    def decoder_macs(self, encoder: Encoder) -> NDArray[np.int64]:
        """(tasks, decoder widths): multiply-adds of each decoder on an encoder, in the space's order."""
        known = self._of(encoder)
        rows = [
            [known[width].decoders[task].macs for width in self._space.decoder_widths] for task in self._space.tasks
        ]
        return np.array(rows, np.int64)

    def _of(self, encoder: Encoder) -> dict[float, Cost]:
        """Costs by the width of all decoders."""
        if encoder not in self._known:
            tasks = self._space.tasks
            self._known[encoder] = {
                width: self._cost(SubnetConfig(encoder, tuple((task, width) for task in tasks)))
                for width in self._space.decoder_widths
            }
        return self._known[encoder]
