"""The measures of a method's outcome; all the same for all methods, their reference points beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pliant.models.space import SubnetConfig
from pliant.search.algorithms.hypervolume import COST_REFERENCE, Volume
from pliant.search.algorithms.interface import Candidate, Problem
from pliant.search.algorithms.parts import NANOSECONDS
from pliant.search.algorithms.selection import Chooser, choose, non_dominated
from pliant.search.control import Control, budgets_between, measure_control, protocol_preferences
from pliant.search.preference import Preference, standard_preferences
from pliant.search.score import Yardstick

from .methods import Outcome
from .subjects import Groups
from .truth import Truth

FRONT = 24
"""Subnets that a method ships."""


@dataclass(frozen=True)
class Ends:
    """Narrowest and widest subnet, which all is relative to."""

    narrowest: Candidate
    widest: Candidate


def protocol(groups: Groups) -> tuple[Preference, ...]:
    """The 20 preferences of the protocol, as weights of tasks."""
    return tuple(groups.preference(each) for each in protocol_preferences([task.name for task in groups.tasks]))


def control(problem: Problem, outcome: Outcome, ends: Ends, groups: Groups) -> Control:
    """Control at ten latency budgets, by estimated latency: what does not fit any offer gets the narrowest subnet."""
    yardstick = Yardstick(problem.tasks, ends.widest.quality)
    of_groups = protocol_preferences([task.name for task in groups.tasks])
    offers = {each: Chooser(outcome.offers(groups.preference(each)), yardstick) for each in of_groups}

    def chosen(preference: Preference, budget: float) -> dict[str, float]:
        found = offers[preference](groups.preference(preference), budget)
        return groups.quality((found or ends.narrowest).quality)

    low, high = groups.quality(ends.narrowest.quality), groups.quality(ends.widest.quality)
    budgets = budgets_between(ends.narrowest.cost, ends.widest.cost)
    return measure_control(chosen, groups.tasks, low, high, of_groups, budgets)


def hypervolume(problem: Problem, outcome: Outcome, ends: Ends, groups: Groups, truth: Truth) -> dict[str, Any]:
    """Volume of the front that a method would ship, over latencies that were measured, and its reference points."""
    names = [task.name for task in groups.tasks]
    preferences = tuple(groups.preference(each) for each in standard_preferences(names))
    yardstick = Yardstick(problem.tasks, ends.widest.quality)
    estimated = Volume.between(yardstick, preferences, ends.narrowest, ends.widest)
    best = non_dominated(outcome.found.candidates, yardstick)
    shipped = choose(best, estimated, [], FRONT)
    times = truth.latency([each.config for each in (*shipped, ends.narrowest, ends.widest)])
    low, high = (_timed(each, times) for each in (ends.narrowest, ends.widest))
    volume = Volume.between(yardstick, preferences, low, high)
    found = volume.of(volume.points([_timed(each, times) for each in shipped]))
    return {"hypervolume": found, "references": [[COST_REFERENCE, loss] for loss in volume.reference]}


def _timed(candidate: Candidate, times: Mapping[SubnetConfig, float]) -> Candidate:
    return replace(candidate, nanoseconds=round(times[candidate.config] * NANOSECONDS))
