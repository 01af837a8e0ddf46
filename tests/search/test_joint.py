from __future__ import annotations

import dataclasses
import random

import numpy as np

from pliant.models.space import SearchSpace, SubnetConfig
from pliant.search.algorithms.evolution import Genes, evolved
from pliant.search.algorithms.interface import Candidate, Problem, Trunk
from pliant.search.algorithms.joint import Joint

from .making import formula_problem, volume_of


def test_learning_beats_chance() -> None:
    """At 40 of 16,384 subnets, over seeds: nearer to the whole space's hypervolume than random subnets."""
    whole = volume_of(formula_problem()[0], None)
    gaps = {"joint": 0.0, "random": 0.0}
    for seed in range(3):
        problem, _ = formula_problem(40, seed)
        gaps["joint"] += whole - volume_of(problem, Joint().search(problem).candidates)
        rng = random.Random(seed)
        space = problem.space
        drawn = [space.narrowest, space.widest, *(space.sample(rng) for _ in range(38))]
        gaps["random"] += whole - volume_of(problem, tuple(by_hand(problem, config) for config in drawn))
    assert gaps["joint"] < 0.7 * gaps["random"]


def by_hand(problem: Problem, config: SubnetConfig) -> Candidate:
    """A candidate as truly evaluated."""
    [table] = problem.source.evaluate([(Trunk.of(config), {task: (width,) for task, width in config.decoders})])
    cost = problem.cost(config)
    quality = {task: table[task][width] for task, width in config.decoders}
    return Candidate(config, quality, cost.macs, cost.bytes)


def test_an_evaluation_is_one_subnet() -> None:
    problem, source = formula_problem(20)
    Joint().search(problem)
    assert all(len(widths) == 1 for demand in source.demands for widths in demand.values())


def test_a_space_smaller_than_asked_for_is_searched_wholly() -> None:
    problem, source = formula_problem(1000)
    space = SearchSpace(2, problem.space.tasks, (0.5, 1.0), (0.5, 1.0))
    source.importance = (0.6, 0.4)
    found = Joint().search(dataclasses.replace(problem, space=space))
    assert len(found.candidates) == found.evaluations == space.size == 32


def test_an_evolution_begun_at_the_front_keeps_it() -> None:
    """Sixteen ones in a row are not found by twenty individuals in one generation; told, they are kept."""

    def objectives(found: list[Genes]) -> np.ndarray:
        genes = np.array(found, float)
        return np.column_stack([-genes.prod(1), genes[:, 0]])

    known = (1,) * 16
    assert known not in evolved([2] * 16, objectives, 20, 1, seed=0)
    assert known in evolved([2] * 16, objectives, 20, 1, seed=0, start=[known])


def test_the_inner_evolution_finds_the_front_of_a_known_plane() -> None:
    """Ones at the front cost, and gain the more the earlier they stand: the front is known."""

    def objectives(found: list[Genes]) -> np.ndarray:
        genes = np.array(found, float)
        return np.column_stack([genes.sum(1), -(genes * [8, 4, 2, 1]).sum(1)])

    front = evolved([2, 2, 2, 2], objectives, 20, 20, seed=0)
    assert set(front) == {(0, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 0), (1, 1, 1, 1)}
