"""Which subnet is chosen, of suites on paper: the rule against a brute-force oracle, and within which limits."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pliant
from pliant.devices.repeats import UNKNOWN
from pliant.runtime.format.manifest import Quality, SubnetInfo
from pliant.runtime.planning.choice import over, rank, relative
from pliant.runtime.planning.plan import Plan

from .paper import TASKS, Paper, in_memory, papers, plan

limits = st.fixed_dictionaries(
    {
        "macs": st.none() | st.integers(4, 24),
        "bytes": st.none() | st.integers(4, 24).map(lambda count: f"{count} B"),
        "floors": st.dictionaries(st.sampled_from(list(TASKS)), st.sampled_from([0.125, 0.25, 0.5, 1.0]), max_size=2),
        "prefer": st.dictionaries(st.sampled_from(list(TASKS)), st.sampled_from([0.5, 2.0, 4.0]), max_size=2),
        "tasks": st.just(None),
    }
)


def planned(suite: Paper, **words: Any) -> Plan | None:
    try:
        return plan(suite, **words)
    except pliant.NoSubnetFits:
        return None


def cost_of(item: SubnetInfo, tasks: Sequence[str]) -> tuple[int, int]:
    parts = [item.encoder, *(item.decoders[task] for task in tasks)]
    return sum(part.macs for part in parts), sum(part.bytes for part in parts)


def oracle(suite: Paper, words: dict[str, Any]) -> tuple[str, float] | None:
    """The rule of the design, written out plainly: filter, score, cheapest of the best."""
    tasks = words["tasks"] or tuple(TASKS)
    fp32 = [item for item in suite.subnets if item.precision == "fp32"] or list(suite.subnets)
    top = fp32[0]
    for item in fp32:
        top = item if item.macs > top.macs else top
    fits = []
    for item in suite.subnets:
        macs, size = cost_of(item, tasks)
        if words["macs"] is not None and macs > words["macs"]:
            continue
        if words["bytes"] is not None and size > int(words["bytes"].split()[0]):
            continue
        good, score = True, 0.0
        for task in tasks:
            mine, best = item.quality[task].value, top.quality[task].value
            weight, floor = words["prefer"].get(task, 1.0), words["floors"].get(task)
            if task == "depth":
                score += weight * best / mine
                good &= floor is None or mine <= floor
            else:
                score += weight * mine / best
                good &= floor is None or mine >= floor
        if good:
            fits.append((-score, macs, size, item.id))
    if not fits:
        return None
    # Of subnets that tie in everything, the first in the suite.
    first = min(entry[:3] for entry in fits)
    return next((entry[3], -entry[0]) for entry in fits if entry[:3] == first)


@given(papers(), limits)
@settings(max_examples=150)
def test_the_choice_is_that_of_a_brute_force_oracle(suite: Paper, words: dict[str, Any]) -> None:
    found, expected = planned(suite, **words), oracle(suite, words)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.subnet.id, found.score) == expected
    assert {item.id for item in found.rejected} == {item.id for item in suite.subnets} - {found.subnet.id}
    assert all(item.reason for item in found.rejected)


@given(papers(), limits, st.sampled_from([subset for size in (1, 2) for subset in itertools.combinations(TASKS, size)]))
def test_a_subset_of_the_tasks_counts_only_their_parts(
    suite: Paper, words: dict[str, Any], tasks: tuple[str, ...]
) -> None:
    words = {**words, "tasks": tasks, "floors": {}, "prefer": {}}
    found, expected = planned(suite, **words), oracle(suite, words)
    assert (found and (found.subnet.id, found.score)) == expected
    if found:
        assert (found.macs, found.bytes) == cost_of(found.subnet, tasks)


@given(papers(), limits, st.integers(0, 12), st.integers(0, 12))
def test_a_looser_budget_never_gives_a_lower_score(suite: Paper, words: dict[str, Any], macs: int, size: int) -> None:
    tight = planned(suite, **words)
    looser = dict(words)
    if words["macs"] is not None:
        looser["macs"] = words["macs"] + macs
    if words["bytes"] is not None:
        looser["bytes"] = f"{int(words['bytes'].split()[0]) + size} B"
    looser["floors"] = dict(list(words["floors"].items())[:1])
    loose = planned(suite, **looser)
    if tight is not None:
        assert loose is not None
        assert loose.score >= tight.score


@given(papers(most=6), st.lists(st.floats(1.0, 40.0), min_size=6, max_size=6), st.floats(1.0, 40.0))
def test_a_latency_limit_is_met_by_the_kept_numbers(suite: Paper, times: list[float], limit: float) -> None:
    cache = in_memory(suite, {item.id: [time] * 30 for item, time in zip(suite.subnets, times, strict=False)})
    taken = {item.id: time for item, time in zip(suite.subnets, times, strict=False)}
    text = f"{limit!r} ms"
    if min(taken.values()) > limit:
        with pytest.raises(pliant.NoSubnetFits) as caught:
            plan(suite, latency=text, measure="never", cache=cache)
        assert taken[caught.value.nearest or ""] == min(taken.values())
        assert caught.value.misses == {"latency": pytest.approx(min(taken.values()) / limit)}
        return
    found = plan(suite, latency=text, measure="never", cache=cache)
    assert found.latency_ms is not None
    assert found.latency_ms.value == pytest.approx(taken[found.subnet.id])
    assert found.latency_ms.value <= limit
    assert found.latency_ms.kind == "measured"
    # Under the limit by the room that repeats may need, unless none is.
    with_room = limit / (1.0 + UNKNOWN)
    allowed = with_room if min(taken.values()) <= with_room else limit
    assert found.latency_ms.value <= allowed
    assert any("it is close" in note for note in found.notes) == (allowed == limit)
    better = [item for item in rank(suite.subnets, tuple(TASKS), found.budget) if item.score > found.score]
    assert all(taken[item.subnet.id] > allowed for item in better)


@pytest.mark.parametrize(
    ("value", "shown"), [(4_943_360, "4,943,360 times it"), (2.5, "2.5 times it"), (1.034, "3.4 % over")]
)
def test_how_far_over_a_limit_is_a_plain_number(value: float, shown: str) -> None:
    assert over("macs", value, 1.0, str(value), "1").text.endswith(f"limit 1 ({shown})")


def test_ratios_of_quality_stay_finite() -> None:
    high, least = Quality("miou", 1e30, True), Quality("miou", 1e-300, True)
    assert relative(high, least) == relative(least._replace(higher_is_better=False), high) == 1e9
    assert relative(high._replace(value=-1e30), least) == -1e9
