"""Measuring: known durations come out, quantiles own up to too few runs, interleaving cancels drift."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pliant
from pliant.devices.measure import (
    QUANTILES,
    Effort,
    Measurement,
    check_quantile,
    measure,
    paired_ratio,
    runs_needed,
    sample,
    summarize,
)


def spin(milliseconds: float) -> Callable[[], None]:
    """A call of known length that sleeps for nobody."""

    def call() -> None:
        end = time.perf_counter_ns() + milliseconds * 1e6
        while time.perf_counter_ns() < end:
            pass

    return call


def test_a_known_duration_is_measured() -> None:
    found = measure({"two": spin(2.0)}, effort=Effort(runs=20, seconds=0.2))["two"]
    assert found.p50 is not None
    # Only the quickest run is bounded above: where other work shares the cores, half of all runs may take far longer.
    assert 2.0 <= found.min < 4.0
    assert found.p50 >= found.min
    assert found.runs >= 20
    assert found.wall > 0.0
    assert abs(found.taken - time.time()) < 60.0


def test_runs_are_interleaved_after_warm_up() -> None:
    calls: list[str] = []
    measure(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")},
        effort=Effort(runs=6, seconds=0.0, warmup=2, burst=3),
    )
    assert calls[:4] == ["a", "a", "b", "b"]
    first_round = calls[4:12]
    assert first_round == ["a"] * 4 + ["b"] * 4
    assert set(calls[12:16]) == {"b"}, "the order turns from round to round"


def test_a_quantile_gets_the_runs_it_needs_although_time_is_over() -> None:
    found = measure({"a": lambda: None}, quantile=0.95, effort=Effort(runs=3, seconds=0.0))["a"]
    assert found.runs >= 60
    assert found.p95 is not None
    assert found.p99 is None


def test_measuring_ends_when_the_time_is_over_although_it_is_not_steady() -> None:
    rng = np.random.default_rng(0)
    began = time.perf_counter()
    found = measure(
        {"noisy": lambda: spin(float(rng.choice([0.1, 3.0])))()}, effort=Effort(runs=6, spread=0.001, seconds=0.5)
    )["noisy"]
    assert time.perf_counter() - began < 5.0
    assert found.spread > 0.001


def test_every_run_is_told_and_what_is_never_steady_enough_runs_as_often_as_all_others() -> None:
    found = sample({"a": lambda: None, "b": spin(0.2)}, effort=Effort(runs=6, seconds=0.1, spread=0.0))
    assert len(found["a"]) == len(found["b"]) > 6
    assert min(found["b"]) >= 0.2


def test_progress_reaches_its_total() -> None:
    seen: list[tuple[int, int]] = []
    measure(
        {"a": spin(0.1)},
        effort=Effort(runs=9, seconds=0.0),
        progress=lambda what, done, total: seen.append((done, total)),
    )
    assert seen[-1] == (9, 9)


@given(st.lists(st.floats(0.001, 1e4), min_size=1, max_size=400), st.sampled_from(QUANTILES))
def test_quantiles_agree_with_numpy_or_are_withheld(times: list[float], quantile: float) -> None:
    found = summarize(times, quantile)
    value = found.at(quantile)
    if len(times) < runs_needed(quantile):
        assert value is None
        assert math.isinf(found.spread)
    else:
        assert value == pytest.approx(np.quantile(times, quantile))
        assert found.spread >= 0.0
    assert found.at_least(quantile) <= float(np.quantile(times, quantile)) + 1e-9
    assert found.at_least(quantile) >= found.min
    assert Measurement.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(("quantile", "runs"), [(0.5, 6), (0.95, 60), (0.99, 300), (0.1, 30), (0.9, 30), (0.75, 12)])
def test_runs_that_a_quantile_needs(quantile: float, runs: int) -> None:
    assert runs_needed(quantile) == runs


@pytest.mark.parametrize("quantile", [0.0, 1.0, 0.6, -1, math.nan, "p50", None, True])
def test_a_quantile_that_is_not_kept_is_refused(quantile: float) -> None:
    with pytest.raises(pliant.BudgetError, match=r"0\.5"):
        check_quantile(quantile)


def test_drift_shows_in_the_spread() -> None:
    steady = summarize([10.0] * 40)
    drifting = summarize([10.0] * 20 + [20.0] * 20)
    assert steady.spread == 0.0
    assert drifting.spread > 0.5


def test_a_paired_ratio_survives_a_machine_that_slows_down() -> None:
    count = [0]

    def slowing(base: float) -> Callable[[], None]:
        def call() -> None:
            count[0] += 1
            spin(base * (1.0 + count[0] / 60.0))()

        return call

    ratio = paired_ratio(slowing(0.4), slowing(0.2), runs=30)
    assert 1.6 < ratio.median < 2.4
    assert ratio.low <= ratio.median <= ratio.high
    assert ratio.runs == 30


def test_a_ratio_of_too_few_runs_is_refused() -> None:
    with pytest.raises(pliant.PliantError):
        paired_ratio(lambda: None, lambda: None, runs=3)


@pytest.mark.parametrize(
    "change",
    [
        {"runs": 0},
        {"runs": 1e999},
        {"runs": 2.5},
        {"min": 10**400},
        {"min": "1"},
        {"min": True},
        {"min": None},
        {"p50": -1.0},
        {"mean": math.nan},
        {"min": math.inf},
        {"more": 1},
        {"p50": "fast"},
    ],
)
def test_wrong_json_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(pliant.PliantError):
        Measurement.from_json({**summarize([1.0] * 20).to_json(), **change})
