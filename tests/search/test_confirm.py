from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from pliant.devices.fingerprint import read_fingerprint
from pliant.models.space import SearchSpace, SubnetConfig
from pliant.search.confirm import confirm, learn
from pliant.search.entries import FrontEntry, Latency
from pliant.search.front.exclusion import with_latencies
from pliant.search.front.front import Front
from pliant.search.front.provenance import BY_MACS, Provenance
from pliant.search.latency.clock import NONE, Policies, Profiled, probes, rewarded
from pliant.search.run import run_search

from .making import NAMES, TASKS, formula_problem, make_checkpoint, make_clock, make_data, make_supernet
from .test_profiled import make_profile

SPACE = formula_problem()[0].space


def made_front(rows: Sequence[tuple[float, float]]) -> tuple[Front, dict[SubnetConfig, Latency]]:
    """Ends and, between them, subnets of (quality, milliseconds); the narrowest has (0.1, 1), the widest (1, 10)."""
    configs = [SPACE.uniform(0.5, 0.5), SPACE.uniform(0.5, 0.75), SPACE.uniform(0.75, 0.5)][: len(rows)]
    rows = [(0.1, 1.0), *rows, (1.0, 10.0)]
    entries = [
        FrontEntry(config, {"surfaces": quality, "depth": 0.1 / quality, "edges": quality}, 10 * index, 1)
        for index, (config, (quality, _)) in enumerate(
            zip([SPACE.narrowest, *configs, SPACE.widest], rows, strict=True)
        )
    ]
    origin = Provenance("", "", "", "", 1, 1, 0, 0, 0, 0.0, {})
    front = Front(tuple(entries), TASKS, SPACE, {"equal": dict.fromkeys(NAMES, 1.0)}, origin)
    times = {entry.config: Latency(row[1], "measured", "here") for entry, row in zip(entries, rows, strict=True)}
    return front, times


def test_a_thinner_subnet_that_is_no_faster_is_left_out_and_said_so() -> None:
    timed, lines = with_latencies(*made_front([(0.5, 4.0), (0.6, 3.9), (0.8, 8.0)]))
    assert [entry.latency.value for entry in timed.entries if entry.latency] == [1.0, 3.9, 8.0, 10.0]
    (line,) = lines
    assert "thinner than another subnet but no faster, 4 ms against 3.9 ms" in line


def test_int8_that_is_no_faster_than_its_twin_is_left_out_and_said_so() -> None:
    """Though it is on the front by quality: the twin is not, for it is the same speed and was not chosen."""
    front, times = made_front([(0.5, 4.0), (0.6, 5.0)])
    slow, fast = (dataclasses.replace(entry.config, precision="int8") for entry in front.entries[1:3])
    entries = [
        dataclasses.replace(entry, config=config)
        for entry, config in zip(front.entries, [SPACE.narrowest, slow, fast, SPACE.widest], strict=True)
    ]
    front = dataclasses.replace(front, entries=tuple(entries))
    times = {**times, slow: times[dataclasses.replace(slow, precision="fp32")], fast: Latency(4.5, "measured", "here")}
    timed, lines = with_latencies(front, times)
    assert [entry.config for entry in timed.entries] == [SPACE.narrowest, fast, SPACE.widest]
    (line,) = lines
    assert "in int8 no faster than in fp32, 4 ms against 4 ms" in line


def test_what_is_left_out_rules_nothing_else_out() -> None:
    """The int8 subnet beats its neighbour, but loses to its own twin, which is not on the front."""
    front, times = made_front([(0.5, 4.0), (0.6, 3.9)])
    int8 = dataclasses.replace(front.entries[2].config, precision="int8")
    entries = list(front.entries)
    entries[2] = dataclasses.replace(entries[2], config=int8)
    twin = dataclasses.replace(int8, precision="fp32")
    times = {**times, int8: Latency(3.9, "measured", "here"), twin: Latency(3.8, "measured", "here")}
    timed, lines = with_latencies(dataclasses.replace(front, entries=tuple(entries)), times)
    assert [entry.config for entry in timed.entries] == [SPACE.narrowest, front.entries[1].config, SPACE.widest]
    assert len(lines) == 1


def test_an_estimate_rules_nothing_out() -> None:
    front, times = made_front([(0.5, 4.0), (0.6, 3.9)])
    guessed = front.entries[1].config
    timed, lines = with_latencies(front, {**times, guessed: Latency(4.0, "estimated", "here")})
    assert len(timed.entries) == 4
    assert not lines


