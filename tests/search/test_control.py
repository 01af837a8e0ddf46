from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.runtime.format.tasks import Task
from pliant.search.control import budgets_between, errors, measure_control, protocol_preferences
from pliant.search.preference import Preference

DEPTH, SURFACES = Task("depth", "depth", value_range=(0.3, 10.0)), Task("surfaces", "segmentation", ("a", "b"))
TASKS = (DEPTH, SURFACES)
NAMES = tuple(task.name for task in TASKS)
NARROWEST, WIDEST = {"depth": 0.4, "surfaces": 0.6}, {"depth": 0.2, "surfaces": 0.8}
PREFERENCES = protocol_preferences(NAMES)


def test_an_error_is_what_a_metric_lacks_over_the_widests() -> None:
    assert errors(TASKS, NARROWEST, WIDEST) == pytest.approx([2.0, 2.0])
    assert errors(TASKS, WIDEST, WIDEST) == pytest.approx([1.0, 1.0])


def test_a_chooser_that_ignores_the_preference_has_the_volume_of_its_one_point() -> None:
    found = measure_control(lambda *_: {"depth": 0.3, "surfaces": 0.7}, TASKS, NARROWEST, WIDEST, PREFERENCES, [1.0])
    assert found.control == pytest.approx(0.5 * 0.5)
    assert found.response == 0.0
    assert found.references == pytest.approx({"depth": 2.0, "surfaces": 2.0})


def test_one_that_follows_it_has_more_and_answers_it() -> None:
    def follow(preference: Preference, budget: float) -> dict[str, float]:
        share = preference.simplex["depth"]
        return {"depth": 0.4 - 0.2 * share, "surfaces": 0.6 + 0.2 * (1.0 - share)}

    found = measure_control(follow, TASKS, NARROWEST, WIDEST, PREFERENCES, [1.0, 2.0])
    assert found.control > 0.25
    assert found.response == pytest.approx(1.0)


def test_what_is_worse_than_the_narrowest_counts_nothing() -> None:
    found = measure_control(lambda *_: {"depth": 0.5, "surfaces": 0.9}, TASKS, NARROWEST, WIDEST, PREFERENCES, [1.0])
    assert found.control == 0.0


def test_uniformity_is_one_where_all_weighted_errors_are_equal() -> None:
    def balanced(preference: Preference, budget: float) -> dict[str, float]:
        return {
            "depth": 0.2 * 0.5 / preference.simplex["depth"],
            "surfaces": 1.0 - 0.1 / preference.simplex["surfaces"],
        }

    found = measure_control(balanced, TASKS, NARROWEST, WIDEST, PREFERENCES, [1.0])
    assert found.uniformity == pytest.approx(1.0)
    assert measure_control(lambda *_: WIDEST, TASKS, NARROWEST, WIDEST, PREFERENCES, [1.0]).uniformity < 1.0


def test_the_protocols_preferences_are_twenty_from_the_whole_simplex_and_always_the_same() -> None:
    assert len(PREFERENCES) == 20
    assert protocol_preferences(NAMES) == PREFERENCES != protocol_preferences(NAMES, seed=1)
    assert all(math.isclose(sum(each.simplex.values()), 1.0) for each in PREFERENCES)
    depth = [each.simplex["depth"] for each in PREFERENCES]
    assert min(depth) < 0.2 < 0.8 < max(depth)


@given(st.floats(0.1, 10), st.floats(0.1, 10))
def test_budgets_lie_evenly_between_both_ends(low: float, span: float) -> None:
    found = budgets_between(low, low + span)
    assert len(found) == 10
    assert low < found[0]
    assert found[-1] < low + span
    assert np.ptp(np.diff([low, *found, low + span])) < 1e-9
