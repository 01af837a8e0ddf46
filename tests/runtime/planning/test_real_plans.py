"""Plans of a real suite, measured here: numbers are kept, loaded by, switched by, and told apart."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.repeats import UNKNOWN
from pliant.runtime.planning.book import Book

from .. import making, network
from .paper import unwanted


@pytest.fixture(scope="module")
def graded_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real suite, large enough that its subnets' latencies differ, the wider the better."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "HEIGHT", 96)
        patch.setattr(network, "WIDTH", 128)
        made = making.make()
    for index, entry in enumerate(made.manifest["subnets"]):
        for task in entry["quality"].values():
            task["value"] = 0.5 + 0.1 * index if task["higher_is_better"] else 0.5 - 0.1 * index
    return made.write(tmp_path_factory.mktemp("graded") / "graded.pliant")


@pytest.fixture
def graded(graded_path: Path) -> Iterator[pliant.Suite]:
    with pliant.open_suite(graded_path) as opened:
        yield opened


def test_real_measuring_keeps_its_numbers_and_the_next_plan_measures_nothing(graded: pliant.Suite) -> None:
    seen: list[tuple[str, int, int]] = []
    first = graded.plan(latency="10 s", threads=1, progress=lambda *step: seen.append(step))
    assert first.subnet.id == "s03-fp32"
    assert first.latency_ms is not None
    assert first.latency_ms.kind == "measured"
    assert (first.latency_ms.runs or 0) >= 42
    assert 0.01 < first.latency_ms.value < 1000.0
    assert seen[-1][1] == seen[-1][2]
    assert {subnet.id for subnet in graded.subnets} <= {what.split()[-1] for what, _, _ in seen}
    again = graded.plan(latency="10 s", threads=1, progress=unwanted)
    assert again == first
    assert graded.plan(latency="9 s", threads=1, measure="never").subnet == first.subnet
    shown = graded.plan(macs="1 T", threads=1).latency_ms
    assert shown == replace(first.latency_ms, room=None), "known numbers are shown without a limit"


def test_the_chosen_one_meets_its_limit_and_better_ones_do_not(graded: pliant.Suite) -> None:
    graded.plan(latency="10 s", threads=1)
    cache = MeasurementCache()
    book = Book(graded, tuple(graded.tasks), threads=1, cache=cache)
    medians = {}
    for item in graded.subnets:
        found = book.latency(item)
        assert found is not None
        medians[item.id] = found.p50 or 0.0
    limit = sorted(medians.values())[1] * 1.001
    found_plan = graded.plan(latency=f"{limit} ms", threads=1, measure="never", cache=cache)
    assert medians[found_plan.subnet.id] <= limit
    better = [item.id for item in graded.subnets if item.id > found_plan.subnet.id]
    if not any("it is close" in note for note in found_plan.notes):
        for item in graded.subnets:
            known = book.latency(item)
            medians[item.id] *= 1.0 + max(UNKNOWN, known.spread / 2.0 if known else 0.0)
    assert all(medians[name] > limit for name in better)
    with pytest.raises(pliant.NoSubnetFits) as caught:
        graded.plan(latency="1 us", threads=1, measure="never")
    assert caught.value.nearest == min(medians, key=lambda name: medians[name])


def test_a_plan_loads_and_a_switch_uses_what_is_known(graded: pliant.Suite) -> None:
    found = graded.plan(latency="10 s", threads=1, tasks=["depth", "edges"])
    with graded.load(found) as model:
        assert model.subnet.id == found.subnet.id
        assert model.tasks == ("depth", "edges")
        assert model.switch(latency="5 s").target == found.subnet.id
        with pytest.raises(pliant.NoSubnetFits):
            model.switch(latency="1 us")


def test_other_tasks_and_threads_are_other_measurements(graded: pliant.Suite) -> None:
    graded.plan(latency="10 s", threads=1, tasks=["depth"])
    for words in ({"tasks": ["edges"], "threads": 1}, {"tasks": ["depth"], "threads": 2}):
        with pytest.raises(pliant.BudgetError, match=r"pliant profile .*--tasks .*--threads"):
            graded.plan(latency="10 s", measure="never", **words)


def test_numbers_are_stale_when_the_machine_changes(graded: pliant.Suite) -> None:
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("one processor only: there is none to take away")
    graded.plan(latency="10 s", threads=1, tasks=["depth"])
    try:
        os.sched_setaffinity(0, {min(allowed)})
        with pytest.raises(pliant.BudgetError, match=rf"stale \(cores was {len(allowed)}, is 1\)"):
            graded.plan(latency="10 s", threads=1, tasks=["depth"], measure="never")
    finally:
        os.sched_setaffinity(0, allowed)
    graded.plan(latency="10 s", threads=1, tasks=["depth"], measure="never")


def test_a_cache_that_cannot_be_written_is_said_in_the_plan(graded: pliant.Suite) -> None:
    cache = MeasurementCache("/dev/null/cache")
    found = graded.plan(latency="10 s", threads=1, tasks=["depth"], cache=cache)
    assert any("PLIANT_CACHE" in note for note in found.notes)
    assert "PLIANT_CACHE" in str(found)
    assert (
        graded.plan(latency="10 s", threads=1, tasks=["depth"], cache=cache, progress=unwanted).subnet == found.subnet
    )


def test_memory_is_measured_for_real(graded: pliant.Suite) -> None:
    found = graded.plan(memory="2 GB", threads=1, tasks=["depth"])
    assert found.subnet.id == "s03-fp32"
    assert found.memory_bytes is not None
    assert 5e6 < found.memory_bytes.value < 5e8
    assert graded.plan(memory="2 GB", threads=1, tasks=["depth"], progress=unwanted) == found
    with pytest.raises(pliant.NoSubnetFits, match="memory"):
        graded.plan(memory="1 MB", threads=1, tasks=["depth"])