def test_where_few_latencies_are_known_those_rule_out_too() -> None:
    """Of a profile of fewer subnets than can be learned from: what it has not, has no latency, and stays."""
    front, times = made_front([(0.5, 4.0), (0.6, 3.9), (0.8, 8.0)])
    known = {config: times[config] for config in [each.config for each in front.entries[:3]]}
    timed, lines = with_latencies(front, known)
    assert [entry.config for entry in timed.entries] == [
        entry.config for place, entry in enumerate(front.entries) if place != 1
    ]
    assert [entry.latency and entry.latency.value for entry in timed.entries] == [1.0, 3.9, None, None]
    assert [entry.preferences for entry in timed.entries] == [()] * 4
    assert "thinner than another subnet but no faster" in lines[0]


class Known:
    """A clock of another machine that has few latencies."""

    where = "board"
    fingerprint = read_fingerprint()

    def __init__(self, times: dict[SubnetConfig, Latency]):
        self.times = times

    def probe(self, policies: Policies = NONE) -> dict[SubnetConfig, Latency]:
        return self.times

    def confirm(self, configs: Sequence[SubnetConfig]) -> dict[SubnetConfig, Latency]:
        return {config: self.times[config] for config in configs if config in self.times}


def test_a_front_by_multiply_adds_keeps_its_names_and_says_what_is_unknown() -> None:
    """Though all its latencies be known: they are beside what it was searched by."""
    front, times = made_front([(0.5, 4.0), (0.6, 3.9), (0.8, 8.0)])
    named = tuple(dataclasses.replace(each, preferences=("equal",)) for each in front.entries)
    front = dataclasses.replace(front, entries=named, provenance=dataclasses.replace(front.provenance, cost=BY_MACS))
    notes: list[str] = []
    full = confirm(front, Known(times), {}, notes.append)
    assert [each.preferences for each in full.entries] == [("equal",)] * 4
    assert len(notes) == 1
    assert "thinner than another subnet but no faster" in notes[0]
    del times[SPACE.widest]
    confirm(front, Known(times), {}, notes.append)
    assert notes[-1].startswith("1 of 5 latencies are unknown")


def test_of_many_that_are_left_out_the_first_are_told_and_how_many_more() -> None:
    configs = list(itertools.islice(SPACE.encoders(), 20))
    front, _ = made_front([])
    middle = [
        dataclasses.replace(front.entries[0], config=SubnetConfig(each, SPACE.narrowest.decoders), macs=index)
        for index, each in enumerate(configs[1:8])
    ]
    front = dataclasses.replace(front, entries=(front.entries[0], *middle, front.entries[-1]))
    times = {each.config: Latency(2.0, "measured", "here") for each in front.entries}
    times[SPACE.narrowest] = Latency(1.0, "measured", "here")
    notes: list[str] = []
    assert len(confirm(front, Known(times), {}, notes.append).entries) == 2
    assert [line.partition(" encoder")[0] for line in notes[:3]] == ["left out"] * 3
    assert notes[3].startswith("left out 4 more")
    assert len(notes) == 4


def test_of_equal_subnets_one_stays_and_both_ends_do() -> None:
    timed, lines = with_latencies(*made_front([(0.5, 4.0), (0.5, 4.0)]))
    assert len(timed.entries) == 3
    assert len(lines) == 1
    front, times = made_front([(1.0, 0.5)])
    timed, lines = with_latencies(front, times)
    assert len(timed.entries) == 3
    assert not lines


def test_preferences_go_by_what_was_measured() -> None:
    timed, _ = with_latencies(*made_front([(0.5, 4.0), (0.6, 6.0)]))
    assert [entry.preferences for entry in timed.entries] == [("equal",)] * 4
    front, times = made_front([(1.0, 0.5)])
    timed, _ = with_latencies(front, times)
    assert [entry.preferences for entry in timed.entries] == [(), ("equal",), ()]


@pytest.mark.parametrize("count", [1, 5, 16, 40])
def test_probes_are_as_many_as_asked_or_as_there_are_and_always_the_same(count: int) -> None:
    found = probes(SPACE, count)
    assert len(found) == len(set(found)) == count
    assert probes(SPACE, count) == found
    assert len(probes(make_supernet().space, 1000)) == make_supernet().space.size


def test_a_space_of_more_subnets_than_len_can_say_is_probed() -> None:
    """Of 28 tasks there are 4 to the 32nd."""
    many = SearchSpace(4, tuple(f"task{index:02}" for index in range(28)))
    assert len(probes(many, 20)) == 20


