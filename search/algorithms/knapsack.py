"""The best decoders on a given encoder, for every budget at once and exactly.

Given the encoder, tasks do not depend on each other's decoders: what a preference gains is a sum over tasks, and so are
multiply-adds. To choose a width for each task within a budget is then a multiple-choice knapsack (Kellerer, Pferschy
and Pisinger, 2004, chapter 11). Task by task all choices so far are kept that no cheaper one equals; a choice that is
beaten by another of the same tasks stays beaten whatever the other tasks choose, so none is lost.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Choices:
    """Non-dominated choices, from the cheapest to the most expensive; each gains more than all before it.

    `costs` and `gains` are (n,); `options` is (n, tasks), for each task the index of its option.
    """

    costs: NDArray[np.int64]
    gains: NDArray[np.float64]
    options: NDArray[np.int64]

    def within(self, budget: float) -> int | None:
        """Index of the best choice of at most this cost; None where even the cheapest costs more."""
        index = int(np.searchsorted(self.costs, budget, side="right")) - 1
        return index if index >= 0 else None

    def where(self, kept: NDArray[np.bool_] | NDArray[np.int64]) -> Choices:
        """Those that are marked, or at these indices."""
        return Choices(self.costs[kept], self.gains[kept], self.options[kept])

    def thinned(self, most: int) -> Choices:
        """At most `most` of them, two at least: the cheapest, and the best of each of as many equal ranges of cost.

        So the cheapest and the best of all are always there.
        """
        if len(self.costs) <= most:
            return self
        low, high = self.costs[0], self.costs[-1]
        ranges = ((self.costs - low) * max(1, most - 1) // (high - low + 1)).astype(np.int64)
        # The last of a range gains most.
        last = np.flatnonzero(np.append(np.diff(ranges) > 0, True))
        return self.where(np.union1d([0], last))


def best_choices(gains: NDArray[np.float64], costs: NDArray[np.int64]) -> Choices:
    """All choices of one option for each task that none equals or beats in gain at the same or a lower cost.

    `gains` and `costs` are (tasks, options); an option that gains minus infinity is never chosen. Of choices with the
    same cost and gain, that of the first options is kept.
    """
    found = Choices(np.zeros(1, np.int64), np.zeros(1), np.zeros((1, 0), np.int64))
    for gain, cost in zip(gains, costs, strict=True):
        found = _with_task(found, gain, cost)
    return found


def _with_task(found: Choices, gains: NDArray[np.float64], costs: NDArray[np.int64]) -> Choices:
    """Every choice so far with every option of one more task, the beaten ones left out."""
    all_costs = (found.costs[:, None] + costs).ravel()
    all_gains = (found.gains[:, None] + gains).ravel()
    order = np.lexsort((-all_gains, all_costs))
    best_before = np.concatenate([[-np.inf], np.maximum.accumulate(all_gains[order])[:-1]])
    kept = order[all_gains[order] > best_before]
    earlier, option = np.divmod(kept, len(gains))
    return Choices(all_costs[kept], all_gains[kept], np.column_stack([found.options[earlier], option]))
