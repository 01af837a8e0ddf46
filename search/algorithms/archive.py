"""All that one search has measured so far, and the count of what it may still measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ...models.space import SubnetConfig
from ...training.evaluation.evaluator import Table
from ..score import Yardstick
from .hypervolume import Points, Volume
from .interface import Candidate, Found, Problem, Trunk, by_task
from .parts import PartCosts

Variants = Callable[["Archive", Trunk], Iterable[SubnetConfig]]
"""The subnets that are worth being candidates on an encoder that was measured."""


class Archive:
    """True evaluations of a search over encoders, each in a precision and measured with all decoders, these in every
    precision that they may have on it; `variants` says which subnets it keeps.

    Widest and narrowest are measured at once. Each further encoder in a precision counts against
    `problem.evaluations`, whether its tables come from a log or are measured now, so that a resumed search walks the
    same path.
    """

    def __init__(self, problem: Problem, variants: Variants):
        self.problem = problem
        self.candidates: dict[SubnetConfig, Candidate] = {}
        self.tables: dict[Trunk, Table] = {}
        self.costs = PartCosts.of(problem)
        self._variants = variants
        space = problem.space
        ends = list(dict.fromkeys([space.narrowest, space.widest]))
        for _, tables in self._measured([Trunk.of(config) for config in ends]):
            self.tables.update(tables)
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
        """Encoders in a precision of their own that were measured, in the order in which they were."""
        return [trunk for trunk in self.tables if trunk.precision in self.problem.parts]

    @property
    def left(self) -> int:
        """Trunks that may still be evaluated."""
        return max(0, self.problem.evaluations - len(self.trunks))

    @property
    def points(self) -> Points:
        """(preferences, candidates, 2) of all that is kept: share of the widest's cost, and loss."""
        return self._points

    def evaluate(self, trunks: Iterable[Trunk]) -> None:
        """Measure trunks, but those that are known, and no more than may be."""
        fresh = [trunk for trunk in dict.fromkeys(trunks) if trunk not in self.tables]
        for trunk, tables in self._measured(fresh[: self.left]):
            self.tables.update(tables)
            self._add(trunk)
            self._report()

    def candidate(self, config: SubnetConfig) -> Candidate:
        """Any subnet of measured trunks, whether it is kept or not."""
        trunks = by_task(config)
        return self.costs.candidate(config, {task: self.tables[trunk][task] for task, trunk in trunks.items()})

    def found(self) -> Found:
        """The result."""
        return Found(tuple(self.candidates.values()), len(self.trunks))

    def _measured(self, trunks: Iterable[Trunk]) -> Iterator[tuple[Trunk, dict[Trunk, Table]]]:
        """Each with its tables, by what decoders have."""
        space = self.problem.space
        everything = dict.fromkeys(space.tasks, space.decoder_widths)
        every = {trunk: self.problem.on(*trunk).values() for trunk in trunks}
        found = self.problem.source.evaluate([(each, everything) for row in every.values() for each in row])
        for trunk, row in every.items():
            yield trunk, {each: next(found) for each in row}

    def _add(self, trunk: Trunk) -> None:
        fresh = self._keep(self._variants(self, trunk))
        self._points = np.concatenate([self._points, self.volume.points(fresh)], axis=1)

    def _keep(self, configs: Iterable[SubnetConfig]) -> list[Candidate]:
        fresh = {config: self.candidate(config) for config in configs if config not in self.candidates}
        self.candidates.update(fresh)
        return list(fresh.values())

    def _report(self) -> None:
        if self.problem.progress is not None:
            done = len(self.trunks)
            self.problem.progress(done, max(self.problem.evaluations, done), self.volume.of(self._points))
