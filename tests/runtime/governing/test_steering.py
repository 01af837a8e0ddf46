"""The governor's rules on a scripted clock: it ends on the best rung that fits, returns, and does not oscillate."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pliant.devices.vitals import Vitals
from pliant.runtime.governing.steering import BACKOFF_S, COOL, DWELL_S, GROWTH, HEAT_S, HOT, LONGEST_S, MARGIN, QUIET
from pliant.runtime.planning.ladder import Rung, efficient

from .steered import Machine

LADDER = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.9)
TARGET = 15.0

ladders = st.lists(st.floats(1.0, 30.0), min_size=1, max_size=12, unique=True).map(sorted)
loads = st.floats(0.4, 8.0)
quantiles = st.sampled_from([0.1, 0.5, 0.9, 0.95])


def probes(seconds: float) -> int:
    """Steps up that the back-off permits in so long a time if all are taken back."""
    count, wait, at = 0, BACKOFF_S, 0.0
    while at < seconds:
        count, at, wait = count + 1, at + wait, min(wait * GROWTH, LONGEST_S)
    return count


@given(ladders, loads, quantiles, st.integers(0, 11))
@example([2.0, 14.9], 1.03, 0.5, 1)  # slower than its profile by as little as counts as quiet
@settings(max_examples=40)
def test_under_a_constant_load_it_ends_on_the_best_rung_that_fits_or_the_narrowest(
    latencies: list[float], load: float, quantile: float, start: int
) -> None:
    start = min(start, len(latencies) - 1)
    machine = Machine(latencies, TARGET, lambda now: load, quantile, start=start).run(240.0)
    if machine.moves and machine.moves[-1][2].rung > machine.moves[-1][1] and machine.now - machine.moves[-1][0] < 4.0:
        machine.run(4.0)  # a step up is being tried
    at = machine.at
    assert at == 0 or latencies[at] * load <= TARGET * 1.000001, machine.said
    for higher in range(at + 1, len(latencies)):
        worth = latencies[higher] >= latencies[at] * (1.0 + MARGIN)
        fits = latencies[higher] * load <= TARGET * (1.0 - MARGIN) * 0.999999
        assert not (worth and fits), f"{latencies[higher]} would fit: {machine.said}"
    assert len(machine.moves) <= 2 + 2 * probes(240.0), machine.path


@given(loads, quantiles)
def test_a_target_that_the_load_leaves_alone_takes_no_step(load: float, quantile: float) -> None:
    machine = Machine([2.0, 14.0 / max(load, 1.0)], TARGET, lambda now: min(load, 1.0), quantile, start=1).run(120.0)
    assert machine.path == []


@given(st.floats(1.2, 6.0), st.floats(5.0, 200.0), st.sampled_from([0.5, 0.9]), st.floats(10.0, 40.0))
def test_when_load_comes_and_goes_it_steps_down_and_returns(
    factor: float, lasts: float, quantile: float, frames: float
) -> None:
    machine = Machine(LADDER, TARGET, lambda now: factor if 30 <= now < 30 + lasts else 1.0, quantile, frames)
    machine.run(30.0 + lasts)
    assert machine.at < len(LADDER) - 1, "a load that misses the target was borne"
    machine.run(120.0)
    assert machine.at == len(LADDER) - 1, machine.said
    assert len(machine.moves) <= 6, machine.path


def test_it_goes_as_far_down_as_the_slow_down_says_and_says_so() -> None:
    machine = Machine(LADDER, TARGET, lambda now: 2.0 if now >= 10 else 1.0).run(30.0)
    assert machine.path == [2]
    (reason,) = machine.said
    assert reason.startswith("p50 29.8 ms in ")
    assert reason.endswith("calls over 15 ms, 2.00 times the profile; such a call of s02 should take 12 ms")
    assert machine.missed < 2.0


def test_it_goes_up_when_a_rung_has_fitted_for_five_seconds_and_to_the_one_that_did_all_along() -> None:
    machine = Machine(LADDER, TARGET, lambda now: 1.5 if now < 4 else 1.2, start=0).run(9.0)
    (when, _, move), *_ = machine.moves
    assert 5.0 <= when <= 6.5
    assert LADDER[move.rung] == 8.0, "10 ms fit at the end of the five seconds only"


def test_a_quantile_that_just_keeps_the_target_is_no_miss() -> None:
    noise = random.Random(0)
    machine = Machine((*LADDER[:-1], 14.6), TARGET, lambda now: math.exp(0.1 * noise.gauss(0.0, 1.0))).run(600.0)
    assert machine.missed > 100.0
    assert machine.path == []


def test_a_step_up_is_taken_back_to_where_it_came_from() -> None:
    machine = Machine([4.0, 8.0, 14.0], TARGET, lambda now: 1.0, factor=lambda rung: 2.5 if rung == 2 else 1.0, start=1)
    assert machine.run(12.0).path == [2, 1], "of 8 ms it is known that they fit, whatever 2.5 times says"


def test_steps_up_one_after_the_other_are_all_taken_back() -> None:
    # Each of two rungs is reached in turn, and then both turn out too slow.
    machine = Machine([4.0, 8.0, 12.0], TARGET, lambda now: 1.5 if now < 7 else 1.15 if now < 15 else 4.0, start=0)
    machine.run(25.0)
    assert machine.path == [1, 2, 1, 0]
    assert [move.back for _, _, move in machine.moves] == [False, False, True, True]


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_a_hiccup_is_no_miss(quantile: float) -> None:
    machine = Machine(LADDER, TARGET, lambda now: 3.0 if now % 25.0 < 0.9 else 1.0, quantile, start=6).run(300.0)
    assert machine.path == []


def test_at_p95_it_is_the_slow_calls_that_count() -> None:
    slow_sometimes = lambda now: 3.0 if int(now * 25) % 6 == 0 else 0.9  # noqa: E731
    assert Machine(LADDER, TARGET, slow_sometimes, 0.5, start=6).run(120.0).path == []
    assert Machine(LADDER, TARGET, slow_sometimes, 0.95, start=6).run(120.0).path != []


@given(st.lists(st.tuples(st.floats(1.0, 60.0), st.floats(0.8, 5.0)), min_size=1, max_size=20), st.data())
@settings(max_examples=40)
def test_a_step_up_that_was_taken_back_is_not_tried_again_before_its_wait_is_over(
    segments: list[tuple[float, float]], data: st.DataObject
) -> None:
    unlike = data.draw(st.lists(st.floats(0.7, 1.6), min_size=len(LADDER), max_size=len(LADDER)))
    ends = [sum(length for length, _ in segments[: index + 1]) for index in range(len(segments))]

    def load(now: float) -> float:
        return next((factor for end, (_, factor) in zip(ends, segments, strict=True) if now < end), 1.0)

    machine = Machine(LADDER, TARGET, load, factor=lambda rung: unlike[rung]).run(ends[-1] + 60.0)
    for (when, source, move), (later, _, following) in pairwise(machine.moves):
        if move.back:
            wait = float(move.reason.rpartition("the next waits ")[2].removesuffix(" s"))
            assert following.rung < source or later - when >= wait, machine.said
        if following.rung > move.rung:
            assert later - when >= DWELL_S, machine.said


def test_a_rung_that_is_slower_than_predicted_is_tried_less_and_less_often() -> None:
    machine = Machine([4.0, 10.0], TARGET, lambda now: 1.0, factor=lambda rung: 1.0 + rung, start=1).run(3600.0)
    assert machine.path == [0, 1] * (len(machine.path) // 2) + [0]
    assert len(machine.path) <= 1 + 2 * probes(3600.0)
    ups = [when for when, source, move in machine.moves if move.rung > source]
    gaps = [after - before for before, after in pairwise(ups)]
    assert gaps == sorted(gaps) or min(gaps[2:]) > 100.0, gaps
    assert machine.missed < 0.01 * 3600.0


def test_load_that_comes_and_goes_all_the_time_is_not_followed_for_ever() -> None:
    machine = Machine(LADDER, TARGET, lambda now: 2.0 if int(now / 20.0) % 2 else 1.0).run(1800.0)
    assert len(machine.path) < 40, "45 times the load came"


def test_small_changes_of_load_are_not_followed_by_steps_up() -> None:
    dense = [1.0 + 0.1 * index for index in range(140)]
    machine = Machine(dense, TARGET, lambda now: 1.3 + 0.02 * math.sin(now / 7.0)).run(1200.0)
    assert len(machine.path) <= 4, machine.said


@pytest.mark.parametrize("quantile", [0.5, 0.95])
def test_a_narrowest_that_misses_stays_and_says_so_once(quantile: float) -> None:
    machine = Machine(LADDER, TARGET, lambda now: 20.0, quantile).run(120.0)
    assert machine.at == 0
    assert [said for said in machine.said if "no narrower subnet is left" in said] == machine.said[-1:]


def test_a_rung_that_cannot_be_loaded_is_left_alone_for_longer_and_longer() -> None:
    machine = Machine(LADDER, TARGET, lambda now: 2.0, broken=frozenset({2})).run(60.0)
    assert machine.path == [1]  # the best that fits is s02, which is broken; s01 comes next
    assert sum("s02 should take" in said for said in machine.said) <= 4
    everything = Machine(LADDER, TARGET, lambda now: 2.0, broken=frozenset(range(6))).run(300.0)
    assert everything.at == 6
    assert len(everything.said) <= 6 * probes(300.0) + 2 * probes(300.0)


def test_calls_before_a_pause_say_nothing_of_those_after_it() -> None:
    machine = Machine(LADDER, TARGET, lambda now: 1.0 if 10 <= now < 20 else 2.0).run(14.5)
    assert machine.path == [2]
    machine.now += 60.0  # it had just become quiet, and nobody calls for a minute
    machine.run(30.0)
    assert machine.path == [2], "it stepped up on what it saw a minute ago"


@pytest.mark.parametrize("frames", [25.0, 400.0])
def test_after_a_pause_the_five_seconds_begin_anew(frames: float) -> None:
    machine = Machine((2.0, 14.0), TARGET, lambda now: 1.0, frames=frames, start=0).run(3.0)
    machine.now += 60.0
    machine.run(4.5)
    assert machine.path == []
    machine.run(4.0)
    assert machine.path == [1]


def test_rare_calls_are_judged_ten_at_a_time() -> None:
    machine = Machine(LADDER, TARGET, lambda now: 2.0, frames=0.5).run(18.0)
    assert machine.path == []
    machine.run(6.0)
    assert machine.path == [2]


def warm(celsius: float) -> Vitals:
    return Vitals("cpu-thermal", celsius, 99.0, 6.25)


def test_heat_is_a_reason_to_step_down_one_at_a_time_and_to_stay_there() -> None:
    machine = Machine(
        LADDER, TARGET, lambda now: 1.0, vitals=lambda now: warm(99.0 - HOT if now < 25 else 99.0 - COOL + 1)
    )
    machine.run(HEAT_S + 1.0)
    assert [LADDER[rung] for rung in machine.path] == [10.0]  # the best that takes a fifth less
    assert machine.said[0].startswith(
        "cpu-thermal 96.0 °C, 6.2 W, the machine is slowed down from 99 °C on; s04 takes 67 % of the time"
    )
    machine.run(12.0)
    assert [LADDER[rung] for rung in machine.path] == [10.0, 8.0]
    machine.run(120.0)
    assert machine.at == 3, "it stepped up while the machine was still warm"


def test_after_heat_it_returns_and_does_not_heat_up_again_and_again() -> None:
    # Each rung has its own temperature, which it reaches slowly; the widest is too hot for good.
    machine = Machine(LADDER, TARGET, lambda now: 1.0)
    celsius = [60.0]

    def vitals(now: float) -> Vitals:
        celsius[0] += (60.0 + 3.0 * LADDER[machine.at] - celsius[0]) * 0.1 / 20.0
        return warm(celsius[0])

    machine.vitals = vitals
    machine.run(3600.0)
    assert machine.path
    assert max(celsius) < 99.0
    assert len(machine.path) <= 2 * probes(3600.0) + 4, machine.said


def test_what_the_machine_tells_stands_beside_the_reason() -> None:
    machine = Machine(LADDER, TARGET, lambda now: 2.0, vitals=lambda now: warm(61.0)).run(5.0)
    assert machine.said[0].endswith("(cpu-thermal 61.0 °C, 6.2 W)")


@given(st.lists(st.tuples(st.floats(1.0, 9.0), st.floats(0.0, 4.0)), min_size=1, max_size=30), st.data())
def test_the_ladder_is_the_efficient_front_with_the_planned_subnet(
    found: list[tuple[float, float]], data: st.DataObject
) -> None:
    rungs = [Rung(f"s{index}", latency, score) for index, (latency, score) in enumerate(found)]
    keep = data.draw(st.sampled_from(rungs))
    ladder = efficient(rungs, keep.id)
    assert keep in ladder
    assert [rung.latency_ms for rung in ladder] == sorted(rung.latency_ms for rung in ladder)
    for rung in rungs:
        beaten = any(other.score >= rung.score for other in rungs if other.latency_ms < rung.latency_ms)
        if rung in ladder:
            assert not beaten or rung == keep
        elif not beaten:
            assert any(other.latency_ms == rung.latency_ms and other.score >= rung.score for other in ladder)


def test_quiet_is_what_a_plan_near_its_limit_returns_at() -> None:
    back = Machine([4.0, 14.9], TARGET, lambda now: QUIET - 0.01, start=0).run(30.0)
    assert back.path[:1] == [1]
    assert Machine([4.0, 14.9], TARGET, lambda now: QUIET + 0.01, start=0).run(30.0).path == []
