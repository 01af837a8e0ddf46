from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Collection
from pathlib import Path

import pytest

from pliant.devices.errors import BudgetError
from pliant.devices.fingerprint import read_fingerprint
from pliant.models.cost import Cost, PartCost
from pliant.models.space import SubnetConfig
from pliant.search import run_checks
from pliant.search.algorithms.archive import Archive
from pliant.search.algorithms.factorized import Factorized, best_decoders
from pliant.search.algorithms.interface import Problem, Trunk
from pliant.search.confirm import confirm, learn, within_memory
from pliant.search.entries import FrontEntry, Latency
from pliant.search.floors import NONE, Floors
from pliant.search.front.assemble import make_front
from pliant.search.front.front import Front
from pliant.search.front.provenance import Provenance
from pliant.search.latency.clock import probes
from pliant.search.limits import UNLIMITED, Limits
from pliant.search.run import ALGORITHMS, run_search

from .making import NAMES, formula_cost, formula_problem, make_checkpoint, make_clock, make_data, priced
from .test_confirm import made_front

ORIGIN = Provenance("", "", "", "", 1, 1, 0, 0, 0, 0.0, {})


def sized(config: SubnetConfig) -> Cost:
    """The formula's multiply-adds; a byte for each of them in int8, four in fp32."""
    cost, each = formula_cost(config), 1 if config.precision == "int8" else 4
    decoders = {task: PartCost(part.macs, each * part.macs) for task, part in cost.decoders.items()}
    return Cost(PartCost(cost.encoder.macs, each * cost.encoder.macs), decoders)


def limited(problem: Problem, limits: Limits) -> Problem:
    return dataclasses.replace(problem, cost=sized, limits=limits)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("limits", [Limits(macs=2500), Limits(bytes=9000), Limits(macs=2000, bytes=12000)])
def test_a_front_has_nothing_over_a_limit_but_its_ends(name: str, limits: Limits) -> None:
    problem = limited(formula_problem(20)[0], limits)
    front = make_front(problem, ALGORITHMS[name].search(problem), (0.25, 0.5, 1.0), 12, ORIGIN)
    between = [entry for entry in front.entries if entry not in (front.narrowest, front.widest)]
    assert len(between) > 3
    assert all(entry.macs <= (limits.macs or entry.macs) for entry in between)
    assert all(entry.bytes <= (limits.bytes or entry.bytes) for entry in between)


def test_in_int8_more_fits_into_as_many_bytes() -> None:
    problem = limited(priced(formula_problem(30)[0]), Limits(bytes=5000))
    front = make_front(problem, Factorized().search(problem), (0.25, 0.5, 1.0), 16, ORIGIN)
    between = [entry for entry in front.entries if entry not in (front.narrowest, front.widest)]
    assert all(entry.bytes <= 5000 for entry in between)
    assert max(entry.macs for entry in between if entry.config.precision == "int8") > 2500
    assert all(entry.macs <= 1250 for entry in between if entry.config.precision == "fp32")


def test_a_search_under_a_limit_spends_its_choices_below_it() -> None:
    """The decoders that it keeps on an encoder are within the limit, and the best for each preference among them."""
    limit = 9000
    problem = limited(formula_problem(2)[0], Limits(bytes=limit))
    archive = Archive(problem, best_decoders)
    encoder = (0.5, 0.5, 0.5, 0.5)
    archive.problem = dataclasses.replace(problem, evaluations=3)
    archive.evaluate([Trunk(encoder)])
    kept = [each for each in archive.candidates.values() if each.config.encoder == encoder]
    assert kept
    assert max(each.bytes for each in kept) <= limit
    tasks, widths = problem.space.tasks, problem.space.decoder_widths
    every = [
        archive.candidate(SubnetConfig(encoder, tuple(zip(tasks, chosen, strict=True))))
        for chosen in itertools.product(widths, repeat=len(tasks))
    ]
    for preference in problem.preferences:
        best, found = (
            max(archive.yardstick.score(preference, each.quality) for each in those if each.bytes <= limit)
            for those in (every, kept)
        )
        assert found == pytest.approx(best)


