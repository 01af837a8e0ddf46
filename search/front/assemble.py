"""From what a search found to the front that is kept: both ends, the answers to the recipe's budgets, a good spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...models.space import SubnetConfig
from ..algorithms.hypervolume import Volume
from ..algorithms.interface import Candidate, Found, Problem
from ..algorithms.selection import Chooser, choose, non_dominated
from ..entries import FrontEntry
from ..floors import meets
from ..score import Yardstick
from .account import accounted
from .front import Front
from .provenance import Provenance


def make_front(problem: Problem, found: Found, budgets: Sequence[float], size: int, origin: Provenance) -> Front:
    """At most `size` subnets: both ends, the best for each preference and budget, then those that add most.

    Both ends are there whether they keep floors and limits or not: the narrowest is what a suite falls back on.
    `budgets` are shares of the widest's cost; where their answers are more than `size` asks for, only what they add
    counts. `origin` is filled in with what the result says, by costs as the search knew them (account.py).
    """
    by_config = {each.config: each for each in found.candidates}
    low, high = by_config[problem.space.narrowest], by_config[problem.space.widest]
    volume = Volume.between(Yardstick(problem.tasks, high.quality), problem.preferences, low, high)
    allowed = [
        each
        for each in found.candidates
        if problem.limits.allow(each.macs, each.bytes, each.nanoseconds)
        and meets(problem.floors, volume.yardstick, each.quality)
    ]
    best = non_dominated(allowed, volume.yardstick)
    ends = list(dict.fromkeys([low.config, high.config]))
    answers = _answers(best, volume, [share * high.cost for share in budgets])
    always = list(dict.fromkeys([*ends, *answers]))
    kept = [by_config[config] for config in (always if len(always) <= size else ends)]
    chosen = choose(best, volume, kept, size)
    names = _own_fronts(chosen, volume)
    entries = tuple(
        FrontEntry(each.config, each.quality, each.macs, each.bytes, None, tuple(names[each.config])) for each in chosen
    )
    origin = replace(origin, evaluations=found.evaluations)
    weights = {each.name: each.to_json() for each in problem.preferences}
    return accounted(Front(entries, problem.tasks, problem.space, weights, origin), found)


def _answers(best: Sequence[Candidate], volume: Volume, budgets: Sequence[float]) -> list[SubnetConfig]:
    """The subnets that the searched preferences would get at the recipe's budgets."""
    chosen = Chooser(best, volume.yardstick)
    found = [chosen(each, cost) for cost in budgets for each in volume.preferences]
    return [each.config for each in found if each is not None]


def _own_fronts(chosen: Sequence[Candidate], volume: Volume) -> dict[SubnetConfig, list[str]]:
    """Per subnet the preferences on whose front, of score over cost, it lies."""
    names: dict[SubnetConfig, list[str]] = {each.config: [] for each in chosen}
    cheap_first = sorted(chosen, key=lambda each: each.cost)
    losses = volume.yardstick.losses(volume.preferences, [each.quality for each in cheap_first])
    for column, preference in enumerate(volume.preferences):
        least = float("inf")
        for each, loss in zip(cheap_first, losses[:, column], strict=True):
            if loss < least:
                names[each.config].append(preference.name)
                least = loss
    return names
