from __future__ import annotations

import random
import sys
from subprocess import run

from hypothesis import given
from hypothesis import strategies as st

from pliant.models.space import SearchSpace
from pliant.search.algorithms.ecmt import Ecmt, first_encoders
from pliant.search.algorithms.evolution import Evolution
from pliant.search.algorithms.interface import Trunk

from .making import by_rule, formula_problem, volume_of


def test_evolution_beats_chance() -> None:
    """At 60 of 256 encoders, over seeds: nearer to the whole space's hypervolume than random encoders."""
    whole = volume_of(formula_problem()[0], None)
    gaps = {"ecmt": 0.0, "random": 0.0}
    for seed in range(5):
        problem, _ = formula_problem(60, seed)
        gaps["ecmt"] += whole - volume_of(problem, Ecmt().search(problem).candidates)
        archive = by_rule(problem)
        archive.evaluate(map(Trunk, first_encoders(problem.space, random.Random(seed), 60)))
        gaps["random"] += whole - volume_of(problem, archive.found().candidates)
    assert gaps["ecmt"] < 0.7 * gaps["random"]


@given(st.integers(1, 20), st.integers(0, 99))
def test_first_encoders_are_distinct_and_hold_both_ends(count: int, seed: int) -> None:
    space = SearchSpace(2, ("depth",))
    found = first_encoders(space, random.Random(seed), count)
    assert len(found) == len(set(found)) == min(count, 16)
    assert {(0.25, 0.25), (1.0, 1.0)} <= set(found) or count == 1


def test_offspring_are_whole_numbers_within_their_levels() -> None:
    evolution = Evolution([2, 4, 3], 2, 6, 4, seed=0)
    evolution.tell([(0, 0, 0), (1, 3, 2), (0, 2, 1)], [(1.0, 0.0), (0.0, 1.0), (0.5, 0.4)])
    for _ in range(5):
        for genes in evolution.ask(lambda genes: True):
            assert all(0 <= gene < levels for gene, levels in zip(genes, (2, 4, 3), strict=True))
    assert evolution.ask(lambda genes: False) == []


def test_search_says_nothing_on_its_own() -> None:
    """pymoo prints a hint when it is not compiled, and progress when asked: neither may reach the terminal."""
    code = (
        "import random\n"
        "from pliant.search.algorithms.evolution import Evolution\n"
        "one = Evolution([4, 4], 2, 6, 4, seed=0)\n"
        "one.tell([(0, 0), (1, 3)], [(1.0, 0.0), (0.0, 1.0)])\n"
        "assert one.ask(lambda genes: True)\n"
    )
    done = run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
