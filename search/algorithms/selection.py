"""From everything that was measured to a front: what is not dominated, and a well-spread part of it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from ..preference import Preference
from ..score import Yardstick
from .hypervolume import Points, Volume
from .interface import Candidate


def non_dominated(candidates: Sequence[Candidate], yardstick: Yardstick) -> list[Candidate]:
    """Candidates that none beats in cost and every task's quality at once; of equals, the first in `_order`."""
    ordered = sorted(candidates, key=_order)
    if not ordered:
        return []
    kept = moocore.is_nondominated(objectives(ordered, yardstick))
    return [each for each, keep in zip(ordered, kept, strict=True) if keep]


def objectives(candidates: Sequence[Candidate], yardstick: Yardstick) -> NDArray[np.float64]:
    """(candidates, 1 + tasks), all minimised: cost, then each task's quality as error."""
    rows = []
    for each in candidates:
        signs = {task.name: -1.0 if task.higher_is_better else 1.0 for task in yardstick.tasks}
        rows.append([float(each.cost), *(signs[name] * each.quality[name] for name in signs)])
    return np.array(rows, np.float64)


class Chooser:
    """Chooses from candidates, for any preference and budget; what does not depend on these is worked out once."""

    def __init__(self, candidates: Sequence[Candidate], yardstick: Yardstick):
        # Cheap first, and as they were given: of equal scores the first is chosen.
        self._candidates = sorted(candidates, key=lambda each: each.cost)
        self._costs = np.array([each.cost for each in self._candidates])
        self._losses = 1.0 - yardstick.relative([each.quality for each in self._candidates])
        self._tasks = [task.name for task in yardstick.tasks]

    def __call__(self, preference: Preference, budget: float) -> Candidate | None:
        """The candidate of highest score within the budget, the cheaper of equals; None where none fits."""
        count = int(np.searchsorted(self._costs, budget, side="right"))
        if not count:
            return None
        shares = np.array([preference.simplex[task] for task in self._tasks])
        return self._candidates[int(np.argmin(self._losses[:count] @ shares))]


def choose(front: Sequence[Candidate], volume: Volume, always: Sequence[Candidate], size: int) -> list[Candidate]:
    """At most `size` of a front, `always` among them (and more than `size` only if they are).

    First those that add most hypervolume over all preferences (greedy, hence at least 1 - 1/e of the best choice's:
    hypervolume is submodular; Nemhauser et al., 1978). Where none adds any, those farthest from what is chosen.
    """
    held = {each.config for each in always}
    members = [*always, *sorted((each for each in front if each.config not in held), key=_order)]
    points = volume.points(members)
    chosen = list(range(len(always)))
    rest = list(range(len(always), len(members)))
    chosen += by_volume(points, volume, chosen, rest, size - len(chosen))
    rest = [index for index in rest if index not in chosen]
    chosen += _by_distance(_scaled(objectives(members, volume.yardstick)), chosen, rest, size - len(chosen))
    return sorted((members[index] for index in chosen), key=_order)


def by_volume(points: Points, volume: Volume, chosen: Sequence[int], rest: Sequence[int], room: int) -> list[int]:
    """At most `room` indices of `rest` that add hypervolume to `chosen`, in the order in which they add most.

    Lazily: gains only shrink, so an old one is a bound.
    """
    picked: list[int] = []
    base = volume.of(points[:, list(chosen)])
    heap = [(-volume.of(points[:, [*chosen, index]]) + base, index) for index in rest]
    heapq.heapify(heap)
    while heap and len(picked) < room:
        _, index = heapq.heappop(heap)
        gain = volume.of(points[:, [*chosen, *picked, index]]) - base
        if gain <= 1e-12:
            continue
        if heap and gain < -heap[0][0]:
            heapq.heappush(heap, (-gain, index))
            continue
        picked.append(index)
        base += gain
    return picked


def spread(values: NDArray[np.float64], count: int) -> list[int]:
    """Indices of at most `count` rows that lie far from each other, each axis scaled to its range."""
    return _by_distance(_scaled(values), [], range(len(values)), count)


def _by_distance(scaled: NDArray[np.float64], chosen: Sequence[int], rest: Sequence[int], room: int) -> list[int]:
    """Indices, each the farthest from all before it (Gonzalez, 1985)."""
    picked: list[int] = []
    remaining = list(rest)
    if not remaining or room <= 0:
        return picked
    nearest = np.array([_distance(scaled, index, chosen) for index in remaining])
    while len(picked) < min(room, len(rest)):
        place = int(nearest.argmax())
        picked.append(remaining[place])
        nearest = np.minimum(nearest, np.linalg.norm(scaled[remaining] - scaled[remaining[place]], axis=1))
        nearest[place] = -1.0
    return picked


def _distance(scaled: NDArray[np.float64], index: int, others: Sequence[int]) -> float:
    if not others:
        return float("inf")
    return float(np.linalg.norm(scaled[list(others)] - scaled[index], axis=1).min())


def _scaled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = values.min(0), values.max(0)
    scaled: NDArray[np.float64] = (values - low) / np.where(high > low, high - low, 1.0)
    return scaled


def _order(candidate: Candidate) -> tuple[object, ...]:
    """From cheap to wide, and then by widths: never by the order in which things were found."""
    config = candidate.config
    return (candidate.macs, candidate.bytes, config.encoder, config.decoders, config.precision)
