"""The search benchmark's parts, on a problem whose truth is a formula."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pliant.benchmarks.search.effort import Counted
from pliant.benchmarks.search.methods import INTEGERS, METHODS, Outcome
from pliant.benchmarks.search.report import control_ratio, tables
from pliant.benchmarks.search.score import Ends, control, protocol
from pliant.benchmarks.search.subjects import Groups
from pliant.runtime.format.tasks import Task
from pliant.search.algorithms.archive import Archive
from pliant.search.algorithms.interface import Problem, Trunk

from ..search.making import TASKS, formula_problem, priced

GROUPS = Groups.of(TASKS)


def problem_of(evaluations: int = 20) -> tuple[Problem, Ends]:
    problem, _ = formula_problem(evaluations)
    problem = priced(dataclasses.replace(problem, preferences=protocol(GROUPS)))
    both = Archive(problem, lambda _archive, _trunk: ())
    return problem, Ends(both.narrowest, both.widest)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    problem, _ = problem_of()
    return {name: method(problem) for name, method in METHODS.items()}


def test_no_method_evaluates_more_than_is_allowed(outcomes: dict[str, Outcome]) -> None:
    assert all(outcome.found.evaluations <= 20 for outcome in outcomes.values())
    assert outcomes["uniform-width"].found.evaluations == 4


def test_an_encoder_with_all_its_decoders_is_more_work_than_a_subnet() -> None:
    problem, _ = problem_of()
    counted, space = Counted(problem.source, problem), problem.space
    list(counted.evaluate([(Trunk.of(space.widest), dict.fromkeys(space.tasks, space.decoder_widths))]))
    whole = [problem.cost(space.uniform(1.0, width)) for width in space.decoder_widths]
    assert counted.macs == whole[0].encoder.macs + sum(sum(d.macs for d in each.decoders.values()) for each in whole)


def test_the_work_of_one_subnet_is_its_multiply_adds() -> None:
    problem, _ = problem_of()
    counted, config = Counted(problem.source, problem), problem.space.widest
    list(counted.evaluate([(Trunk.of(config), {task: (width,) for task, width in config.decoders})]))
    assert counted.macs == problem.cost(config).macs


def test_each_offers_what_its_rule_allows(outcomes: dict[str, Outcome]) -> None:
    problem, _ = problem_of()
    for preference in problem.preferences[:3]:
        most = max(preference.simplex, key=lambda task: preference.simplex[task])
        for each in outcomes["ecmt"].offers(preference):
            widths = dict(each.config.decoders)
            assert widths[most] == max(widths.values())
        assert {width for each in outcomes["encoder-only"].offers(preference) for _, width in each.config.decoders} == {
            1.0
        }
        assert len(outcomes["uniform-width"].offers(preference)) == 4


def test_methods_that_know_int8_find_it_and_the_others_do_not(outcomes: dict[str, Outcome]) -> None:
    for name, outcome in outcomes.items():
        precisions = {each.config.precision for each in outcome.found.candidates}
        low = {each for each in precisions if "i" in each}  # `int8`, or assigned to some parts
        assert precisions - low == {"fp32"}, name
        assert bool(low) == (name in INTEGERS), name


def test_control_grows_with_what_a_method_may_steer(outcomes: dict[str, Outcome]) -> None:
    problem, ends = problem_of()
    found = {name: control(problem, outcome, ends, GROUPS) for name, outcome in outcomes.items()}
    assert found["factorized"].control > found["uniform-width"].control > 0.0
    assert found["factorized"].response > 0.1
    assert found["uniform-width"].response == 0.0
    assert len(found["ecmt"].by_budget) == 10


def test_many_tasks_are_taken_in_four_groups() -> None:
    many = tuple(Task(f"t{index:02}", "classification", ("a", "b")) for index in range(20))
    groups = Groups.of(many)
    assert [len(part) for part in groups.members.values()] == [5] * 4
    preference = protocol(groups)[0]
    shares = [preference.simplex[task.name] for task in many]
    assert sum(shares) == pytest.approx(1.0)
    assert len({round(share, 12) for share in shares[:5]}) == 1
    assert groups.quality({task.name: index / 20 for index, task in enumerate(many)})["group 1"] == pytest.approx(0.1)


def row(method: str, seed: int, values: list[float]) -> dict[str, Any]:
    mean = sum(values) / len(values)
    numbers = {
        "evaluations": 40,
        "evaluated_macs": 2_000_000_000,
        "control": mean,
        "hypervolume": 0.2,
        "uniformity": 0.9,
        "response": 0.5,
    }
    return {"data": "redkitchen", "method": method, "seed": seed, "control_by_budget": values, **numbers}


def test_a_method_is_compared_with_a_slimmable_networks_knob_and_its_interval_holds_the_ratio() -> None:
    base = [row("uniform-width", 0, [1.0, 2.0, 3.0])]
    mine = [row("ecmt", seed, [1.4, 2.9, 4.4 + seed / 10]) for seed in range(3)]
    low, middle, high = control_ratio(mine, base)
    assert middle == pytest.approx((1.4 + 2.9 + 4.5) / 6)
    assert 1.3 < low < middle < high < 1.6
    entry: dict[str, Any] = {
        "command": "python",
        "hardware": "cpu",
        "date": "today",
        "latency": {"redkitchen": {"fp32": {"held_out_error": 0.03, "held_out_tau": 0.95}}},
        "rows": [*base, *mine],
    }
    against = {**entry, "rows": [*base, *mine, row("random", 0, [1.0, 1.0, 1.0])]}
    assert "Control of ecmt: +193 % over random (+" in tables(against)
    assert "| (3) ecmt | 3 | 40 (2.0 G) | 2933.33 ± 33.33 | +47 % |" in tables(entry)
