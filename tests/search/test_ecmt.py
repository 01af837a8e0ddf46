from __future__ import annotations

import dataclasses
import random
import sys
from subprocess import run

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.models.space import SearchSpace
from pliant.search.algorithm import Candidate, Problem
from pliant.search.archive import Archive, rule_variants
from pliant.search.ecmt import Ecmt, first_encoders
from pliant.search.evolution import Evolution
from pliant.search.hypervolume import Volume
from pliant.search.score import Yardstick

from .making import formula_problem


@pytest.mark.parametrize("evaluations", [2, 3, 5, 30])
def test_no_more_encoders_are_evaluated_than_allowed_and_none_twice(evaluations: int) -> None:
    problem, source = formula_problem(evaluations)
    found = Ecmt().search(problem)
    assert found.evaluations == len(source.asked) == len(set(source.asked)) == evaluations


def test_a_small_space_is_searched_wholly_and_then_it_ends() -> None:
    problem, source = formula_problem(1000, stages=2)
    found = Ecmt().search(problem)
    assert found.evaluations == len(set(source.asked)) == 16


def test_both_ends_are_found_even_when_no_preference_asks_for_them() -> None:
    problem, _ = formula_problem(4)
    found = Ecmt().search(dataclasses.replace(problem, preferences=problem.preferences[1:2]))
    configs = {each.config for each in found.candidates}
    assert {problem.space.widest, problem.space.narrowest} <= configs
    assert len(configs) == len(found.candidates)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_the_same_seed_finds_the_same_and_another_does_not(seed: int) -> None:
    first, second = (Ecmt().search(formula_problem(25, seed)[0]) for _ in range(2))
    assert first == second
    assert Ecmt().search(formula_problem(25, seed + 1)[0]).candidates != first.candidates


def test_evolution_beats_chance() -> None:
    """At 60 of 256 encoders, over seeds: nearer to the whole space's hypervolume than random encoders."""
    whole = volume_of(formula_problem()[0], None)
    gaps = {"ecmt": 0.0, "random": 0.0}
    for seed in range(5):
        problem, _ = formula_problem(60, seed)
        gaps["ecmt"] += whole - volume_of(problem, Ecmt().search(problem).candidates)
        archive = Archive(problem, rule_variants(problem))
        for encoder in first_encoders(problem.space, random.Random(seed), 60):
            archive.evaluate(encoder)
        gaps["random"] += whole - volume_of(problem, archive.found().candidates)
    assert gaps["ecmt"] < 0.7 * gaps["random"]


def volume_of(problem: Problem, candidates: tuple[Candidate, ...] | None) -> float:
    """Hypervolume of candidates, or of the whole space."""
    if candidates is None:
        archive = Archive(dataclasses.replace(problem, evaluations=10_000), rule_variants(problem))
        for encoder in problem.space.encoders():
            archive.evaluate(encoder)
        candidates = archive.found().candidates
    by_config = {each.config: each for each in candidates}
    low, high = by_config[problem.space.narrowest], by_config[problem.space.widest]
    volume = Volume.between(Yardstick(problem.tasks, high.quality), problem.preferences, low, high)
    return volume.of(volume.points(candidates))


def test_progress_counts_up_and_hypervolume_never_falls() -> None:
    seen: list[tuple[int, int, float]] = []
    problem, _ = formula_problem(20)
    Ecmt().search(dataclasses.replace(problem, progress=lambda *at: seen.append(at)))
    assert [done for done, _, _ in seen] == list(range(2, 21))
    assert {total for _, total, _ in seen} == {20}
    volumes = [volume for _, _, volume in seen]
    assert volumes == sorted(volumes)
    assert volumes[-1] > volumes[0]


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


def test_one_table_has_every_width_that_a_preference_may_want() -> None:
    problem, source = formula_problem(2)
    Ecmt().search(problem)
    assert [{task: set(row) for task, row in demand.items()} for demand in source.demands] == [
        {task: set(problem.space.decoder_widths) for task in problem.space.tasks}
    ] * 2


def test_search_says_nothing_on_its_own() -> None:
    """pymoo prints a hint when it is not compiled, and progress when asked: neither may reach the terminal."""
    code = (
        "import random\n"
        "from pliant.search.evolution import Evolution\n"
        "one = Evolution([4, 4], 2, 6, 4, seed=0)\n"
        "one.tell([(0, 0), (1, 3)], [(1.0, 0.0), (0.0, 1.0)])\n"
        "assert one.ask(lambda genes: True)\n"
    )
    done = run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
