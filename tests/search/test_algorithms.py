"""What every search algorithm promises."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pliant.search.run import ALGORITHMS

from .making import formula_problem

every = pytest.mark.parametrize("name", ALGORITHMS)
# What evaluates encoders, each with all decoders at once; others evaluate subnets.
by_encoder = pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "joint"])


@every
@pytest.mark.parametrize("evaluations", [2, 3, 5, 30])
def test_no_more_is_evaluated_than_allowed_and_nothing_twice(name: str, evaluations: int) -> None:
    problem, source = formula_problem(evaluations)
    found = ALGORITHMS[name].search(problem)
    assert found.evaluations == len(source.asked) == evaluations
    assert len({each.config for each in found.candidates}) == len(found.candidates)


@by_encoder
@pytest.mark.parametrize("evaluations", [2, 3, 5, 30])
def test_no_more_encoders_are_evaluated_than_allowed_and_none_twice(name: str, evaluations: int) -> None:
    problem, source = formula_problem(evaluations)
    found = ALGORITHMS[name].search(problem)
    assert found.evaluations == len(source.asked) == len(set(source.asked)) == evaluations


@by_encoder
def test_a_small_space_is_searched_wholly_and_then_it_ends(name: str) -> None:
    problem, source = formula_problem(1000, stages=2)
    found = ALGORITHMS[name].search(problem)
    assert found.evaluations == len(set(source.asked)) == 16


@every
def test_both_ends_are_found_even_when_no_preference_asks_for_them(name: str) -> None:
    problem, _ = formula_problem(4)
    found = ALGORITHMS[name].search(dataclasses.replace(problem, preferences=problem.preferences[1:2]))
    configs = {each.config for each in found.candidates}
    assert {problem.space.widest, problem.space.narrowest} <= configs
    assert len(configs) == len(found.candidates)


@every
@settings(max_examples=2)  # each is three searches, and every run of the tests draws other seeds
@given(seed=st.integers(0, 1000))
def test_the_same_seed_finds_the_same_and_another_does_not(name: str, seed: int) -> None:
    first, second = (ALGORITHMS[name].search(formula_problem(25, seed)[0]) for _ in range(2))
    assert first == second
    assert ALGORITHMS[name].search(formula_problem(25, seed + 1)[0]).candidates != first.candidates


@every
def test_costs_are_those_of_the_whole_subnet(name: str) -> None:
    problem, _ = formula_problem(8)
    for each in ALGORITHMS[name].search(problem).candidates:
        cost = problem.cost(each.config)
        assert (each.macs, each.bytes) == (cost.macs, cost.bytes)


@every
def test_progress_counts_up_and_hypervolume_never_falls(name: str) -> None:
    seen: list[tuple[int, int, float]] = []
    problem, _ = formula_problem(20)
    ALGORITHMS[name].search(dataclasses.replace(problem, progress=lambda *at: seen.append(at)))
    assert [done for done, _, _ in seen] == list(range(2, 21))
    assert {total for _, total, _ in seen} == {20}
    volumes = [volume for _, _, volume in seen]
    assert volumes == sorted(volumes)
    assert volumes[-1] > volumes[0]


@by_encoder
def test_every_encoder_is_measured_with_all_decoders_at_once(name: str) -> None:
    """So any other preference can be answered from the log."""
    problem, source = formula_problem(4)
    ALGORITHMS[name].search(problem)
    everything = {task: set(problem.space.decoder_widths) for task in problem.space.tasks}
    assert [{task: set(row) for task, row in demand.items()} for demand in source.demands] == [everything] * 4


@pytest.mark.parametrize("name", ["factorized", "joint"])
def test_how_well_quality_was_predicted_is_told(name: str) -> None:
    """Quality is a smooth function of widths, and 40 evaluations are enough to learn it."""
    found = ALGORITHMS[name].search(formula_problem(40)[0])
    assert 20 <= found.predictions <= 28
    assert found.foretold is not None
    assert found.foretold.error < 0.05
    assert found.foretold.tau > 0.6
