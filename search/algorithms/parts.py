"""What subnets cost, put together from parts that are each computed once: an encoder, and every decoder on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from ...models.cost import Cost, PartCost
from ...models.space import SearchSpace, SubnetConfig
from ...quantize.assignment import FP32, Assignment
from ...training.evaluation.evaluator import Table
from ..latency.model import LatencyModel
from .interface import Candidate, Problem, Trunk, by_task

NANOSECONDS = 1e6
"""In a millisecond."""


class PartCosts:
    """Costs of a space's subnets, and of the parts that add up to what budgets limit: latency where there is one.

    Whole numbers, multiply-adds or nanoseconds, so that sums are exact whatever their order.
    """

    def __init__(
        self,
        space: SearchSpace,
        cost: Callable[[SubnetConfig], Cost],
        latency: Mapping[str, LatencyModel] | None = None,
    ):
        self._space, self._cost, self._latency = space, cost, latency
        self._known: dict[Trunk, dict[float, Cost]] = {}
        self._limited: dict[Trunk, tuple[int, NDArray[np.int64]]] = {}

    @classmethod
    def of(cls, problem: Problem) -> PartCosts:
        """Those of a problem's subnets."""
        return cls(problem.space, problem.cost, problem.latency)

    def __call__(self, config: SubnetConfig) -> PartCost:
        """Multiply-adds and bytes of a subnet, the same as `cost` says."""
        trunks = by_task(config)
        # What an encoder gives is rounded for the decoders that are not in fp32, once for all, and belongs to it.
        trunk = max(trunks.values(), key=lambda each: self._decoders_in(each) != FP32)
        encoder = self._of(trunk)[self._space.decoder_widths[0]].encoder
        return sum((self._of(trunks[task])[width].decoders[task] for task, width in config.decoders), encoder)

    def candidate(self, config: SubnetConfig, table: Table) -> Candidate:
        """A subnet with its costs, and its quality out of its encoder's table."""
        quality = {task: table[task][width] for task, width in config.decoders}
        cost = self(config)
        return Candidate(
            config, quality, cost.macs, cost.bytes, None if self._latency is None else self.limited(config)
        )

    def limited(self, config: SubnetConfig) -> int:
        """What a subnet takes of a budget."""
        trunks, space = by_task(config), self._space
        own = (
            self.decoders(trunks[task])[space.tasks.index(task), space.decoder_widths.index(width)]
            for task, width in config.decoders
        )
        # Of any decoders: an encoder takes what it takes by its own precision.
        return self.trunk(next(iter(trunks.values()))) + int(sum(own))

    def trunk(self, trunk: Trunk) -> int:
        """What a trunk alone takes of a budget."""
        return self._parts(trunk)[0]

    def decoders(self, trunk: Trunk) -> NDArray[np.int64]:
        """(tasks, decoder widths): what each decoder on a trunk takes of a budget, in the space's order."""
        return self._parts(trunk)[1]

    def macs(self, trunk: Trunk) -> tuple[int, NDArray[np.int64]]:
        """Multiply-adds of a trunk alone, and (tasks, decoder widths) of each decoder on it, in the space's order."""
        return self._summed(trunk, lambda part: part.macs)

    def bytes(self, trunk: Trunk) -> tuple[int, NDArray[np.int64]]:
        """The same in bytes of weights."""
        return self._summed(trunk, lambda part: part.bytes)

    def _parts(self, trunk: Trunk) -> tuple[int, NDArray[np.int64]]:
        if trunk not in self._limited:
            self._limited[trunk] = self.macs(trunk) if self._latency is None else self._times(trunk)
        return self._limited[trunk]

    def _summed(self, trunk: Trunk, of: Callable[[PartCost], int]) -> tuple[int, NDArray[np.int64]]:
        known = list(self._of(trunk).values())
        rows = [[of(cost.decoders[task]) for cost in known] for task in self._space.tasks]
        return of(known[0].encoder), np.array(rows, np.int64)

    def _times(self, trunk: Trunk) -> tuple[int, NDArray[np.int64]]:
        assert self._latency is not None
        model = self._latency[Assignment.of(trunk.precision, len(self._space.tasks)).encoder]
        decoders = model.decoders(trunk.encoder, self._space.decoder_widths, self._decoders_in(trunk))
        return round(model.encoder(trunk.encoder) * NANOSECONDS), np.rint(decoders * NANOSECONDS).astype(np.int64)

    def _decoders_in(self, trunk: Trunk) -> str:
        return Assignment.of(trunk.precision, len(self._space.tasks)).decoders[0]

    def _of(self, trunk: Trunk) -> dict[float, Cost]:
        """Costs by the width of all decoders."""
        if trunk not in self._known:
            tasks = self._space.tasks
            self._known[trunk] = {
                width: self._cost(trunk.config(tuple((task, width) for task in tasks)))
                for width in self._space.decoder_widths
            }
        return self._known[trunk]
