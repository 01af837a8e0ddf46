"""A front's measures are those of the costs that it states, whatever the search had estimated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from pliant.search.algorithms.factorized import Factorized
from pliant.search.algorithms.hypervolume import Volume
from pliant.search.entries import FrontEntry, Latency
from pliant.search.front.account import accounted
from pliant.search.front.assemble import make_front
from pliant.search.front.front import Front
from pliant.search.front.provenance import Provenance
from pliant.search.preference import Preference
from pliant.search.score import Yardstick

from .making import formula_problem, priced

PROBLEM = priced(formula_problem(20)[0])
FOUND = Factorized().search(PROBLEM)
BY_CONFIG = {each.config: each for each in FOUND.candidates}
FRONT = make_front(PROBLEM, FOUND, (0.25, 0.5, 1.0), 12, Provenance("", "", "", "", 1, 1, 0, 0, 0, 0.0, {}))


def timed(milliseconds: Callable[[FrontEntry], float], front: Front = FRONT) -> Front:
    entries = (dataclasses.replace(e, latency=Latency(milliseconds(e), "measured", "here")) for e in front.entries)
    return accounted(dataclasses.replace(front, entries=tuple(entries)), FOUND)


def estimate(entry: FrontEntry) -> float:
    return BY_CONFIG[entry.config].cost / 1e6


def test_before_anything_is_measured_the_measures_are_said_to_be_by_estimates() -> None:
    assert FRONT.provenance.cost == "estimated latency"
    by_macs, _ = formula_problem(20)
    front = make_front(by_macs, Factorized().search(by_macs), (0.5,), 12, FRONT.provenance)
    assert front.provenance.cost == "macs"


def test_a_machine_that_is_as_estimated_at_another_pace_changes_no_measure() -> None:
    front = timed(lambda entry: 3.0 * estimate(entry))
    assert front.provenance.cost == "measured latency"
    assert front.provenance.hypervolume == pytest.approx(FRONT.provenance.hypervolume, rel=1e-4)
    assert front.provenance.references == FRONT.provenance.references


def test_the_hypervolume_is_that_of_the_latencies_on_the_front_without_what_was_left_out() -> None:
    fewer = dataclasses.replace(FRONT, entries=(*FRONT.entries[:3], *FRONT.entries[5:]))
    front = timed(lambda entry: estimate(entry) * (1.0 if entry.config == FRONT.space.widest else 1.5), fewer)
    mine = [
        dataclasses.replace(BY_CONFIG[entry.config], nanoseconds=round(entry.latency.value * 1e6))
        for entry in front.entries
        if entry.latency
    ]
    preferences = [Preference.of(weights, weights) for weights in front.preferences.values()]
    low, high = (
        next(each for each in mine if each.config == end) for end in (front.space.narrowest, front.space.widest)
    )
    volume = Volume.between(Yardstick(front.tasks, high.quality), preferences, low, high)
    assert front.provenance.hypervolume == pytest.approx(volume.of(volume.points(mine)))
    assert front.provenance.hypervolume < 0.95 * FRONT.provenance.hypervolume


def test_a_subnet_that_is_slower_than_it_was_estimated_beats_fewer() -> None:
    slow = max(FRONT.entries[1:-1], key=lambda entry: entry.beats or 0)
    front = timed(lambda entry: estimate(entry) * (1.2 if entry.config == slow.config else 1.0))
    (found,) = [entry for entry in front.entries if entry.config == slow.config]
    assert found.beats is not None
    assert slow.beats is not None
    assert 0 < found.beats < slow.beats
    share = 1.2 * estimate(slow) / estimate(front.widest)
    assert all(each.cost >= share for each in found.beaten)


def test_one_estimate_among_measured_latencies_is_said() -> None:
    front = timed(estimate)
    first = dataclasses.replace(front.entries[0], latency=Latency(1.0, "estimated", "here"))
    front = accounted(dataclasses.replace(front, entries=(first, *front.entries[1:])), FOUND)
    assert front.provenance.cost == "partly estimated latency"
