"""What a front is worth by the costs that it states: hypervolume, and what each of its subnets beats.

Costs are shares of the widest's, for latencies of a front are measured at another pace than those that others are
estimated from. What is not on the front has only an estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..algorithms.hypervolume import COST_REFERENCE, Volume
from ..algorithms.interface import Candidate, Found
from ..algorithms.parts import NANOSECONDS
from ..algorithms.selection import objectives
from ..entries import Beaten, FrontEntry
from ..preference import Preference
from ..score import Yardstick
from .front import Front
from .provenance import BY_MACS

NEAREST = 2
"""Of the subnets that one beats, so many are named."""


def accounted(front: Front, found: Found) -> Front:
    """The front with its provenance's measures, and each subnet's `beats` and `beaten`, by its latencies as they are.

    `found` is what it was chosen from. Where that has no latencies, costs are multiply-adds.
    """
    every = {each.config: each for each in found.candidates}
    mine = [_as_stated(every[entry.config], entry) for entry in front.entries]
    by_config = {each.config: each for each in mine}
    low, high = by_config[front.space.narrowest], by_config[front.space.widest]
    preferences = [Preference.of(weights, weights) for weights in front.preferences.values()]
    volume = Volume.between(Yardstick(front.tasks, high.quality), preferences, low, high)
    references = {name: (COST_REFERENCE, loss) for name, loss in zip(front.preferences, volume.reference, strict=True)}
    origin = replace(
        front.provenance,
        candidates=len(found.candidates),
        hypervolume=volume.of(volume.points(mine)),
        references=references,
        cost=_kind(front, timed=high.nanoseconds is not None),
    )
    own = _in_shares(mine, volume.yardstick, high.cost)
    theirs = _in_shares(found.candidates, volume.yardstick, every[front.space.widest].cost)
    entries = []
    for entry, row in zip(front.entries, own, strict=True):
        at_least = [int(index) for index in np.flatnonzero((theirs >= row).all(1))]
        worse = [index for index in at_least if found.candidates[index].config != entry.config]
        entries.append(replace(entry, beats=len(worse), beaten=_nearest(found.candidates, worse, theirs, row)))
    return replace(front, entries=tuple(entries), provenance=origin)


def _as_stated(candidate: Candidate, entry: FrontEntry) -> Candidate:
    if candidate.nanoseconds is None or entry.latency is None:
        return candidate
    return replace(candidate, nanoseconds=max(1, round(entry.latency.value * NANOSECONDS)))


def _kind(front: Front, *, timed: bool) -> str:
    if not timed:
        return BY_MACS
    kinds = {entry.latency.kind if entry.latency else "estimated" for entry in front.entries}
    return f"{kinds.pop()} latency" if len(kinds) == 1 else "partly estimated latency"


def _in_shares(candidates: Sequence[Candidate], yardstick: Yardstick, widest: int) -> NDArray[np.float64]:
    """Objectives (candidates, 1 + tasks), the cost as a share of the widest's."""
    rows = objectives(candidates, yardstick)
    rows[:, 0] /= widest
    return rows


def _nearest(
    candidates: Sequence[Candidate],
    worse: list[int],
    rows: NDArray[np.float64],
    row: NDArray[np.float64],
) -> tuple[Beaten, ...]:
    """Those that differ least, by the sum of what they cost more and of the shares that they are worse by."""
    scale = np.maximum(np.abs(row), 1e-9)
    away = ((rows[worse] - row) / scale).sum(1) if worse else np.zeros(0)
    order = [worse[place] for place in np.argsort(away, kind="stable")[:NEAREST]]
    return tuple(
        Beaten(candidates[index].config, dict(candidates[index].quality), float(rows[index, 0])) for index in order
    )
