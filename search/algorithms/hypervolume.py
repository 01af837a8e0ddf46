"""How good a set of subnets is: mean over preferences of the exact hypervolume in (cost, loss), by moocore.

In the plane of a preference each subnet is (cost / widest's cost, 1 - score). The reference point is (1.1, narrowest's
loss): what the narrowest, or twice the widest, adds is next to nothing. Kept two-dimensional on purpose: it is exact
and cheap for any number of tasks, and it is what a user meets, who has one preference and one budget at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from ..preference import Preference
from ..score import Yardstick
from .interface import Candidate

Points = NDArray[np.float64]
COST_REFERENCE = 1.1
LEAST_LOSS = 1e-3


@dataclass(frozen=True)
class Volume:
    """The measure for one supernet and a set of preferences; `reference` is a loss a preference."""

    yardstick: Yardstick
    preferences: tuple[Preference, ...]
    widest_cost: int
    reference: tuple[float, ...]

    @classmethod
    def between(
        cls, yardstick: Yardstick, preferences: Sequence[Preference], low: Candidate, high: Candidate
    ) -> Volume:
        """Reference points from the narrowest (`low`) and the widest subnet."""
        losses = yardstick.losses(preferences, [low.quality])[0]
        # A narrowest that loses nothing would leave no volume to measure.
        reference = tuple(max(float(loss), LEAST_LOSS) for loss in losses)
        return cls(yardstick, tuple(preferences), high.cost, reference)

    def points(self, candidates: Sequence[Candidate]) -> Points:
        """(preferences, candidates, 2): share of the widest's cost, and loss."""
        relative = self.yardstick.relative([each.quality for each in candidates])
        return self.planes(np.array([each.cost / self.widest_cost for each in candidates]), relative)

    def planes(self, costs: NDArray[np.float64], relative: NDArray[np.float64]) -> Points:
        """The same of shares of the widest's cost (n,) and relative quality (n, tasks), measured or predicted."""
        losses = self.yardstick.weighed(self.preferences, relative)
        return np.stack([np.broadcast_to(costs, losses.T.shape), losses.T], axis=2)

    def of(self, planes: Iterable[Points]) -> float:
        """Mean hypervolume of points as `points` makes them, or of a plane (candidates, 2) a preference; 0 for none."""
        return float(
            np.mean(
                [
                    moocore.hypervolume(plane, ref=(COST_REFERENCE, loss)) if len(plane) else 0.0
                    for plane, loss in zip(planes, self.reference, strict=True)
                ]
            )
        )
