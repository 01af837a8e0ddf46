"""What quality a search may not go below: floors in a task's metric, and drops from the widest subnet's quality."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ..devices.errors import BudgetError
from ..runtime.format.tasks import Task
from .score import Yardstick

SLACK = 1e-9
"""A share of rounding: a floor of exactly what a subnet has is met."""


@dataclass(frozen=True)
class Floors:
    """`floors` are worst values by task (at most, where lower is better), `drops` the largest losses.

    A drop is relative to the widest: one of 0.05 allows 95 % of the widest's quality, errors inverted (score.py).
    """

    floors: Mapping[str, float] = field(default_factory=dict)
    drops: Mapping[str, float] = field(default_factory=dict)

    def check(self, tasks: Collection[str]) -> None:
        """Raise BudgetError for a task that there is not, and for a drop that is no share."""
        for name in (*self.floors, *self.drops):
            if name not in tasks:
                raise BudgetError(f"no task is called {name!r}: limit one of {', '.join(tasks)}")
        for name, drop in self.drops.items():
            if not 0.0 <= drop < 1.0:
                raise BudgetError(f"the drop of {name!r} must be a share from 0 to less than 1, not {drop:g}")

    def least(self, yardstick: Yardstick) -> dict[str, float]:
        """The least relative quality by task, for those that have one.

        Raises BudgetError as `check`, and for a floor that even the widest subnet does not reach.
        """
        tasks = {task.name: task for task in yardstick.tasks}
        self.check(tasks)
        found = {name: 1.0 - drop for name, drop in self.drops.items()}
        for name, floor in self.floors.items():
            share = float(yardstick.relative([{**yardstick.widest, name: floor}])[0, list(tasks).index(name)])
            if not _reaches(tasks[name], yardstick.widest[name], floor):
                word = "under" if tasks[name].higher_is_better else "over"
                raise BudgetError(
                    f"even the widest subnet has {name} {tasks[name].metric} {yardstick.widest[name]:.4g}, {word} the "
                    f"floor {floor:g}: lower it, or train longer"
                )
            found[name] = max(share, found.get(name, share))
        return found


NONE = Floors()


def meets(floors: Floors, yardstick: Yardstick, quality: Mapping[str, float]) -> bool:
    """Whether a quality reaches every floor, and loses no more than every drop allows.

    Floors are compared as they are: where the widest scores nothing, or errs nowhere, shares of it tell nothing.
    """
    shares = dict(zip((task.name for task in yardstick.tasks), yardstick.relative([quality])[0], strict=True))
    kept = all(shares[name] >= 1.0 - drop - SLACK for name, drop in floors.drops.items())
    tasks = {task.name: task for task in yardstick.tasks}
    return kept and all(_reaches(tasks[name], quality[name], floor) for name, floor in floors.floors.items())


def _reaches(task: Task, value: float, floor: float) -> bool:
    slack = SLACK * abs(floor)
    return value >= floor - slack if task.higher_is_better else value <= floor + slack
