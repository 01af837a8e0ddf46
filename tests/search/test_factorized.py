from __future__ import annotations

import dataclasses
import itertools
import random
import time
from collections.abc import Iterator, Sequence

import pytest

from pliant.models.space import SearchSpace, SubnetConfig
from pliant.quantize.assignment import Assignment
from pliant.runtime.format.tasks import Task
from pliant.search.algorithms.archive import Archive
from pliant.search.algorithms.ecmt import Ecmt
from pliant.search.algorithms.factorized import Factorized, _start, best_decoders
from pliant.search.algorithms.interface import Problem, Trunk, Wanted
from pliant.search.latency.model import LatencyModel
from pliant.search.preference import standard_preferences
from pliant.training.evaluation.evaluator import Table

from .making import Formula, formula_cost, formula_problem, priced, volume_of


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_on_a_measured_encoder_no_decoders_within_a_budget_are_better(share: float) -> None:
    problem, _ = formula_problem(2)
    archive = Archive(problem, best_decoders)
    encoder = problem.space.widest.encoder
    tasks, widths = problem.space.tasks, problem.space.decoder_widths
    every = [
        archive.candidate(SubnetConfig(encoder, tuple(zip(tasks, chosen, strict=True))))
        for chosen in itertools.product(widths, repeat=len(tasks))
    ]
    low, high = min(each.macs for each in every), max(each.macs for each in every)
    budget = low + share * (high - low)
    kept = [each for each in archive.candidates.values() if each.config.encoder == encoder]
    for preference in problem.preferences:
        best, found = (
            max(archive.yardstick.score(preference, each.quality) for each in those if each.macs <= budget)
            for those in (every, kept)
        )
        assert found == pytest.approx(best)


@pytest.mark.parametrize(
    ("evaluations", "precisions", "start"),
    [
        (120, 1, (4, 8)),
        (24, 1, (4, 8)),
        (120, 3, (4, 8)),
        (40, 3, (4, 8)),
        (17, 3, (2, 2)),
        (20, 2, (2, 6)),
        (4, 3, (2, 0)),
    ],
)
def test_a_start_is_half_of_few_evaluations_but_both_ends(
    evaluations: int, precisions: int, start: tuple[int, int]
) -> None:
    assert _start(evaluations // 2, precisions) == start


def test_of_few_evaluations_half_are_of_encoders_that_were_predicted() -> None:
    problem, _ = formula_problem(16)
    found = Factorized().search(problem)
    assert (found.evaluations, found.predictions) == (16, 8)


def test_in_several_precisions_each_decoder_has_the_one_that_is_best_for_it() -> None:
    """Exactly; edges lose by int8, so they keep fp32."""
    problem, _ = formula_problem(12)
    fragile = Formula(problem.space, (0.4, 0.3, 0.2, 0.1), ("edges",))
    problem = dataclasses.replace(priced(problem), source=fragile)
    archive = Archive(problem, best_decoders)
    space = problem.space
    encoder = space.widest.encoder
    archive.evaluate([Trunk(encoder, "int8")])
    options = list(itertools.product(space.decoder_widths, ("fp32", "int8")))
    every = [
        archive.candidate(
            SubnetConfig(
                encoder,
                tuple(zip(space.tasks, (width for width, _ in chosen), strict=True)),
                Assignment("int8", tuple(each for _, each in chosen)).precision,
            )
        )
        for chosen in itertools.product(options, repeat=len(space.tasks))
    ]
    kept = [each for each in archive.candidates.values() if each.config.precision.startswith("int8")]
    low, high = min(each.cost for each in every), max(each.cost for each in every)
    for share, preference in itertools.product((0.2, 0.5, 0.8), problem.preferences):
        budget = low + share * (high - low)
        best, found = (
            max(archive.yardstick.score(preference, each.quality) for each in those if each.cost <= budget)
            for those in (every, kept)
        )
        assert found == pytest.approx(best)
    assert {"int8-ifi"} < {each.config.precision for each in kept}, "depth and surfaces lose nothing by int8"


def test_what_a_part_loses_by_int8_is_found_by_a_search() -> None:
    problem, _ = formula_problem(40)
    fragile = Formula(problem.space, (0.4, 0.3, 0.2, 0.1), ("edges",))
    problem = dataclasses.replace(priced(problem), source=fragile)
    by_part = Factorized().search(problem)
    assert by_part.evaluations == 40
    assert "int8-ifi" in {each.config.precision for each in by_part.candidates}
    fp32 = Factorized().search(dataclasses.replace(problem, parts=("fp32",)))
    assert volume_of(problem, by_part.candidates) > 1.1 * volume_of(problem, fp32.candidates)


def test_with_a_third_of_the_evaluations_it_finds_more_than_ecmt() -> None:
    for seed in range(3):
        few, _ = formula_problem(20, seed)
        many, _ = formula_problem(60, seed)
        assert volume_of(few, Factorized().search(few).candidates) > volume_of(many, Ecmt().search(many).candidates)


def test_twenty_tasks_by_latency_are_searched_in_seconds() -> None:
    """Costs in nanoseconds hardly ever meet, so choices would multiply."""
    tasks = tuple(Task(f"t{index:02}", "classification", ("a", "b")) for index in range(20))
    names = tuple(task.name for task in tasks)
    space = SearchSpace(2, names)
    rng = random.Random(0)

    class Source:
        def evaluate(self, wanted: Sequence[Wanted]) -> Iterator[Table]:
            for (encoder, _), demand in wanted:
                yield {
                    task: {width: sum(encoder) * width**0.3 + 0.01 * rng.random() for width in widths}
                    for task, widths in demand.items()
                }

    def milliseconds(config: SubnetConfig) -> float:
        return float(sum(config.encoder) + sum(0.01 * width**1.3 for _, width in config.decoders))

    known = {config: milliseconds(config) for config in (space.sample(rng) for _ in range(40))}
    latency = LatencyModel(space, tasks, known)
    preferences = standard_preferences(names)
    problem = Problem(space, tasks, formula_cost, Source(), preferences, 16, latency={"fp32": latency})
    began = time.process_time()
    found = Factorized().search(problem)
    assert time.process_time() - began < 60
    assert len(found.candidates) < 16 * 512


def test_of_more_encoders_than_it_can_look_at_it_draws_some() -> None:
    problem, source = formula_problem(20, stages=4)
    wide = dataclasses.replace(problem.space, encoder_widths=tuple(step / 8 for step in range(1, 9)))
    found = Factorized().search(dataclasses.replace(problem, space=wide))
    assert found.evaluations == len(set(source.asked)) == 20


def test_a_search_for_latency_leaves_out_decoders_that_are_thinner_and_slower() -> None:
    problem, _ = formula_problem(6)
    space = problem.space

    def milliseconds(config: SubnetConfig) -> float:
        stair = {0.25: 0.3, 0.5: 0.9, 0.75: 0.8, 1.0: 1.2}
        return sum(config.encoder) + sum(stair[width] for _, width in config.decoders)

    rng = random.Random(0)
    known = {config: milliseconds(config) for config in (space.sample(rng) for _ in range(60))}
    latency = LatencyModel(space, problem.tasks, known)
    found = Factorized().search(dataclasses.replace(problem, latency={"fp32": latency})).candidates
    assert all(each.cost == each.nanoseconds == pytest.approx(1e6 * milliseconds(each.config), 0.02) for each in found)
    assert not any(width == 0.5 for each in found for _, width in each.config.decoders)
    macs = Factorized().search(problem).candidates
    assert all(each.cost == each.macs for each in macs)
    assert any(width == 0.5 for each in macs for _, width in each.config.decoders)
