from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pliant.models.space import SubnetConfig
from pliant.search.algorithms.hypervolume import COST_REFERENCE, Volume
from pliant.search.algorithms.interface import Candidate
from pliant.search.algorithms.selection import Chooser, choose, non_dominated, objectives
from pliant.search.preference import standard_preferences
from pliant.search.score import Yardstick

from .making import NAMES, TASKS

YARDSTICK = Yardstick(TASKS, {"surfaces": 0.8, "depth": 0.2, "edges": 0.5})
PREFERENCES = standard_preferences(NAMES)
LOW = Candidate(SubnetConfig((0.5,), ()), {"surfaces": 0.4, "depth": 0.4, "edges": 0.2}, 10, 1)
HIGH = Candidate(SubnetConfig((1.0,), ()), dict(YARDSTICK.widest), 100, 1)
VOLUME = Volume.between(YARDSTICK, PREFERENCES, LOW, HIGH)


def candidate(index: int, macs: int, levels: tuple[int, int, int]) -> Candidate:
    surfaces, depth, edges = (level / 10 for level in levels)
    config = SubnetConfig(((index + 1) / 100,), ())
    return Candidate(config, {"surfaces": surfaces, "depth": 0.1 + depth, "edges": edges}, macs, 1)


# Few levels, so that ties and equal points happen.
candidates = st.lists(st.tuples(st.integers(10, 16), st.tuples(*[st.integers(1, 5)] * 3)), min_size=1, max_size=25).map(
    lambda rows: [candidate(index, macs, levels) for index, (macs, levels) in enumerate(rows)]
)


@given(candidates)
def test_non_dominated_is_what_comparing_all_pairs_says(found: list[Candidate]) -> None:
    rows = objectives(found, YARDSTICK)
    beaten = [any((b <= a).all() and (b < a).any() for b in rows) for a in rows]
    expected = {tuple(row) for row, is_beaten in zip(rows, beaten, strict=True) if not is_beaten}
    front = non_dominated(found, YARDSTICK)
    assert {tuple(row) for row in objectives(front, YARDSTICK)} == expected
    assert len(front) == len(expected)


@given(candidates, st.randoms())
def test_the_order_of_discovery_changes_nothing(found: list[Candidate], rng: object) -> None:
    mixed = list(found)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    front = non_dominated(found, YARDSTICK)
    assert non_dominated(mixed, YARDSTICK) == front
    assert choose(front, VOLUME, [LOW, HIGH], 6) == choose(front[::-1], VOLUME, [LOW, HIGH], 6)


@given(candidates, st.integers(2, 12))
def test_a_choice_has_the_asked_size_and_what_must_be_there(found: list[Candidate], size: int) -> None:
    front = non_dominated(found, YARDSTICK)
    chosen = choose(front, VOLUME, [LOW, HIGH], size)
    assert len(chosen) == len({each.config for each in chosen}) == min(size, len(front) + 2)
    assert LOW in chosen
    assert HIGH in chosen
    assert [each.macs for each in chosen] == sorted(each.macs for each in chosen)


@given(candidates.filter(lambda found: len(found) <= 12), st.integers(1, 3))
def test_the_greedy_choice_is_near_the_best(found: list[Candidate], room: int) -> None:
    front = non_dominated(found, YARDSTICK)
    base = volume([LOW, HIGH])
    best = max(volume([LOW, HIGH, *some]) for some in itertools.combinations(front, min(room, len(front))))
    got = volume(choose(front, VOLUME, [LOW, HIGH], 2 + room))
    assert got - base >= (1 - 1 / np.e) * (best - base) - 1e-9


def volume(members: list[Candidate]) -> float:
    return VOLUME.of(VOLUME.points(members))


@given(candidates)
def test_hypervolume_is_the_area_under_the_steps(found: list[Candidate]) -> None:
    planes = VOLUME.points(found)
    areas = []
    for plane, loss in zip(planes, VOLUME.reference, strict=True):
        area, floor = 0.0, loss
        corners = sorted((x, y) for x, y in plane if x < COST_REFERENCE and y < loss)
        for x, y in corners:
            area += max(0.0, floor - y) * (COST_REFERENCE - x)
            floor = min(floor, y)
        areas.append(area)
    assert VOLUME.of(planes) == pytest.approx(float(np.mean(areas)), abs=1e-12)


def test_a_chooser_obeys_the_budget_and_the_preference() -> None:
    sharp, deep, dear = candidate(0, 20, (5, 3, 2)), candidate(1, 20, (3, 0, 2)), candidate(2, 60, (9, 0, 9))
    favour = {each.name: each for each in PREFERENCES}
    assert Chooser([sharp, deep, dear], YARDSTICK)(favour["depth=2"], 30) is deep
    assert Chooser([sharp, deep, dear], YARDSTICK)(favour["depth=2"], 60) is dear
    assert Chooser([sharp, deep, dear], YARDSTICK)(favour["equal"], 19) is None


def test_the_widest_scores_one_and_a_lower_error_scores_more() -> None:
    equal = PREFERENCES[0]
    assert YARDSTICK.score(equal, YARDSTICK.widest) == pytest.approx(1.0)
    assert YARDSTICK.score(equal, {**YARDSTICK.widest, "depth": 0.1}) == pytest.approx(4 / 3)
    assert YARDSTICK.score(equal, {**YARDSTICK.widest, "surfaces": 0.4}) == pytest.approx(2.5 / 3)