def test_a_search_for_latency_measures_its_front_here(tmp_path: Path) -> None:
    notes: list[str] = []
    checkpoint = make_checkpoint(tmp_path)
    front = run_search(
        checkpoint,
        data=make_data(),
        clock=make_clock(checkpoint, 20),
        note=notes.append,
        out=tmp_path / "front.json",
    )
    assert all(entry.latency is not None and entry.latency.kind == "measured" for entry in front.entries)
    assert front.provenance.cost == "measured latency"
    assert notes[0].startswith("latencies are estimated from 20 measured subnets: held out, they are ")
    assert Front.load(tmp_path / "front.json") == front
    assert (tmp_path / "front-latency.png").stat().st_size > 10_000


def test_a_profile_of_another_machine_serves_and_what_it_has_not_is_estimated(tmp_path: Path) -> None:
    notes: list[str] = []
    checkpoint = make_checkpoint(tmp_path)
    profile = make_profile(checkpoint.supernet, probes(checkpoint.space, 24))
    clock = Profiled(dataclasses.replace(profile), checkpoint.supernet)
    front = run_search(checkpoint, data=make_data(), clock=clock, note=notes.append)
    kinds = [entry.latency.kind for entry in front.entries if entry.latency]
    assert len(kinds) == len(front.entries)
    assert kinds.count("estimated") == len(kinds) - sum(entry.config in clock.probe() for entry in front.entries)
    assert "estimated" in kinds
    assert front.provenance.cost == ("partly estimated latency" if "measured" in kinds else "estimated latency")
    assert any("latencies are estimated: export a suite" in line for line in notes)


@pytest.mark.parametrize(("noise", "warned"), [(0.0, False), (1.5, True)])
def test_latencies_that_tell_of_a_busy_machine_are_said_to_be_rough(noise: float, warned: bool) -> None:
    notes: list[str] = []
    rng = random.Random(0)

    class Busy:
        where, fingerprint = "here", read_fingerprint()

        def probe(self, policies: Policies = NONE) -> dict[SubnetConfig, Latency]:
            drawn = probes(SPACE, 60)
            return {each: Latency(sum(each.encoder) * (1 + noise * rng.random()), "measured", "here") for each in drawn}

        def confirm(self, configs: Sequence[SubnetConfig]) -> dict[SubnetConfig, Latency]:
            return {}

    assert set(learn(Busy(), SPACE, TASKS, notes.append)) == {"fp32"}
    assert ("was the machine busy?" in notes[0]) == warned


def test_of_a_profile_of_few_subnets_only_what_it_has_is_told(tmp_path: Path) -> None:
    notes: list[str] = []
    checkpoint = make_checkpoint(tmp_path)
    clock = Profiled(make_profile(checkpoint.supernet, probes(checkpoint.space, 3)), checkpoint.supernet)
    front = run_search(checkpoint, data=make_data(), clock=clock, note=notes.append)
    assert any("3 known latencies, too few to estimate others by (8 at least): searching by" in line for line in notes)
    assert front.provenance.cost == "macs"
    known = clock.probe()
    assert {entry.config: entry.latency for entry in front.entries} == {
        entry.config: known.get(entry.config) for entry in front.entries
    }


def test_a_register_of_avx2_holds_eight() -> None:
    machine = dataclasses.replace(read_fingerprint(), machine="x86_64", board="", gpus=())
    found = [rewarded(SPACE, dataclasses.replace(machine, isa=isa)) for isa in (("avx2",), ("avx2", "avx_vnni"))]
    assert found == [None, None]
    wide = rewarded(SPACE, dataclasses.replace(machine, isa=("avx2", "avx512", "avx512_vnni")))
    assert wide is not None
    assert wide.startswith("x86-vnni rewards channels in multiples of 16")


@pytest.mark.parametrize(
    ("board", "multiple", "line"),
    [
        ("NVIDIA Jetson AGX Orin Developer Kit", 8, "jetson-agx-orin rewards channels in multiples of 16, "),
        ("NVIDIA Jetson AGX Orin Developer Kit", 16, None),
        ("NVIDIA Jetson Nano Developer Kit", 8, None),
    ],
)
def test_a_device_that_rewards_other_multiples_of_channels_is_told_of(
    board: str, multiple: int, line: str | None
) -> None:
    machine = dataclasses.replace(read_fingerprint(), machine="aarch64", board=board)
    found = rewarded(dataclasses.replace(SPACE, multiple=multiple), machine)
    assert found is None if line is None else found is not None and found.startswith(line)
