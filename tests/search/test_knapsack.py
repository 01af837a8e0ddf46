from __future__ import annotations

import itertools
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pliant.search.algorithms.knapsack import best_choices

# Few levels, so that equal costs and gains happen.
problems = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.float64, shape, elements=st.integers(-3, 6).map(lambda value: value / 8)),
        arrays.arrays(np.int64, shape, elements=st.integers(0, 6)),
    )
)


@given(problems, st.integers(0, 30))
def test_no_choice_within_a_budget_gains_more(problem: tuple[np.ndarray, np.ndarray], budget: int) -> None:
    gains, costs = problem
    tasks, options = range(gains.shape[0]), range(gains.shape[1])
    fitting = [
        sum(gains[task, option] for task, option in enumerate(choice))
        for choice in itertools.product(options, repeat=len(tasks))
        if sum(costs[task, option] for task, option in enumerate(choice)) <= budget
    ]
    found = best_choices(gains, costs)
    index = found.within(budget)
    assert (index is None) == (not fitting)
    if index is not None:
        assert found.gains[index] == max(fitting)


@given(problems)
def test_a_choice_is_what_its_options_add_up_to_and_none_is_beaten(problem: tuple[np.ndarray, np.ndarray]) -> None:
    gains, costs = problem
    found = best_choices(gains, costs)
    tasks = np.arange(len(gains))
    for cost, gain, options in zip(found.costs, found.gains, found.options, strict=True):
        assert (cost, gain) == (costs[tasks, options].sum(), gains[tasks, options].sum())
    assert (np.diff(found.costs) > 0).all()
    assert (np.diff(found.gains) > 0).all()


@given(problems, st.integers(2, 6))
def test_thinned_the_cheapest_and_the_best_of_all_stay_and_no_more_than_asked_for(
    problem: tuple[np.ndarray, np.ndarray], most: int
) -> None:
    gains, costs = problem
    tasks = np.arange(len(gains))
    every = [np.array(choice) for choice in itertools.product(range(gains.shape[1]), repeat=len(gains))]
    bought = [(costs[tasks, choice].sum(), gains[tasks, choice].sum()) for choice in every]
    whole = best_choices(gains, costs)
    found = whole.thinned(most)
    assert len(found.costs) <= most
    assert set(found.costs) <= set(whole.costs)
    cheapest = min(cost for cost, _ in bought)
    assert found.costs[0] == cheapest
    assert found.gains[0] == max(gain for cost, gain in bought if cost == cheapest)
    assert found.gains[-1] == max(gain for _, gain in bought)


def test_what_is_kept_of_many_is_spread_over_all_costs() -> None:
    rng = np.random.default_rng(0)
    whole = best_choices(np.sort(rng.random((8, 4))), np.sort(rng.integers(1, 10**6, (8, 4))))
    found = whole.thinned(24)
    assert 20 < len(found.costs) <= 24 < len(whole.costs)
    assert np.diff(found.costs).max() < 3 * (whole.costs[-1] - whole.costs[0]) / 23


def test_twenty_tasks_with_decoders_of_one_shape_take_no_time() -> None:
    rng = np.random.default_rng(0)
    gains, costs = rng.random((20, 4)), np.tile(np.array([1, 4, 9, 16]), (20, 1))
    began = time.perf_counter()
    found = best_choices(gains, costs)
    assert time.perf_counter() - began < 1.0
    assert found.within(19) is None
    assert len(found.costs) <= 20 * 15 + 1
