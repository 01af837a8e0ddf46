"""pymoo's NSGA-II (Deb et al., 2002) over integer genes, asked for offspring and told what was measured.

Told from outside, an evolution also learns what others measured, so several run side by side on one set of true
evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import moocore
import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.evaluator import Evaluator
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.operators.repair.rounding import RoundingRepair
from pymoo.problems.static import StaticProblem

Genes = tuple[int, ...]
# With a handful of levels a gene, the usual distribution index of 15 to 20 rounds back to the parent.
SPREAD = 3.0


def evolved(
    levels: Sequence[int],
    objectives: Callable[[list[Genes]], NDArray[np.float64]],
    population: int,
    generations: int,
    seed: int,
    start: Sequence[Genes] = (),
) -> list[Genes]:
    """Non-dominated individuals of a whole evolution whose objectives, (n, k) and minimised, cost next to nothing.

    It begins with those of `start`, and random ones beside them.
    """
    rng = np.random.default_rng(seed)
    drawn = (tuple(int(gene) for gene in rng.integers(0, levels)) for _ in range(population))
    first = list(dict.fromkeys([*start, *drawn]))[: max(population, len(start))]
    known = dict(zip(first, objectives(first), strict=True))
    evolution = Evolution(levels, len(known[first[0]]), population, population, seed)
    evolution.tell(first, list(known.values()))
    for _ in range(generations):
        brood = evolution.ask(lambda genes: True)
        fresh = [genes for genes in brood if genes not in known]
        if fresh:
            known.update(zip(fresh, objectives(fresh), strict=True))
        if brood:
            evolution.tell(brood, [known[genes] for genes in brood])
    kept = moocore.is_nondominated(np.array(list(known.values())))
    return [genes for genes, keep in zip(known, kept, strict=True) if keep]


class Evolution:
    """One NSGA-II; `levels` are the numbers of values a gene, objectives are minimised."""

    def __init__(self, levels: Sequence[int], objectives: int, population: int, offspring: int, seed: int):
        upper = np.array(levels) - 1
        self._problem = Problem(n_var=len(levels), n_obj=objectives, xl=np.zeros_like(upper), xu=upper, vtype=int)
        self._algorithm = NSGA2(
            pop_size=population,
            n_offsprings=offspring,
            crossover=SBX(prob=0.9, eta=SPREAD, repair=RoundingRepair()),
            mutation=PM(prob=0.9, eta=SPREAD, repair=RoundingRepair()),
        )
        self._algorithm.setup(self._problem, termination=NoTermination(), seed=seed, verbose=False)

    def tell(self, genes: Sequence[Genes], objectives: Sequence[Sequence[float]]) -> None:
        """Add measured individuals; the fittest of all told so far are the parents of the next."""
        told = Population.new("X", np.array(genes, int))
        Evaluator().eval(StaticProblem(self._problem, F=np.array(objectives, float)), told)
        self._algorithm.tell(infills=told)

    def ask(self, wanted: Callable[[Genes], bool], tries: int = 20) -> list[Genes]:
        """Offspring that are `wanted`: those of the first brood, of at most `tries`, that has any."""
        for _ in range(tries):
            brood: Any = self._algorithm.ask()
            if brood is None:
                return []
            genes = [tuple(int(gene) for gene in each) for each in brood.get("X")]
            found = [each for each in dict.fromkeys(genes) if wanted(each)]
            if found:
                return found
        return []
