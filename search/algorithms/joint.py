"""Joint search over all widths of a subnet and its precision at once, by predictors (SimQ-NAS, arXiv 2312.13301, 2023).

Rounds: some subnets are truly evaluated; predictors of each task's quality are trained on all of them; an NSGA-II on
the predictors (pymoo; no true evaluation) evolves a population, begun with all that is known, for quality and the cost
together. Of its non-dominated subnets half of a round are those predicted to add most hypervolume, the other half those
farthest from each other, from which the predictors learn more. Nothing of the network's structure is used: an
evaluation is one subnet.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...models.space import SubnetConfig
from ...training.evaluation.evaluator import Table
from ..predictor import Foretold, Matrix, Predictor
from ..score import Yardstick
from .evolution import Genes, evolved
from .genes import Coding
from .hypervolume import Points, Volume
from .interface import Candidate, Found, Problem, tables_of
from .parts import PartCosts
from .selection import by_volume, spread

FIRST = 16
"""Subnets evaluated before anything is predicted."""
ROUND = 8
"""Subnets evaluated between two predictions."""
POPULATION, GENERATIONS = 100, 40
"""Of the inner evolution."""
AXES = 4
"""Objectives of quality. More tasks than these are taken in as many groups, by their means: of twenty objectives nearly
every subnet is best at something, and nothing is selected."""


@dataclass(frozen=True)
class Joint:
    """All widths, and precisions, at once, by predictors in the loop."""

    name: str = "joint"

    def search(self, problem: Problem) -> Found:
        """Evaluate a first few, then by turns learn, evolve on what was learned, and evaluate."""
        known = _Known(problem)
        rng = random.Random(f"joint/{problem.seed}")
        known.evaluate(_first(known, min(known.left, FIRST - len(known.candidates)), rng))
        if known.left >= known.unknown:  # nothing to choose
            known.evaluate(_first(known, known.unknown, rng))
        foretold = Foretold()
        while known.left and known.unknown:
            estimate = _Estimate(known)
            chosen = _next(known, estimate, min(ROUND, known.left), rng)
            known.evaluate(chosen)
            foretold.add(estimate.quality(chosen), known.relative(chosen))
        candidates = tuple(known.candidates.values())
        return Found(candidates, len(candidates), len(foretold), foretold.fit())


class _Known:
    """Truly evaluated subnets, widest and narrowest among them."""

    def __init__(self, problem: Problem):
        self.problem = problem
        self.costs, self.coding = PartCosts.of(problem), Coding.of(problem)
        self.candidates: dict[SubnetConfig, Candidate] = {}
        for config, table in self._measured([problem.space.narrowest, problem.space.widest]):
            self.candidates[config] = self.costs.candidate(config, table)
        low, high = (self.candidates[config] for config in (problem.space.narrowest, problem.space.widest))
        self.yardstick = Yardstick(problem.tasks, high.quality)
        problem.floors.least(self.yardstick)
        self.volume = Volume.between(self.yardstick, problem.preferences, low, high)
        self._report()

    @property
    def left(self) -> int:
        return max(0, self.problem.evaluations - len(self.candidates))

    @property
    def unknown(self) -> int:
        """Subnets that were not evaluated."""
        return self.problem.space.size * self.coding.assignments - len(self.candidates)

    def draw(self, rng: random.Random) -> SubnetConfig:
        """Any subnet, in any precision."""
        return self.coding.config(tuple(rng.randrange(levels) for levels in self.coding.levels))

    def evaluate(self, configs: Iterable[SubnetConfig]) -> None:
        for config, table in self._measured(configs):
            self.candidates[config] = self.costs.candidate(config, table)
            self._report()

    def relative(self, configs: Sequence[SubnetConfig]) -> Matrix:
        """(n, tasks): quality of evaluated subnets, relative to the widest's."""
        return self.yardstick.relative([self.candidates[config].quality for config in configs])

    def _measured(self, configs: Iterable[SubnetConfig]) -> Iterator[tuple[SubnetConfig, Table]]:
        configs = list(dict.fromkeys(configs))
        return zip(configs, tables_of(self.problem, configs), strict=True)

    def _report(self) -> None:
        if self.problem.progress is not None:
            total = max(self.problem.evaluations, len(self.candidates))
            volume = self.volume.of(self.volume.points(list(self.candidates.values())))
            self.problem.progress(len(self.candidates), total, volume)


