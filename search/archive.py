"""All that one search has measured so far, and the count of what it may still measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..models.space import SubnetConfig
from ..training.evaluator import Table
from .algorithm import Candidate, Found, Problem, Trunk
from .hypervolume import Points, Volume
from .parts import PartCosts
from .preference import Decoders
from .score import Yardstick

Variants = Callable[["Archive", Trunk], Iterable[Decoders]]
"""The decoders that are worth a candidate on a trunk that was measured."""


class Archive:
    """True evaluations of a search over trunks, each measured with all decoders; `variants` says which it keeps.

    Widest and narrowest are measured at once. Each further trunk counts against `problem.evaluations`, whether its
    table comes from a log or is measured now, so that a resumed search walks the same path.
    """

    def __init__(self, problem: Problem, variants: Variants):
        self.problem = problem
        self.candidates: dict[SubnetConfig, Candidate] = {}
        self.tables: dict[Trunk, Table] = {}
        self.costs = PartCosts(problem.space, problem.cost, problem.latency)
        self._variants = variants
        space = problem.space
        ends = list(dict.fromkeys([space.narrowest, space.widest]))
        self.tables.update(self._measured([Trunk.of(config) for config in ends]))
        self.narrowest, self.widest = self.candidate(space.narrowest), self.candidate(space.widest)
        self.yardstick = Yardstick(problem.tasks, self.widest.quality)
        self.least = problem.floors.least(self.yardstick)
        self.volume = Volume.between(self.yardstick, problem.preferences, self.narrowest, self.widest)
        self._points = self.volume.points(self._keep(ends))
        for config in ends:
            self._add(Trunk.of(config))
        self._report()

    @property
    def trunks(self) -> list[Trunk]:
        """What was measured, in the order in which it was."""
        return list(self.tables)

    @property
    def left(self) -> int:
        """Trunks that may still be evaluated."""
        return max(0, self.problem.evaluations - len(self.tables))

    @property
    def points(self) -> Points:
        """(preferences, candidates, 2) of all that is kept: share of the widest's cost, and loss."""
        return self._points

    def evaluate(self, trunks: Iterable[Trunk]) -> None:
        """Measure trunks, but those that are known, and no more than may be."""
        fresh = [trunk for trunk in dict.fromkeys(trunks) if trunk not in self.tables]
        for trunk, table in self._measured(fresh[: self.left]):
            self.tables[trunk] = table
            self._add(trunk)
            self._report()

    def candidate(self, config: SubnetConfig) -> Candidate:
        """Any subnet of a measured trunk, whether it is kept or not."""
        return self.costs.candidate(config, self.tables[Trunk.of(config)])

    def found(self) -> Found:
        """The result."""
        return Found(tuple(self.candidates.values()), len(self.tables))

    def _measured(self, trunks: Iterable[Trunk]) -> Iterator[tuple[Trunk, Table]]:
        space = self.problem.space
        everything = dict.fromkeys(space.tasks, space.decoder_widths)
        trunks = list(dict.fromkeys(trunks))
        tables = self.problem.source.evaluate([(trunk, everything) for trunk in trunks])
        return zip(trunks, tables, strict=True)

    def _add(self, trunk: Trunk) -> None:
        fresh = self._keep(trunk.config(decoders) for decoders in self._variants(self, trunk))
        self._points = np.concatenate([self._points, self.volume.points(fresh)], axis=1)

    def _keep(self, configs: Iterable[SubnetConfig]) -> list[Candidate]:
        fresh = {config: self.candidate(config) for config in configs if config not in self.candidates}
        self.candidates.update(fresh)
        return list(fresh.values())

    def _report(self) -> None:
        if self.problem.progress is not None:
            total = max(self.problem.evaluations, len(self.tables))
            self.problem.progress(len(self.tables), total, self.volume.of(self._points))