def test_what_is_measured_to_be_over_the_limit_of_latency_is_left_out_and_said() -> None:
    front, times = made_front([(0.5, 4.0), (0.6, 6.0), (0.8, 8.0)])

    class Known:
        where = "here"

        def probe(self, policies: object = None) -> dict[SubnetConfig, Latency]:
            return times

        def confirm(self, configs: object) -> dict[SubnetConfig, Latency]:
            return times

    def model(config: SubnetConfig) -> float:
        return 1.0

    notes: list[str] = []
    models = {"fp32": model}
    found = confirm(front, Known(), models, notes.append, Limits(latency_ms=5.0))  # type: ignore[arg-type]

    def milliseconds(entry: FrontEntry) -> float:
        assert entry.latency
        return entry.latency.value

    assert [milliseconds(entry) for entry in found.entries] == [1.0, 4.0, 10.0]
    assert [line.rsplit(": ", 1)[1] for line in notes[:2]] == ["6 ms, over 5 ms", "8 ms, over 5 ms"]
    assert re.fullmatch(r"latencies were estimated .* off what was then measured; that is much: .*", notes[2])


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(macs=10), "even the narrowest subnet has .* multiply-adds, over the limit 10: allow more"),
        (Limits(bytes=1000), r"even the narrowest subnet has 465\.8 kB, over the limit 1 kB: allow more"),
        (Limits(memory=10**9), "memory is measured on this machine: limit it with --latency"),
        (Limits(latency_ms=5.0), "a limit of latency needs latencies: search by --latency or --device"),
    ],
)
def test_a_limit_that_nothing_keeps_is_one_line_before_the_search(tmp_path: Path, limits: Limits, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        run_search(make_checkpoint(tmp_path), data=make_data(), limits=limits)


def test_a_limit_of_latency_that_nothing_measured_keeps_is_refused_before_the_search() -> None:
    space, tasks = formula_problem()[0].space, formula_problem()[0].tasks

    class Known:
        where, fingerprint = "here", read_fingerprint()

        def probe(self, policies: object = None) -> dict[SubnetConfig, Latency]:
            return {each: Latency(sum(each.encoder), "measured", "here") for each in probes(space, 24)}

        def confirm(self, configs: object) -> dict[SubnetConfig, Latency]:
            return {}

    least = sum(space.narrowest.encoder)
    with pytest.raises(BudgetError, match=r"none takes less than 1 ms, over the limit 900 us: allow more"):
        learn(Known(), space, tasks, limits=Limits(latency_ms=0.9 * least))
    assert learn(Known(), space, tasks, limits=Limits(latency_ms=least))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_nothing_that_was_found_keeps_is_said(name: str) -> None:
    problem = formula_problem(20)[0]

    def told(limits: Limits = UNLIMITED, floors: Floors = NONE) -> list[str]:
        asked = dataclasses.replace(problem, limits=limits, floors=floors)
        lines = run_checks.told(asked, ALGORITHMS[name].search(asked))
        return [line.split(":")[0] for line in lines if not line.startswith("quality")]

    none = "between narrowest and widest nothing was found within the "
    best = Floors(widest_quality(problem))
    assert told() == []
    assert told(Limits(macs=10**9), Floors({"depth": 0.9})) == []
    assert told(Limits(macs=problem.cost(problem.space.narrowest).total.macs)) == [
        f"{none}limits",
        "the widest is not within the limits",
    ]
    assert told(floors=best) == [f"{none}floors", "the narrowest is not within the floors"]
    assert told(Limits(macs=10**9), best) == [
        f"{none}limits and floors",
        "the narrowest is not within the limits and floors",
    ]


def widest_quality(problem: Problem) -> dict[str, float]:
    """The quality that only the widest has in all tasks."""
    table = next(problem.source.evaluate([(Trunk(problem.space.widest.encoder), dict.fromkeys(NAMES, (1.0,)))]))
    return {task: row[1.0] for task, row in table.items()}


def test_a_limit_of_memory_is_measured_in_fresh_processes(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path)
    clock = make_clock(checkpoint, 8)
    low, high = (clock.memory([end])[end] for end in (checkpoint.space.narrowest, checkpoint.space.widest))
    assert 5_000_000 < low < 500_000_000
    notes: list[str] = []
    configs = [checkpoint.space.narrowest, checkpoint.space.uniform(1.0, 0.5), checkpoint.space.widest]
    entries = tuple(
        FrontEntry(config, dict.fromkeys(NAMES, 0.5), 1, 1, Latency(1.0 + index, "measured", "here"))
        for index, config in enumerate(configs)
    )
    front = Front(entries, checkpoint.tasks, checkpoint.space, {"equal": dict.fromkeys(NAMES, 1.0)}, ORIGIN)

    def make(gone: Collection[SubnetConfig]) -> Front:
        return dataclasses.replace(front, entries=tuple(each for each in entries if each.config not in gone))

    free = within_memory(make, clock, Limits(memory=2 * max(low, high)), notes.append)
    assert [entry.config for entry in free.entries] == configs
    assert [line.partition(":")[0] for line in notes] == ["memory, measured in fresh processes"]
    least = within_memory(make, clock, Limits(memory=low // 2), notes.append)
    assert [entry.config for entry in least.entries] == [configs[0], configs[2]], "both ends stay"
    assert "of memory, over" in notes[-1]
    problem = dataclasses.replace(formula_problem()[0], space=checkpoint.space)
    with pytest.raises(BudgetError, match=r"even the narrowest subnet takes .* of memory, over the limit 1 MB: allow"):
        run_checks.limited(problem, Limits(memory=1_000_000), clock)


def test_a_real_search_keeps_a_limit_of_bytes(tmp_path: Path) -> None:
    notes: list[str] = []
    checkpoint, data = make_checkpoint(tmp_path), make_data()
    front = run_search(checkpoint, data=data, limits=Limits(bytes=900_000), note=notes.append)
    assert len(front.entries) > 2
    assert all(entry.bytes <= 900_000 for entry in front.entries if entry != front.widest)
    front = run_search(checkpoint, data=data, limits=Limits(bytes=front.narrowest.bytes), note=notes.append)
    assert notes[-2:] == [
        "between narrowest and widest nothing was found within the limits: the front has both ends alone",
        "the widest is not within the limits: it stays on the front, as both ends do",
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("15ms", "2G", "20MB"), Limits(15.0, 2_000_000_000, 20_000_000)),
        ((None, None, "1 MiB"), Limits(bytes=1 << 20)),
        ((None, None, None), Limits()),
    ],
)
def test_limits_are_read_as_people_write_them(given: tuple[str | None, ...], expected: Limits) -> None:
    assert Limits.read(*given) == expected


def test_a_limit_without_a_unit_says_which_to_write() -> None:
    with pytest.raises(BudgetError, match="bytes 20 has no unit"):
        Limits.read(size="20")