def _first(known: _Known, count: int, rng: random.Random) -> list[SubnetConfig]:
    """`count` random subnets that are not known, or as many as there are."""
    chosen = dict[SubnetConfig, None]()
    while len(chosen) < min(count, known.unknown):
        drawn = known.draw(rng)
        if drawn not in known.candidates:
            chosen[drawn] = None
    return list(chosen)


def _next(known: _Known, estimate: _Estimate, count: int, rng: random.Random) -> list[SubnetConfig]:
    """What to evaluate next; random subnets make up for what the evolution finds too few of."""
    coding, seed = known.coding, known.problem.seed * 1009 + len(known.candidates)
    start = [coding.genes(config) for config in known.candidates]
    front = evolved(coding.levels, estimate.objectives, POPULATION, GENERATIONS, seed, start)
    fresh = [genes for genes in front if coding.config(genes) not in known.candidates]
    chosen = [coding.config(fresh[index]) for index in _promising(known, estimate, fresh, count)]
    while len(chosen) < min(count, known.unknown):
        drawn = known.draw(rng)
        if drawn not in known.candidates and drawn not in chosen:
            chosen.append(drawn)
    return chosen


def _promising(known: _Known, estimate: _Estimate, fresh: list[Genes], count: int) -> list[int]:
    """Half of them by the hypervolume that they are predicted to add, the others far from each other."""
    if not fresh:
        return []
    measured = known.volume.points(list(known.candidates.values()))
    size = measured.shape[1]
    points = np.concatenate([measured, estimate.points(fresh)], axis=1)
    chosen = [
        index - size
        for index in by_volume(points, known.volume, range(size), range(size, size + len(fresh)), -(-count // 2))
    ]
    rest = [index for index in range(len(fresh)) if index not in chosen]
    if rest and len(chosen) < count:
        far = spread(estimate.objectives([fresh[index] for index in rest]), count - len(chosen))
        chosen += [rest[index] for index in far]
    return chosen


class _Estimate:
    """What subnets are worth by all that was evaluated so far."""

    def __init__(self, known: _Known):
        problem = known.problem
        self.coding = known.coding
        self._costs, self._most = known.costs, known.candidates[problem.space.widest].cost
        configs = list(known.candidates)
        self._relative = Predictor([self.coding.features(config) for config in configs], known.relative(configs))
        self._volume, count = known.volume, len(problem.tasks)
        self._groups = np.array_split(np.arange(count), min(AXES, count))

    def objectives(self, population: list[Genes]) -> NDArray[np.float64]:
        """(n, 1 + groups of tasks), minimised: share of the widest's cost, and mean losses."""
        costs, relative = self._of(population)
        return np.column_stack([costs, *((1.0 - relative[:, group]).mean(1) for group in self._groups)])

    def points(self, population: list[Genes]) -> Points:
        """(preferences, n, 2), as `Volume.points` makes them of what was measured."""
        return self._volume.planes(*self._of(population))

    def quality(self, configs: Sequence[SubnetConfig]) -> Matrix:
        """(n, tasks): relative quality."""
        return self._relative([self.coding.features(config) for config in configs])

    def _of(self, population: list[Genes]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n,) shares of the widest's cost, and (n, tasks) of relative quality."""
        found = [self.coding.config(genes) for genes in population]
        costs = np.array([self._costs.limited(config) for config in found], np.float64) / self._most
        return costs, self.quality(found)
