"""Joint search over all widths of a subnet and its precision at once, by predictors (SimQ-NAS, arXiv 2312.13301, 2023).

Rounds: some subnets are truly evaluated; predictors of each task's quality are trained on all of them; an NSGA-II on
the predictors (pymoo; no true evaluation) evolves a population for all tasks and the cost together; of its
non-dominated subnets those are evaluated next that lie farthest from what is known. Nothing of the network's structure
is used: an evaluation is one subnet.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..models.space import SubnetConfig
from ..training.evaluator import Table
from .algorithm import Candidate, Found, Problem, Trunk
from .evolution import Genes, evolved
from .hypervolume import Volume
from .parts import PartCosts
from .predictor import Predictor
from .score import Yardstick
from .selection import spread

FIRST = 16
"""Subnets evaluated before anything is predicted."""
ROUND = 8
"""Subnets evaluated between two predictions."""
POPULATION, GENERATIONS = 100, 40
"""Of the inner evolution."""


@dataclass(frozen=True)
class Joint:
    """All widths, and precisions, at once, by predictors in the loop."""

    name: str = "joint"

    def search(self, problem: Problem) -> Found:
        """Evaluate a first few, then by turns learn, evolve on what was learned, and evaluate."""
        known = _Known(problem)
        rng = random.Random(f"joint/{problem.seed}")
        known.evaluate(_first(known, min(known.left, FIRST - len(known.candidates)), rng))
        while known.left and known.unknown:
            known.evaluate(_next(known, min(ROUND, known.left), rng))
        return Found(tuple(known.candidates.values()), len(known.candidates))


class _Known:
    """Truly evaluated subnets, widest and narrowest among them."""

    def __init__(self, problem: Problem):
        self.problem = problem
        self.costs = PartCosts(problem.space, problem.cost, problem.latency)
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
        return len(self.problem.space) * len(self.problem.precisions) - len(self.candidates)

    def draw(self, rng: random.Random) -> SubnetConfig:
        """Any subnet, in any precision."""
        drawn, precisions = self.problem.space.sample(rng), self.problem.precisions
        return drawn if len(precisions) == 1 else replace(drawn, precision=rng.choice(precisions))

    def evaluate(self, configs: Iterable[SubnetConfig]) -> None:
        for config, table in self._measured(configs):
            self.candidates[config] = self.costs.candidate(config, table)
            self._report()

    def _measured(self, configs: Iterable[SubnetConfig]) -> Iterator[tuple[SubnetConfig, Table]]:
        configs = list(dict.fromkeys(configs))
        wanted = [(Trunk.of(each), {task: (width,) for task, width in each.decoders}) for each in configs]
        return zip(configs, self.problem.source.evaluate(wanted), strict=True)

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


def _next(known: _Known, count: int, rng: random.Random) -> list[SubnetConfig]:
    """What to evaluate next; random subnets make up for what the evolution finds too few of."""
    problem = known.problem
    space = problem.space
    levels = [len(space.encoder_widths)] * space.stages + [len(space.decoder_widths)] * len(space.tasks)
    levels += [len(problem.precisions)] * (len(problem.precisions) > 1)
    configs = list(known.candidates)
    relative = known.yardstick.relative([each.quality for each in known.candidates.values()])
    predict = Predictor([_features(config, problem.precisions) for config in configs], relative)
    high = known.candidates[space.widest]

    def objectives(population: list[Genes]) -> NDArray[np.float64]:
        found = [_config(problem, genes) for genes in population]
        costs = np.array([known.costs.limited(config) for config in found]) / high.cost
        return np.column_stack([costs, 1.0 - predict([_features(config, problem.precisions) for config in found])])

    seed = problem.seed * 1009 + len(known.candidates)
    front = evolved(levels, objectives, POPULATION, GENERATIONS, seed)
    fresh = [genes for genes in front if _config(problem, genes) not in known.candidates]
    chosen = [_config(problem, fresh[index]) for index in spread(objectives(fresh), count)] if fresh else []
    while len(chosen) < min(count, known.unknown):
        drawn = known.draw(rng)
        if drawn not in known.candidates and drawn not in chosen:
            chosen.append(drawn)
    return chosen


def _config(problem: Problem, genes: Genes) -> SubnetConfig:
    space = problem.space
    last = space.stages + len(space.tasks)
    encoder = tuple(space.encoder_widths[gene] for gene in genes[: space.stages])
    decoders = (space.decoder_widths[gene] for gene in genes[space.stages : last])
    precision = problem.precisions[genes[last] if len(genes) > last else 0]
    return SubnetConfig(encoder, tuple(zip(space.tasks, decoders, strict=True)), precision)


def _features(config: SubnetConfig, precisions: tuple[str, ...]) -> tuple[float, ...]:
    """Widths, and which of the precisions it is where there are several."""
    flags = (float(config.precision == each) for each in precisions[1:])
    return (*config.encoder, *(width for _, width in config.decoders), *flags)
