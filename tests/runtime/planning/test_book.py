"""Measuring subnets through sessions, and the profile that `pliant profile` writes."""

from __future__ import annotations

import json

import pytest

import pliant
from pliant.devices.cache import MeasurementCache
from pliant.devices.measure import Effort
from pliant.devices.profile import DeviceProfile
from pliant.runtime.planning.book import GLANCE, Book
from pliant.runtime.planning.profiling import profile_suite

SHORT = Effort(runs=12, seconds=0.0)


def test_a_profile_has_every_subnet_asked_for_and_reads_back(suite: pliant.Suite) -> None:
    chosen = [suite.subnet("s01-fp32"), suite.subnet("s03-fp32")]
    found = profile_suite(suite, chosen, threads=1, memory=False, effort=SHORT)
    keys = [Book(suite, tuple(suite.tasks), threads=1).key(subnet).text for subnet in chosen]
    assert set(found.latency) == set(keys)
    assert all(measurement.runs >= 12 for measurement in found.latency.values())
    assert all(key.endswith("/1x16x24x3/cpu/1/depth,edges,floor,normals,room") for key in found.latency)
    assert "measured" in found.conditions
    assert DeviceProfile.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert MeasurementCache().profile(found.fingerprint).latency == found.latency, "kept for plan"


def test_a_profile_lets_plan_never_measure(suite: pliant.Suite) -> None:
    profile_suite(suite, threads=1, memory=False, effort=SHORT)
    assert suite.plan(latency="1 s", threads=1, measure="never").latency_ms is not None


def test_a_profile_is_measured_anew(suite: pliant.Suite) -> None:
    chosen = [suite.subnet("s01-fp32")]
    first = profile_suite(suite, chosen, threads=1, memory=False, effort=SHORT)
    second = profile_suite(suite, chosen, threads=1, memory=False, effort=SHORT)
    [one], [two] = first.latency.values(), second.latency.values()
    assert two.taken > one.taken


def test_the_default_number_of_threads_is_the_number_of_physical_cores(suite: pliant.Suite) -> None:
    from pliant.runtime.engine import physical_cores

    book = Book(suite, ("depth",))
    assert book.threads == physical_cores()
    assert book.key(suite.subnets[0]) == Book(suite, ("depth",), threads=physical_cores()).key(suite.subnets[0])


def test_subnets_of_the_same_graph_are_measured_once(suite: pliant.Suite) -> None:
    one = suite.subnet("s01-fp32")
    twin = one._replace(id="s09-fp32")
    book = Book(suite, ("depth",), threads=1)
    seen: list[str] = []
    book.measure([one, twin], 0.5, GLANCE, lambda what, done, total: seen.append(f"{what} {done}/{total}"))
    assert seen == ["measuring s01-fp32 0/1", "measured 1/1"]
    assert book.latency(twin) == book.latency(one)


def test_unknown_tasks_and_providers_are_refused(suite: pliant.Suite) -> None:
    with pytest.raises(pliant.BudgetError):
        profile_suite(suite, tasks=["dept"])
    with pytest.raises(pliant.BudgetError, match="provider"):
        profile_suite(suite, provider="toaster", memory=False, effort=SHORT)
