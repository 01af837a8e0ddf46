"""All that one search has measured so far, and the count of what it may still measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..models.space import SubnetConfig
from ..training.evaluator import Encoder, Entry, Table
from .algorithm import Candidate, Found, Problem
from .hypervolume import Points, Volume
from .parts import PartCosts
from .preference import Decoders
from .score import Yardstick

Variants = Callable[["Archive", Encoder], Iterable[Decoders]]
"""The decoders that are worth a candidate on an encoder that was measured."""


class Archive:
    """True evaluations of a search over encoders, each measured with all decoders; `variants` says which it keeps.

    Widest and narrowest are measured at once. Each further encoder counts against `problem.evaluations`, whether its
    table comes from a log or is measured now, so that a resumed search walks the same path.
    """

    def __init__(self, problem: Problem, variants: Variants):
        self.problem = problem
        self.candidates: dict[SubnetConfig, Candidate] = {}
        self.tables: dict[Encoder, Table] = {}
        self.costs = PartCosts(problem.space, problem.cost, problem.latency)
        self._variants = variants
        space = problem.space
        ends = list(dict.fromkeys([space.narrowest, space.widest]))
        self.tables.update(self._measured([config.encoder for config in ends]))
        self.narrowest, self.widest = self.candidate(space.narrowest), self.candidate(space.widest)
        self.yardstick = Yardstick(problem.tasks, self.widest.quality)
        self.least = problem.floors.least(self.yardstick)
        self.volume = Volume.between(self.yardstick, problem.preferences, self.narrowest, self.widest)
        self._points = self.volume.points(self._keep(ends))
        for config in ends:
            self._add(config.encoder)
        self._report()

    @property
    def encoders(self) -> list[Encoder]:
        """The measured encoders, in the order in which they were."""
        return list(self.tables)

    @property
    def left(self) -> int:
        """Encoders that may still be evaluated."""
        return max(0, self.problem.evaluations - len(self.tables))

    @property
    def points(self) -> Points:
        """(preferences, candidates, 2) of all that is kept: share of the widest's cost, and loss."""
        return self._points

    def evaluate(self, encoders: Iterable[Encoder]) -> None:
        """Measure encoders, but those that are known, and no more than may be."""
        fresh = [encoder for encoder in dict.fromkeys(encoders) if encoder not in self.tables]
        for encoder, table in self._measured(fresh[: self.left]):
            self.tables[encoder] = table
            self._add(encoder)
            self._report()

    def candidate(self, config: SubnetConfig) -> Candidate:
        """Any subnet of a measured encoder, whether it is kept or not."""
        return self.costs.candidate(config, self.tables[config.encoder])

    def found(self) -> Found:
        """The result."""
        return Found(tuple(self.candidates.values()), len(self.tables))

    def _measured(self, encoders: Iterable[Encoder]) -> Iterator[Entry]:
        space = self.problem.space
        everything = dict.fromkeys(space.tasks, space.decoder_widths)
        encoders = list(dict.fromkeys(encoders))
        tables = self.problem.source.evaluate([(encoder, everything) for encoder in encoders])
        return zip(encoders, tables, strict=True)

    def _add(self, encoder: Encoder) -> None:
        fresh = self._keep(SubnetConfig(encoder, decoders) for decoders in self._variants(self, encoder))
        self._points = np.concatenate([self._points, self.volume.points(fresh)], axis=1)

    def _keep(self, configs: Iterable[SubnetConfig]) -> list[Candidate]:
        fresh = {config: self.candidate(config) for config in configs if config not in self.candidates}
        self.candidates.update(fresh)
        return list(fresh.values())

    def _report(self) -> None:
        if self.problem.progress is not None:
            total = max(self.problem.evaluations, len(self.tables))
            self.problem.progress(len(self.tables), total, self.volume.of(self._points))
