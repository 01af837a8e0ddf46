"""One number for a subnet and a preference: quality relative to the widest's, weighted, as plans choose by.

    score_w(subnet) = sum_t p_t * r_t,   p = w / sum(w),   r_t = q_t / q_t(widest), inverted where lower is better

`r_t` is `runtime.choice.relative`.
The widest scores 1 for every preference. `loss` is 1 - score: what the subnet gives up, negative where it is better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..runtime.format.manifest import Quality
from ..runtime.format.tasks import Task
from ..runtime.planning.choice import relative
from .preference import Preference


@dataclass(frozen=True)
class Yardstick:
    """The widest subnet's quality, which all others are measured by."""

    tasks: tuple[Task, ...]
    widest: Mapping[str, float]

    def relative(self, qualities: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
        """Per quality and task the share of the widest's: 1 is as good, more is better, whatever the metric."""
        rows = [
            [
                relative(_as_quality(task, each[task.name]), _as_quality(task, self.widest[task.name]))
                for task in self.tasks
            ]
            for each in qualities
        ]
        return np.array(rows, np.float64).reshape(len(qualities), len(self.tasks))

    def losses(
        self, preferences: Sequence[Preference], qualities: Sequence[Mapping[str, float]]
    ) -> NDArray[np.float64]:
        """1 - score, (qualities, preferences)."""
        return self.weighed(preferences, self.relative(qualities))

    def weighed(self, preferences: Sequence[Preference], relative: NDArray[np.float64]) -> NDArray[np.float64]:
        """The same of what `relative` says, (qualities, tasks), measured or predicted."""
        shares = np.array([[each.simplex[task.name] for task in self.tasks] for each in preferences], np.float64)
        losses: NDArray[np.float64] = (1.0 - relative) @ shares.T
        return losses

    def score(self, preference: Preference, quality: Mapping[str, float]) -> float:
        """The preference's weighted mean of `relative`."""
        return 1.0 - float(self.losses([preference], [quality])[0, 0])


def _as_quality(task: Task, value: float) -> Quality:
    return Quality(task.metric, value, task.higher_is_better)
