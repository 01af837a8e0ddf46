from __future__ import annotations

import dataclasses

import pytest

from pliant.devices.errors import BudgetError
from pliant.search.floors import Floors, meets
from pliant.search.front.assemble import make_front
from pliant.search.front.provenance import Provenance
from pliant.search.run import ALGORITHMS
from pliant.search.score import Yardstick

from .making import TASKS, formula_problem

YARDSTICK = Yardstick(TASKS, {"surfaces": 0.8, "depth": 0.2, "edges": 0.5})
ORIGIN = Provenance("", "", "", "", 1, 1, 0, 0, 0, 0.0, {})


def test_a_floor_is_a_share_of_the_widests_quality_errors_inverted() -> None:
    assert Floors({"surfaces": 0.6, "depth": 0.4}).least(YARDSTICK) == pytest.approx({"surfaces": 0.75, "depth": 0.5})


def test_of_a_floor_and_a_drop_the_stricter_holds() -> None:
    assert Floors({"depth": 0.4}, {"depth": 0.1}).least(YARDSTICK) == pytest.approx({"depth": 0.9})
    assert Floors({"depth": 0.21}, {"depth": 0.1}).least(YARDSTICK) == pytest.approx({"depth": 0.2 / 0.21})


@pytest.mark.parametrize(
    ("floors", "message"),
    [
        (Floors({"dept": 0.4}), "no task is called 'dept': limit one of surfaces, depth, edges"),
        (Floors({}, {"depth": 1.5}), "the drop of 'depth' must be a share"),
        (Floors({"surfaces": 0.9}), "even the widest subnet has surfaces miou 0.8, under the floor 0.9"),
        (Floors({"depth": 0.1}), "even the widest subnet has depth rmse 0.2, over the floor 0.1"),
    ],
)
def test_what_cannot_be_kept_is_one_line(floors: Floors, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        floors.least(YARDSTICK)


def test_exactly_the_floor_is_enough() -> None:
    floors = Floors({"depth": 0.3})
    assert meets(floors, YARDSTICK, {"surfaces": 0.1, "depth": 0.3, "edges": 0.1})
    assert not meets(floors, YARDSTICK, {"surfaces": 0.8, "depth": 0.31, "edges": 0.5})


def test_a_widest_that_scores_nothing_or_never_errs_hides_no_floor() -> None:
    nothing = Yardstick(TASKS, {"surfaces": 0.0, "depth": 0.0, "edges": 0.5})
    with pytest.raises(BudgetError, match="even the widest subnet has surfaces miou 0, under the floor"):
        Floors({"surfaces": 0.6}).least(nothing)
    floors = Floors({"depth": 0.1})
    floors.least(nothing)
    assert meets(floors, nothing, {"surfaces": 0.0, "depth": 0.1, "edges": 0.5})
    assert not meets(floors, nothing, {"surfaces": 0.0, "depth": 0.2, "edges": 0.5})


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_front_has_nothing_below_a_floor_but_the_narrowest(name: str) -> None:
    problem, _ = formula_problem(20)
    problem = dataclasses.replace(problem, floors=Floors({"depth": 0.5}, {"surfaces": 0.3}))
    front = make_front(problem, ALGORITHMS[name].search(problem), (0.25, 0.5, 1.0), 12, ORIGIN)
    others = [entry for entry in front.entries if entry != front.narrowest]
    assert len(others) > 3
    assert all(entry.quality["depth"] <= 0.5 for entry in others)
    assert all(entry.quality["surfaces"] >= 0.7 * front.widest.quality["surfaces"] for entry in others)
    free = dataclasses.replace(problem, floors=Floors())
    unlimited = make_front(free, ALGORITHMS[name].search(free), (0.25, 0.5, 1.0), 12, ORIGIN)
    assert any(entry.quality["depth"] > 0.5 for entry in unlimited.entries if entry != unlimited.narrowest)
